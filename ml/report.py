"""Every figure of one set of judged photographs, each with its interval beside it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml import conformal, metrics
from ml.intervals import with_width
from ml.labels import CLASSES, INDEX, MALIGNANT_INDICES

RISK_BINS = 10


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
    """The figures of each class, of the plain decision and of the risks, keyed like `headline`."""
    balanced = metrics.confusion(case.labels, case.balanced_decisions, len(CLASSES), weights)
    plain = metrics.confusion(case.labels, case.plain_decisions, len(CLASSES), weights)
    aucs = metrics.class_aucs(case.labels, case.probabilities, weights)
    covered = conformal.coverage(case.members, case.labels)
    figures = {("plain", "balanced_accuracy"): metrics.balanced_accuracy(plain)}
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
        figures["conformal", "per_class", name, "coverage"] = metrics.mean(covered[own], own_weights)
    return figures


def counted_in(case: Case, path: tuple[str, ...]) -> np.ndarray | None:
    """(N,) which photographs a figure is a share of; None for a figure that is no share of photographs."""
    group, name = path[0], path[-1].removesuffix("_plain")
    one = next((part for part in path if part in CLASSES), None)
    if name in ("accuracy", "share_true") or (name == "coverage" and one is None):
        return np.full(len(case.labels), True)
    positive = case.labels == INDEX[one or "mel"] if one or group == "melanoma" else case.malignant
    if name in ("sensitivity", "recall_balanced", "coverage"):
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


def with_intervals(measure: Callable, counted: Callable, lesions: np.ndarray, repeats: int) -> dict:
    """What `measure(weights) -> {path: figure}` gives, nested, each figure with its interval beside it.

    counted(path) -> bool (N,) the photographs that the figure is a share of, or None for no share.
    """
    bounds = metrics.intervals(measure, metrics.bootstrap_weights(lesions, repeats))
    nested: dict = {}
    for path, value in measure(None).items():
        place = nested
        for key in path[:-1]:
            place = place.setdefault(key, {})
        bound = metrics.reverse_interval(value, bounds[path]) if path[-1] == "ece" else bounds[path]
        chosen = counted(path)
        of_lesions = None if chosen is None else len(np.unique(lesions[chosen]))
        place[path[-1]] = float(value)
        interval = with_width(bound, value, of_lesions)
        place[f"{path[-1]}_interval"] = interval and list(interval)
    return nested
