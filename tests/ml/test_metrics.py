import numpy as np
import pytest

from ml import metrics

LABELS = np.array([0, 0, 0, 1, 1, 2])
DECISIONS = np.array([0, 0, 1, 1, 2, 2])


def test_auc_by_hand_with_a_tie():
    # Positives .8 and .4; negatives .6, .4, .1: wins 3 + 1, one tie: 4.5 of 6 pairs.
    scores = np.array([0.8, 0.4, 0.6, 0.4, 0.1])
    is_positive = np.array([True, True, False, False, False])
    assert metrics.auc(is_positive, scores) == pytest.approx(4.5 / 6)


def test_auc_counts_a_photograph_of_weight_two_twice():
    random = np.random.default_rng(0)
    scores, is_positive = random.random(60).round(1), random.random(60) < 0.4
    weights = random.integers(0, 4, 60)
    again = np.repeat(np.arange(60), weights)
    assert metrics.auc(is_positive, scores, weights) == pytest.approx(metrics.auc(is_positive[again], scores[again]))


def test_auc_agrees_with_scikit_learn():
    reference = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn, a training requirement")
    random = np.random.default_rng(1)
    scores, is_positive = random.random(500).round(2), random.random(500) < 0.2
    weights = random.random(500)
    expected = reference.roc_auc_score(is_positive, scores, sample_weight=weights)
    assert metrics.auc(is_positive, scores, weights) == pytest.approx(expected)


def test_auc_of_one_class_alone_is_not_a_number():
    assert np.isnan(metrics.auc(np.array([True, True]), np.array([0.1, 0.2])))


def test_confusion_and_what_follows_from_it():
    matrix = metrics.confusion(LABELS, DECISIONS, 3)
    assert matrix.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert metrics.accuracy(matrix) == pytest.approx(4 / 6)
    assert metrics.sensitivities(matrix) == pytest.approx([2 / 3, 1 / 2, 1])
    assert metrics.specificities(matrix) == pytest.approx([1, 3 / 4, 4 / 5])
    assert metrics.balanced_accuracy(matrix) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)


def test_balanced_accuracy_leaves_out_a_class_that_does_not_occur():
    matrix = metrics.confusion(np.array([0, 0, 1]), np.array([0, 2, 1]), 3)
    assert metrics.balanced_accuracy(matrix) == pytest.approx(0.75)


def test_threshold_at_sensitivity_finds_enough_and_no_more():
    scores = np.arange(1, 41) / 100
    is_positive = np.arange(40) % 2 == 0  # 20 positives: 19 are 95 %
    threshold = metrics.threshold_at_sensitivity(is_positive, scores, 0.95)
    assert metrics.rates(is_positive, scores, threshold)[0] == pytest.approx(0.95)
    assert metrics.rates(is_positive, scores, threshold + 0.001)[0] < 0.95


def test_specificity_at_sensitivity_is_that_of_the_threshold_there():
    random = np.random.default_rng(4)
    is_positive = random.random(300) < 0.3
    scores = random.random(300).round(2) + 0.3 * is_positive
    threshold = metrics.threshold_at_sensitivity(is_positive, scores, 0.95)
    expected = metrics.rates(is_positive, scores, threshold)[1]
    assert metrics.specificity_at_sensitivity(is_positive, scores, 0.95) == pytest.approx(expected)


def test_rows_of_weights_give_what_each_gives_alone():
    random = np.random.default_rng(5)
    labels, probabilities = random.integers(0, 3, 80), random.dirichlet(np.ones(3), 80)
    weights = random.integers(0, 3, (4, 80))
    decisions, is_positive, risk = probabilities.argmax(axis=1), labels == 1, probabilities[:, 1].round(1)
    measures = (
        lambda w: metrics.auc(is_positive, risk, w),
        lambda w: metrics.class_aucs(labels, probabilities, w),
        lambda w: metrics.sensitivities(metrics.confusion(labels, decisions, 3, w)),
        lambda w: metrics.specificities(metrics.confusion(labels, decisions, 3, w)),
        lambda w: metrics.accuracy(metrics.confusion(labels, decisions, 3, w)),
        lambda w: metrics.rates(is_positive, risk, 0.4, w),
        lambda w: metrics.specificity_at_sensitivity(is_positive, risk, 0.9, w),
        lambda w: metrics.expected_calibration_error(labels, probabilities, w),
    )
    for measure in measures:
        alone = np.array([measure(row) for row in weights])
        together = np.array(measure(weights))
        if together.shape != alone.shape:
            together = together.T
        assert together == pytest.approx(alone)


def test_threshold_at_specificity_leaves_the_negatives_below():
    scores = np.arange(1, 41) / 100
    is_positive = np.arange(40) % 2 == 0
    threshold = metrics.threshold_at_specificity(is_positive, scores, 0.95)
    assert metrics.rates(is_positive, scores, threshold)[1] == pytest.approx(0.95)


def test_roc_runs_from_corner_to_corner_and_has_the_area_of_the_auc():
    random = np.random.default_rng(2)
    scores, is_positive = random.random(200).round(1), random.random(200) < 0.5
    false, true = metrics.roc(is_positive, scores)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true, false) == pytest.approx(metrics.auc(is_positive, scores))


def test_sensitivities_at_rates_of_false_positives_are_those_of_the_roc():
    is_positive = np.array([True, False, True, True, False, False])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.5])
    reached = metrics.sensitivities_at(is_positive, scores, np.array([0, 0.3, 1 / 3, 0.9, 1]))
    assert reached == pytest.approx([1 / 3, 1 / 3, 1, 1, 1])
    weights = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 0, 2, 1, 1], [1, 0, 1, 1, 0, 0]])
    rows = metrics.sensitivities_at(is_positive, scores, np.array([0, 1 / 3]), weights)
    assert rows[:2] == pytest.approx(np.array([[1 / 3, 1], [1 / 3, 1]]))
    assert np.isnan(rows[2]).all(), "without a negative there is no rate"


def test_row_shares_are_those_of_the_true_class():
    shares = metrics.row_shares(np.array([[3, 1], [0, 0]]))
    assert shares[0].tolist() == [0.75, 0.25] and np.isnan(shares[1]).all()


def test_calibration_error_of_a_classifier_that_is_ten_points_too_sure():
    probabilities = np.tile([0.9, 0.1], (10, 1))
    labels = np.array([0] * 8 + [1] * 2)
    assert metrics.expected_calibration_error(labels, probabilities) == pytest.approx(0.1)


def test_reliability_keeps_full_confidence_in_the_last_bin():
    table = metrics.reliability(np.array([1.0, 1.0]), np.array([True, False]))
    assert table[-1].tolist() == [2, 1, 0.5]
    assert table[:-1, 0].sum() == 0


def test_bootstrap_keeps_the_photographs_of_a_lesion_together():
    groups = np.array(["a", "a", "b", "c", "c", "c"])
    weights = metrics.bootstrap_weights(groups, 50)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    lesions = weights[:, [0, 2, 3]].sum(axis=1)
    assert (lesions == 3).all()


def test_interval_covers_the_known_spread_of_a_mean():
    random = np.random.default_rng(3)
    values = random.normal(size=400)
    weights = metrics.bootstrap_weights(np.arange(400), 800)
    low, high = metrics.intervals(lambda w: {"mean": metrics.mean(values, w)}, weights)["mean"]
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)


@pytest.mark.parametrize(
    ("estimate", "percentiles", "expected"),
    [
        (0.30, (0.25, 0.40), (0.20, 0.35)),
        (0.02, (0.015, 0.05), (0, 0.025)),
        (0.02, (0.021, 0.05), (0, 0.02)),  # the percentiles leave out the estimate
    ],
)
def test_reverse_interval_by_hand(estimate, percentiles, expected):
    assert metrics.reverse_interval(estimate, percentiles) == pytest.approx(expected)


def test_reverse_interval_of_answers_that_are_right_as_often_as_they_say_reaches_down_to_nothing():
    """Where percentiles, of the same resamplings, say in every data set that there is an error."""
    random = np.random.default_rng(0)
    lowest = []
    for seed in range(20):
        sure = random.uniform(0.5, 1, 400)
        labels = (random.random(400) >= sure).astype(int)
        probabilities = np.stack([sure, 1 - sure], axis=1)

        def measure(weights=None, labels=labels, probabilities=probabilities):
            return {"ece": metrics.expected_calibration_error(labels, probabilities, weights)}

        interval = metrics.intervals(measure, metrics.bootstrap_weights(np.arange(400), 200, seed))["ece"]
        lowest.append((interval[0], metrics.reverse_interval(measure()["ece"], interval)[0]))
    percentile, reverse = np.array(lowest).T
    assert percentile.min() > 0.02
    assert np.mean(reverse < 0.01) >= 0.8


def test_reverse_interval_holds_a_known_error_far_more_often_than_percentiles():
    random = np.random.default_rng(1)
    held = []
    for seed in range(60):
        sure = random.uniform(0.5, 1, 400)
        labels = (random.random(400) >= sure - 0.04).astype(int)
        probabilities = np.stack([sure, 1 - sure], axis=1)

        def measure(weights=None, labels=labels, probabilities=probabilities):
            return {"ece": metrics.expected_calibration_error(labels, probabilities, weights)}

        interval = metrics.intervals(measure, metrics.bootstrap_weights(np.arange(400), 200, seed))["ece"]
        reverse = metrics.reverse_interval(measure()["ece"], interval)
        held.append([low <= 0.04 <= high for low, high in (interval, reverse)])
    percentile, reverse = np.mean(held, axis=0)
    assert reverse >= 0.8 > percentile + 0.1


def test_chance_alone_leaves_an_error_that_more_photographs_make_smaller():
    random = np.random.default_rng(0)
    few, many = random.uniform(0.5, 1, 300), random.uniform(0.5, 1, 30_000)
    by_chance = metrics.chance_calibration_errors(few).mean()
    probabilities = np.stack([few, 1 - few], axis=1)
    drawn = [(random.random(300) >= few).astype(int) for _ in range(300)]
    measured = [metrics.expected_calibration_error(labels, probabilities) for labels in drawn]
    assert by_chance == pytest.approx(np.mean(measured), rel=0.05)
    assert metrics.chance_calibration_errors(many).mean() < by_chance / 5
