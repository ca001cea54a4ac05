"""Measures of a classifier: pure functions of labels, probabilities and, optionally, weights.

Everywhere: labels (N,) class indices, probabilities (N, K), scores (N,), weights (N,) not
negative. A weight of 2 counts a photograph twice: that is how the bootstrap resamples. A measure
that its data cannot give (no example of a class, say) is nan.
"""

import numpy as np


def auc(is_positive: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Area under the ROC curve: how often a positive outscores a negative; ties count half."""
    weights = _weights(weights, len(scores))
    _, rank = np.unique(scores, return_inverse=True)
    positive = np.bincount(rank, weights * is_positive)
    negative = np.bincount(rank, weights * ~is_positive)
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return np.nan
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs)


def class_aucs(labels, probabilities, weights=None) -> np.ndarray:
    """One-against-the-rest AUC of every class, (K,)."""
    count = probabilities.shape[1]
    return np.array([auc(labels == k, probabilities[:, k], weights) for k in range(count)])


def confusion(labels, decisions, count: int, weights=None) -> np.ndarray:
    """(K, K): rows are true classes, columns decisions."""
    cells = labels * count + decisions
    totals = np.bincount(cells, _weights(weights, len(labels)), minlength=count * count)
    return totals.reshape(count, count)


def accuracy(matrix: np.ndarray) -> float:
    """Share of right decisions, from a confusion matrix."""
    return _ratio(np.trace(matrix), matrix.sum())


def sensitivities(matrix: np.ndarray) -> np.ndarray:
    """Of each class's photographs, the share decided for it, (K,)."""
    return np.array([_ratio(matrix[k, k], matrix[k].sum()) for k in range(len(matrix))])


def specificities(matrix: np.ndarray) -> np.ndarray:
    """Of the photographs of other classes, the share not decided for this one, (K,)."""
    totals = matrix.sum()
    result = []
    for k in range(len(matrix)):
        others = totals - matrix[k].sum()
        result.append(_ratio(others - (matrix[:, k].sum() - matrix[k, k]), others))
    return np.array(result)


def balanced_accuracy(matrix: np.ndarray) -> float:
    """Mean sensitivity over the classes that occur."""
    return mean_known(sensitivities(matrix))


def rates(is_positive, scores, threshold: float, weights=None) -> tuple[float, float]:
    """(sensitivity, specificity) when scores of at least `threshold` are called positive."""
    weights = _weights(weights, len(scores))
    called = scores >= threshold
    return (
        _ratio(weights[is_positive & called].sum(), weights[is_positive].sum()),
        _ratio(weights[~is_positive & ~called].sum(), weights[~is_positive].sum()),
    )


def threshold_at_sensitivity(is_positive, scores, sensitivity: float) -> float:
    """The highest threshold that calls at least this share of the positives positive."""
    positive = np.sort(scores[is_positive])[::-1]
    if not len(positive):
        return np.nan
    needed = int(np.ceil(sensitivity * len(positive) - 1e-9))
    return float(positive[max(needed, 1) - 1])


def threshold_at_specificity(is_positive, scores, specificity: float) -> float:
    """The lowest threshold that leaves at least this share of the negatives below it."""
    negative = np.sort(scores[~is_positive])
    if not len(negative):
        return np.nan
    needed = int(np.ceil(specificity * len(negative) - 1e-9))
    return float(np.nextafter(negative[max(needed, 1) - 1], np.inf))


def roc(is_positive, scores) -> tuple[np.ndarray, np.ndarray]:
    """(false positive rates, true positive rates), from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(is_positive[order])[last_of_tie]
    false = np.cumsum(~is_positive[order])[last_of_tie]
    return np.insert(false / max(false[-1], 1), 0, 0), np.insert(hits / max(hits[-1], 1), 0, 0)


def reliability(confidence, is_right, weights=None, bins: int = 15) -> np.ndarray:
    """(bins, 3): weight, mean confidence and share right, in bins of equal width over 0..1."""
    weights = _weights(weights, len(confidence))
    position = np.minimum((confidence * bins).astype(int), bins - 1)
    table = np.full((bins, 3), np.nan)
    table[:, 0] = np.bincount(position, weights, minlength=bins)
    filled = table[:, 0] > 0
    for column, values in ((1, confidence), (2, is_right.astype(float))):
        sums = np.bincount(position, weights * values, minlength=bins)
        table[filled, column] = sums[filled] / table[filled, 0]
    return table


def expected_calibration_error(labels, probabilities, weights=None, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy of the plain argmax (Guo et al., ICML 2017)."""
    decisions = probabilities.argmax(axis=1)
    table = reliability(probabilities.max(axis=1), decisions == labels, weights, bins)
    table = table[table[:, 0] > 0]
    return _ratio((table[:, 0] * np.abs(table[:, 1] - table[:, 2])).sum(), table[:, 0].sum())


def negative_log_likelihood(labels, probabilities) -> float:
    """Mean of -log p(true class), in nats."""
    picked = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(picked, 1e-12)).mean())


def mean_known(values) -> float:
    """Mean of the values that are not nan; nan where there is none."""
    known = np.asarray(values)[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def bootstrap_weights(groups: np.ndarray, repeats: int, seed: int = 0) -> np.ndarray:
    """(repeats, N) weights that resample whole groups (lesions) with replacement."""
    _, member = np.unique(groups, return_inverse=True)
    count = member.max() + 1
    random = np.random.default_rng(seed)
    return random.multinomial(count, np.full(count, 1 / count), size=repeats)[:, member]


def intervals(measure, weights: np.ndarray, level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Percentile intervals of every figure that `measure(weights) -> {name: figure}` gives.

    weights: (repeats, N). Repeats in which a figure cannot be had are left out for that figure.
    """
    rows = [measure(row) for row in weights]
    tails = [50 * (1 - level), 100 - 50 * (1 - level)]
    result = {}
    for name in rows[0]:
        known = np.array([row[name] for row in rows], dtype=float)
        known = known[~np.isnan(known)]
        bounds = np.percentile(known, tails) if len(known) else (np.nan, np.nan)
        result[name] = (float(bounds[0]), float(bounds[1]))
    return result


def _weights(weights, count: int) -> np.ndarray:
    return np.ones(count) if weights is None else np.asarray(weights, dtype=float)


def _ratio(part, whole) -> float:
    return float(part / whole) if whole > 0 else np.nan
