"""Is this photograph anything like those the network was trained on?

The score is the Mahalanobis distance of a middle block's channel means to those of training
photographs (Lee et al., NeurIPS 2018). A middle block, as the last one keeps only what tells the
seven classes apart: pictures of other things come to lie among the lesions there.
"""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

SHRINKAGE = 0.05
NAME = "out_of_distribution.npz"
UNFITTED = 1e9  # the threshold until ml.calibrate fits one: nothing is out of distribution


@dataclass(frozen=True)
class Detector:
    """Fitted by `fit_detector`; D features."""

    centre: np.ndarray  # (D,)
    whitening: np.ndarray  # (D, D): training features times this have unit covariance, nearly

    @classmethod
    def load(cls, path: Path) -> "Detector":
        with np.load(path) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    @classmethod
    def of_artefact(cls, directory: Path, settings: dict) -> "Detector | None":
        """The detector that belongs to model.json's `out_of_distribution`; None before ml.calibrate.

        Raises ValueError where the file is missing or another than the threshold was fitted to:
        the threshold would stop nothing, or something else.
        """
        path = directory / NAME
        if not path.exists():
            if settings["threshold"] < UNFITTED:
                raise ValueError(f"{path} is missing, and model.json has a threshold for it")
            return None
        wanted = settings.get("sha256")
        if wanted is not None and hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            raise ValueError(f"{path} does not match its hash in model.json")
        return cls.load(path)

    def save(self, path: Path) -> str:
        """Write the file; returns its SHA-256."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(path, **{name: array.astype(np.float32) for name, array in arrays.items()})
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def score(self, features: np.ndarray) -> np.ndarray:
        """(N,) from features (N, D): about 1 for a familiar photograph, larger for a stranger one."""
        white = (features - self.centre) @ self.whitening
        return np.sqrt((white**2).mean(axis=1))


def is_strange(scores: np.ndarray, threshold: float, has_colour: np.ndarray) -> np.ndarray:
    """Which photographs, bool like `scores`, do not look like those that the network learnt from: by
    `Detector.score`, or as they show greys (ml.light.has_colour)."""
    return (scores > threshold) | np.logical_not(has_colour)


def fit_detector(features: np.ndarray) -> Detector:
    """From features (N, D) of training photographs."""
    centre, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    standard = (features - centre) / deviation
    correlation = standard.T @ standard / len(standard)
    # Shrinking keeps the directions that hardly vary in training from ruling the distance.
    shrunk = (1 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(correlation))
    root = np.linalg.cholesky(np.linalg.inv(shrunk))
    return Detector(centre=centre, whitening=root / deviation[:, np.newaxis])
