"""Is this photograph anything like those the network was trained on?

Three measures of strangeness, each standardised on the calibration split, are added up with
weights chosen there:
- distance: Mahalanobis distance of the pooled features to the nearest class, inside the subspace
  where lesions vary (Lee et al., NeurIPS 2018);
- residual: length of the features' part outside that subspace (ViM, Wang et al., CVPR 2022);
- energy: minus the log of the summed exponentials of the logits (Liu et al., NeurIPS 2020).
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

MEASURES = ("distance", "residual", "energy")


@dataclass(frozen=True)
class Detector:
    """Fitted by `fit_detector`; D features, k directions, 7 classes."""

    centre: np.ndarray  # (D,)
    whitening: np.ndarray  # (D, k): within-class unit variance along each kept direction
    basis: np.ndarray  # (D, k): orthonormal, spans the same subspace
    class_means: np.ndarray  # (7, k), whitened
    offset: np.ndarray  # (3,): mean of each measure on calibration photographs
    scale: np.ndarray  # (3,): its standard deviation
    weights: np.ndarray  # (3,)

    @classmethod
    def load(cls, path: Path) -> "Detector":
        with np.load(path) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def save(self, path: Path) -> None:
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(path, **{n: np.asarray(a, np.float32) for n, a in arrays.items()})

    def measures(self, features: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """(N, 3), one column each of MEASURES, from features (N, D) and logits (N, 7)."""
        away = features - self.centre
        white = away @ self.whitening
        to_class = np.linalg.norm(white[:, np.newaxis] - self.class_means, axis=2).min(axis=1)
        residual = np.linalg.norm(away - (away @ self.basis) @ self.basis.T, axis=1)
        top = logits.max(axis=1)
        energy = -(top + np.log(np.exp(logits - top[:, np.newaxis]).sum(axis=1)))
        return np.stack([np.log(to_class), np.log(residual), energy], axis=1)

    def score(self, features: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """(N,): strangeness in standard deviations of calibration photographs; larger is stranger."""
        standardised = (self.measures(features, logits) - self.offset) / self.scale
        return standardised @ self.weights


def fit_detector(
    features: np.ndarray,
    labels: np.ndarray,
    calibration_features: np.ndarray,
    calibration_logits: np.ndarray,
    directions: int = 64,
    weights: tuple[float, float, float] = (1.0, 1.0, 0.0),
) -> Detector:
    """features (N, D) and labels (N,) of the training split give the subspace and the class means;
    the calibration split gives each measure's usual level, as training features lie too close."""
    centre = features.mean(axis=0)
    away = features - centre
    _, singular, right = np.linalg.svd(away, full_matrices=False)
    kept = min(directions, int((singular > 1e-6 * singular[0]).sum()))
    basis = right[:kept].T
    projected = away @ basis
    present = np.unique(labels)
    means = np.stack([projected[labels == index].mean(axis=0) for index in present])
    within = projected - means[np.searchsorted(present, labels)]
    covariance = within.T @ within / len(within)
    # A little of the mean variance keeps directions that hardly vary from ruling the distance.
    covariance += 1e-3 * np.trace(covariance) / kept * np.eye(kept)
    inverse_root = np.linalg.cholesky(np.linalg.inv(covariance))
    detector = Detector(
        centre=centre,
        whitening=basis @ inverse_root,
        basis=basis,
        class_means=means @ inverse_root,
        offset=np.zeros(len(MEASURES)),
        scale=np.ones(len(MEASURES)),
        weights=np.asarray(weights, dtype=float),
    )
    usual = detector.measures(calibration_features, calibration_logits)
    settled = {field.name: getattr(detector, field.name) for field in fields(detector)}
    settled |= {"offset": usual.mean(axis=0), "scale": usual.std(axis=0) + 1e-9}
    return Detector(**settled)
