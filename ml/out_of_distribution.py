"""Is this photograph anything like those the network was trained on?

The score is the Mahalanobis distance of a middle block's channel means to those of training
photographs (Lee et al., NeurIPS 2018). A middle block, as the last one keeps only what tells the
seven classes apart: pictures of other things come to lie among the lesions there.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

SHRINKAGE = 0.05


@dataclass(frozen=True)
class Detector:
    """Fitted by `fit_detector`; D features."""

    centre: np.ndarray  # (D,)
    whitening: np.ndarray  # (D, D): training features times this have unit covariance, nearly

    @classmethod
    def load(cls, path: Path) -> "Detector":
        with np.load(path) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def save(self, path: Path) -> None:
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(path, **{name: array.astype(np.float32) for name, array in arrays.items()})

    def score(self, features: np.ndarray) -> np.ndarray:
        """(N,) from features (N, D): about 1 for a familiar photograph, larger for a stranger one."""
        white = (features - self.centre) @ self.whitening
        return np.sqrt((white**2).mean(axis=1))


def fit_detector(features: np.ndarray) -> Detector:
    """From features (N, D) of training photographs."""
    centre, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    standard = (features - centre) / deviation
    correlation = standard.T @ standard / len(standard)
    # Shrinking keeps the directions that hardly vary in training from ruling the distance.
    shrunk = (1 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(correlation))
    root = np.linalg.cholesky(np.linalg.inv(shrunk))
    return Detector(centre=centre, whitening=root / deviation[:, np.newaxis])
