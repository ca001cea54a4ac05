"""The two figures a training run is steered by."""

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """(N, C) logits to (N, C) probabilities."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def macro_auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean one-against-rest area under the ROC curve over the classes present, 0..1."""
    return float(np.mean([_auc(scores[:, c], labels == c) for c in _classes(scores, labels)]))


def balanced_accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean recall of the highest score over the classes present, 0..1."""
    chosen = scores.argmax(axis=1)
    return float(np.mean([(chosen[labels == c] == c).mean() for c in np.unique(labels)]))


def _classes(scores, labels):
    return [c for c in range(scores.shape[1]) if 0 < (labels == c).sum() < len(labels)]


def _auc(score: np.ndarray, positive: np.ndarray) -> float:
    # Mann-Whitney: the mean rank of the positives; ties share their ranks.
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    hits = positive.sum()
    return (ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * (len(score) - hits))
