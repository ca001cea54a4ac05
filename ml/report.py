"""Every figure of one set of judged photographs, each with its interval beside it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml import conformal, metrics
from ml.intervals import with_width
from ml.labels import CLASSES, INDEX, MALIGNANT_INDICES

RISK_BINS = 10
# In tenths the most at which accuracy on validation and calibration stays above 0.71: docs/experiments.md.
MELANOMA_WEIGHT = 1.5


@dataclass(frozen=True)
class Case:
    """N photographs as the classifier judged them under one set of known facts."""

    labels: np.ndarray  # (N,) class indices
    probabilities: np.ndarray  # (N, 7), fused and calibrated
    members: np.ndarray  # bool (N, 7), the conformal sets
    prior: np.ndarray  # (7,)
    thresholds: dict

    @property
    def malignant(self) -> np.ndarray:
        return np.isin(self.labels, MALIGNANT_INDICES)

    @property
    def risk(self) -> np.ndarray:
        return self.probabilities[:, list(MALIGNANT_INDICES)].sum(axis=1)

    @property
    def risks(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Of each risk that a person is shown: bool (N,) whether it is so, and (N,) what was said."""
        mel = INDEX["mel"]
        return {"malignant": (self.malignant, self.risk), "melanoma": (self.labels == mel, self.probabilities[:, mel])}

    @property
    def balanced_decisions(self) -> np.ndarray:
        return (self.probabilities / self.prior).argmax(axis=1)

    @property
    def leaning_decisions(self) -> np.ndarray:
        """The balanced decision with melanoma counted MELANOMA_WEIGHT times."""
        weights = np.where(np.arange(len(CLASSES)) == INDEX["mel"], MELANOMA_WEIGHT, 1.0)
        return (weights * self.probabilities / self.prior).argmax(axis=1)

    @property
    def plain_decisions(self) -> np.ndarray:
        return self.probabilities.argmax(axis=1)

    def part(self, chosen: np.ndarray) -> "Case":
        """The photographs for which bool (N,) holds."""
        return Case(
            self.labels[chosen],
            self.probabilities[chosen],
            self.members[chosen],
            self.prior,
            self.thresholds,
        )


def headline(case: Case, weights: np.ndarray | None = None) -> dict:
    """The figures of a group of photographs, keyed by their path in the report."""
    labels, probabilities = case.labels, case.probabilities
    plain = metrics.confusion(labels, case.plain_decisions, len(CLASSES), weights)
    balanced = metrics.confusion(labels, case.balanced_decisions, len(CLASSES), weights)
    malignancy = case.thresholds["malignancy"]["sensitivity_95"]
    melanoma = case.thresholds["melanoma"]["sensitivity_95"]
    is_melanoma, p_melanoma = labels == INDEX["mel"], probabilities[:, INDEX["mel"]]
    sensitivity, specificity = metrics.rates(case.malignant, case.risk, malignancy, weights)
    mel_sensitivity, mel_specificity = metrics.rates(is_melanoma, p_melanoma, melanoma, weights)
    covered = conformal.coverage(case.members, labels)
    return {
        ("accuracy",): metrics.accuracy(plain),
        ("balanced_accuracy",): metrics.balanced_accuracy(balanced),
        ("macro_auc",): metrics.mean_known(metrics.class_aucs(labels, probabilities, weights)),
        ("log_loss",): metrics.mean(metrics.log_losses(labels, probabilities), weights),
        ("ece",): metrics.expected_calibration_error(labels, probabilities, weights),
        ("malignant", "auc"): metrics.auc(case.malignant, case.risk, weights),
        ("malignant", "sensitivity"): sensitivity,
        ("malignant", "specificity"): specificity,
        ("malignant", "specificity_at_95"): metrics.specificity_at_sensitivity(
            case.malignant, case.risk, 0.95, weights
        ),
        ("melanoma", "auc"): metrics.auc(is_melanoma, p_melanoma, weights),
        ("melanoma", "sensitivity"): mel_sensitivity,
        ("melanoma", "specificity"): mel_specificity,
        ("melanoma", "recall_balanced"): metrics.sensitivities(balanced)[..., INDEX["mel"]],
        ("conformal", "coverage"): metrics.mean(covered, weights),
        ("conformal", "mean_size"): metrics.mean(case.members.sum(axis=1), weights),
    }


def details(case: Case, weights: np.ndarray | None = None) -> dict:
    """The figures of each class, of the other decisions and of the risks, keyed like `headline`."""
    balanced = metrics.confusion(case.labels, case.balanced_decisions, len(CLASSES), weights)
    plain = metrics.confusion(case.labels, case.plain_decisions, len(CLASSES), weights)
    leaning = metrics.confusion(case.labels, case.leaning_decisions, len(CLASSES), weights)
    aucs = metrics.class_aucs(case.labels, case.probabilities, weights)
    covered = conformal.coverage(case.members, case.labels)
    confidence, is_right = case.probabilities.max(axis=1), case.plain_decisions == case.labels
    is_marked = case.risk >= case.thresholds["malignancy"]["sensitivity_95"]
    figures = {
        ("plain", "balanced_accuracy"): metrics.balanced_accuracy(plain),
        ("balanced", "accuracy"): metrics.accuracy(balanced),
        ("leaning", "accuracy"): metrics.accuracy(leaning),
        ("leaning", "balanced_accuracy"): metrics.balanced_accuracy(leaning),
        ("leaning", "mel", "sensitivity"): metrics.sensitivities(leaning)[..., INDEX["mel"]],
        ("overconfidence",): metrics.mean(confidence - is_right, weights),
    }
    columns = (
        ("auc", aucs),
        ("sensitivity", metrics.sensitivities(balanced)),
        ("specificity", metrics.specificities(balanced)),
        ("sensitivity_plain", metrics.sensitivities(plain)),
        ("specificity_plain", metrics.specificities(plain)),
    )
    for name, (is_true, said) in case.risks.items():
        figures[name, "ece"] = metrics.calibration_error(metrics.reliability(said, is_true, weights, RISK_BINS))
        figures[name, "mean_predicted"] = metrics.mean(said, weights)
        figures[name, "share_true"] = metrics.mean(is_true, weights)
    for k, name in enumerate(CLASSES):
        for column, values in columns:
            figures["per_class", name, column] = values[..., k]
        own = case.labels == k
        own_weights = None if weights is None else weights[..., own]
        figures["per_class", name, "marked"] = metrics.mean(is_marked[own], own_weights)
        figures["conformal", "per_class", name, "coverage"] = metrics.mean(covered[own], own_weights)
    return figures


def counted_in(case: Case, path: tuple[str, ...]) -> np.ndarray | None:
    """(N,) which photographs a figure is a share of; None for a figure that is no share of photographs."""
    group, name = path[0], path[-1].removesuffix("_plain")
    one = next((part for part in path if part in CLASSES), None)
    if name in ("accuracy", "share_true") or (name == "coverage" and one is None):
        return np.full(len(case.labels), True)
    positive = case.labels == INDEX[one or "mel"] if one or group == "melanoma" else case.malignant
    if name in ("sensitivity", "recall_balanced", "coverage", "marked"):
        return positive
    return ~positive if name == "specificity" else None


def report(case: Case, lesions: np.ndarray, repeats: int, with_details: bool = True) -> dict:
    """Nested figures, each with its interval beside it under `<name>_interval`, None where it cannot be had."""

    def measure(weights):
        return headline(case, weights) | (details(case, weights) if with_details else {})

    nested: dict = {
        "n": len(case.labels),
        "n_lesions": len(np.unique(lesions)),
        "n_malignant": int(case.malignant.sum()),
    }
    nested |= with_intervals(measure, lambda path: counted_in(case, path), lesions, repeats)
    if with_details:
        counts = np.bincount(case.labels, minlength=len(CLASSES))
        for name, count in zip(CLASSES, counts, strict=True):
            nested["per_class"][name]["n"] = int(count)
            nested["conformal"]["per_class"][name]["n"] = int(count)
    return nested


def operating_points(is_positive, scores, thresholds: dict, lesions: np.ndarray, repeats: int) -> dict:
    """The ROC of this very data with a band of intervals, and what each shipped threshold gives on it."""

    def measure(weights):
        figures = {}
        for name, threshold in thresholds.items():
            rates = metrics.rates(is_positive, scores, threshold, weights)
            figures[name, "sensitivity"], figures[name, "specificity"] = rates
        return figures

    def counted(path):
        return is_positive if path[-1] == "sensitivity" else ~is_positive

    figures = with_intervals(measure, counted, lesions, repeats)
    false, true = metrics.roc(is_positive, scores)
    kept = np.unique(np.linspace(0, len(false) - 1, 101).astype(int))
    return {
        "operating_points": {name: {"threshold": value, **figures[name]} for name, value in thresholds.items()},
        "roc": {
            "false_positive_rate": false[kept].tolist(),
            "sensitivity": true[kept].tolist(),
            "sensitivity_intervals": _roc_band(is_positive, scores, false[kept], lesions, repeats),
        },
    }


def _roc_band(is_positive, scores, rates: np.ndarray, lesions: np.ndarray, repeats: int) -> list:
    def measure(weights):
        return dict(enumerate(np.moveaxis(metrics.sensitivities_at(is_positive, scores, rates, weights), -1, 0)))

    return [list(bound) for bound in metrics.intervals(measure, metrics.bootstrap_weights(lesions, repeats)).values()]


def reliability_bins(said, is_true, names: tuple[str, str, str], bins: int, lesions: np.ndarray, repeats: int) -> list:
    """One row a bin of `metrics.reliability`, under these names; the share that was so has its interval."""
    position = metrics.bins_of(said, bins)

    def measure(weights):
        shares = metrics.reliability(said, is_true, weights, bins)[..., 2]
        return {(number, names[-1]): shares[..., number] for number in range(bins)}

    rows = metrics.reliability(said, is_true, bins=bins)
    shares = with_intervals(measure, lambda path: position == path[0], lesions, repeats)
    return [
        dict(zip(names, (int(count), float(mean)), strict=False)) | shares[number]
        for number, (count, mean, _) in enumerate(rows)
    ]


def confidence_figures(case: Case, lesions: np.ndarray, repeats: int) -> dict:
    """What the calibration error is to be read by: its bins, and what chance and resampling make of it."""
    confidence, is_right = case.probabilities.max(axis=1), case.plain_decisions == case.labels
    by_chance = metrics.chance_calibration_errors(confidence)

    def measure(weights):
        return {"ece": metrics.expected_calibration_error(case.labels, case.probabilities, weights)}

    percentiles = metrics.intervals(measure, metrics.bootstrap_weights(lesions, repeats))["ece"]
    names = ("n", "confidence", "accuracy")
    return {
        "ece_by_chance": float(by_chance.mean()),
        "ece_by_chance_interval": np.percentile(by_chance, (2.5, 97.5)).tolist(),
        "ece_percentiles": list(percentiles),
        "reliability": reliability_bins(confidence, is_right, names, 15, lesions, repeats),
    }


def confusion_matrix(case: Case, lesions: np.ndarray, repeats: int) -> dict:
    """What each class was taken for by both decisions, and in what share of its photographs."""
    result: dict = {"labels": list(CLASSES), "row_shares": {}}
    for name, decisions in (("balanced", case.balanced_decisions), ("plain", case.plain_decisions)):

        def measure(weights, decisions=decisions):
            shares = metrics.row_shares(metrics.confusion(case.labels, decisions, len(CLASSES), weights))
            cells = np.ndindex(len(CLASSES), len(CLASSES))
            return {(CLASSES[row], CLASSES[column]): shares[..., row, column] for row, column in cells}

        matrix = metrics.confusion(case.labels, decisions, len(CLASSES))
        result[name] = matrix.astype(int).tolist()
        shares = with_intervals(measure, lambda path: case.labels == INDEX[path[0]], lesions, repeats)
        result["row_shares"][name] = shares
    return result


def flagged_share(is_flagged: np.ndarray, lesions: np.ndarray, repeats: int) -> dict:
    """The share of photographs that are taken for something else, with its interval."""

    def measure(weights):
        return {("flagged_share",): metrics.mean(is_flagged, weights)}

    shares = with_intervals(measure, lambda _: np.full(len(is_flagged), True), lesions, repeats)
    return {"n_flagged": int(is_flagged.sum()), **shares}


def differences(case: Case, base: Case, lesions: np.ndarray, repeats: int) -> dict:
    """By how much the figures of `headline` are higher than those of `base`, of the same photographs.

    Both are resampled together, so what all figures share of a drawing falls out of the interval, and with
    it, of a calibration error, what resampling adds.
    """

    def measure(weights):
        ours, theirs = headline(case, weights), headline(base, weights)
        return {path: ours[path] - theirs[path] for path in ours}

    return with_intervals(measure, lambda _: None, lesions, repeats, reverse=())


def with_intervals(
    measure: Callable, counted: Callable, lesions: np.ndarray, repeats: int, reverse: tuple[str, ...] = ("ece",)
) -> dict:
    """What `measure(weights) -> {path: figure}` gives, nested, each figure with its interval beside it.

    counted(path) -> bool (N,) the photographs that the figure is a share of, or None for no share;
    reverse: the names whose intervals are reverse percentiles.
    """
    bounds = metrics.intervals(measure, metrics.bootstrap_weights(lesions, repeats))
    nested: dict = {}
    for path, value in measure(None).items():
        place = nested
        for key in path[:-1]:
            place = place.setdefault(key, {})
        bound = metrics.reverse_interval(value, bounds[path]) if path[-1] in reverse else bounds[path]
        chosen = counted(path)
        of_lesions = None if chosen is None else len(np.unique(lesions[chosen]))
        place[path[-1]] = float(value)
        interval = with_width(bound, value, of_lesions)
        place[f"{path[-1]}_interval"] = interval and list(interval)
    return nested
