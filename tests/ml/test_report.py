"""What is counted and how it is decided."""

import numpy as np
import pytest

from ml.labels import INDEX
from ml.report import Case, counted_in, differences, report
from tests.ml.tiny import settings


def test_balanced_decision_divides_by_the_prior():
    probabilities = np.array([[0.02, 0.02, 0.02, 0.02, 0.30, 0.60, 0.02]])
    case = Case(np.array([INDEX["mel"]]), probabilities, np.ones((1, 7), bool), np.array(settings()["prior"]), {})
    assert case.plain_decisions[0] == INDEX["nv"]
    assert case.balanced_decisions[0] == INDEX["mel"]


def test_the_leaning_decision_counts_melanoma_one_and_a_half_times():
    prior = np.array(settings()["prior"])
    halfway, short = (np.where(np.arange(7) == INDEX["mel"], share, 1.0) for share in (0.67, 0.66))
    case = Case(np.zeros(2, int), np.stack([halfway, short]) * prior, np.ones((2, 7), bool), prior, {})
    assert (case.leaning_decisions == INDEX["mel"]).tolist() == [True, False]
    assert (case.balanced_decisions == INDEX["mel"]).tolist() == [False, False]


def test_a_share_is_counted_in_lesions():
    """Each figure's own: two melanomas of one lesion, a mole, a keratosis."""
    labels = np.array([INDEX[name] for name in ("mel", "mel", "nv", "bkl")])
    case = Case(labels, np.full((4, 7), 1 / 7), np.ones((4, 7), bool), np.full(7, 1 / 7), {})
    counted = {
        ("accuracy",): [0, 1, 2, 3],
        ("malignant", "share_true"): [0, 1, 2, 3],
        ("conformal", "coverage"): [0, 1, 2, 3],
        ("malignant", "sensitivity"): [0, 1],
        ("malignant", "specificity"): [2, 3],
        ("melanoma", "recall_balanced"): [0, 1],
        ("melanoma", "specificity"): [2, 3],
        ("per_class", "nv", "sensitivity_plain"): [2],
        ("per_class", "nv", "specificity"): [0, 1, 3],
        ("per_class", "nv", "marked"): [2],
        ("conformal", "per_class", "bkl", "coverage"): [3],
    }
    for path, photographs in counted.items():
        assert np.flatnonzero(counted_in(case, path)).tolist() == photographs, path
    for path in (("macro_auc",), ("balanced_accuracy",), ("malignant", "auc"), ("per_class", "nv", "auc"), ("ece",)):
        assert counted_in(case, path) is None, path


def test_what_rests_on_too_few_has_no_interval():
    """One cancer in a group outscores every mole in every resampling: that is no certainty."""
    names = ("bcc", "nv", "nv", "nv")
    probabilities = np.array([np.where(np.arange(7) == INDEX[name], 0.7, 0.05) for name in names])
    labels = np.array([INDEX[name] for name in names])
    thresholds = {target: {"sensitivity_95": 0.3} for target in ("malignancy", "melanoma")}
    case = Case(labels, probabilities, probabilities > 0.3, np.full(7, 1 / 7), thresholds)
    seen = report(case, np.arange(4), repeats=100, with_details=False)
    assert (seen["n"], seen["n_malignant"]) == (4, 1)
    assert seen["malignant"]["auc"] == seen["balanced_accuracy"] == 1
    assert seen["malignant"]["auc_interval"] is seen["balanced_accuracy_interval"] is None
    assert seen["malignant"]["sensitivity_interval"] == pytest.approx([0.207, 1], abs=0.001)


def test_marked_is_what_the_threshold_on_the_malignancy_risk_marks():
    """Whatever a melanoma's own chance is: of three, one is marked for itself and one for another cancer."""
    names, risks = ("mel", "mel", "mel", "nv"), ([0.3, 0.0], [0.0, 0.3], [0.1, 0.1], [0.0, 0.3])
    probabilities = np.zeros((4, 7))
    probabilities[:, [INDEX["mel"], INDEX["bcc"]]] = risks
    probabilities[:, INDEX["nv"]] = 1 - probabilities.sum(axis=1)
    thresholds = {"malignancy": {"sensitivity_95": 0.25}, "melanoma": {"sensitivity_95": 0.05}}
    labels = np.array([INDEX[name] for name in names])
    case = Case(labels, probabilities, probabilities > 0.3, np.full(7, 1 / 7), thresholds)
    per_class = report(case, np.arange(4), repeats=100)["per_class"]
    assert per_class["mel"]["marked"] == pytest.approx(2 / 3) and per_class["nv"]["marked"] == 1


def test_differences_are_of_the_same_photographs_resampled_together():
    """Told a fact, the same classifier is surer: what both share of a drawing is no doubt about the gain."""
    random = np.random.default_rng(0)
    labels = random.choice([INDEX["mel"], INDEX["nv"]], 200)
    right = np.eye(7)[labels] * 0.3 + random.dirichlet(np.ones(7), 200) * 0.7
    thresholds = {target: {"sensitivity_95": 0.3} for target in ("malignancy", "melanoma")}
    base, told = (
        Case(labels, p / p.sum(axis=1, keepdims=True), p > 0.1, np.full(7, 1 / 7), thresholds)
        for p in (right, right + 0.02 * np.eye(7)[labels])
    )
    lesions = np.arange(200)
    changed = differences(told, base, lesions, repeats=200)
    ours, theirs = (report(case, lesions, repeats=200, with_details=False) for case in (told, base))
    assert changed["log_loss"] == pytest.approx(ours["log_loss"] - theirs["log_loss"])
    low, high = changed["log_loss_interval"]
    assert low <= changed["log_loss"] <= high < 0
    assert high - low < (ours["log_loss_interval"][1] - ours["log_loss_interval"][0]) / 3
    same = differences(base, base, lesions, repeats=100)
    assert same["ece"] == 0 and same["ece_interval"] is None
