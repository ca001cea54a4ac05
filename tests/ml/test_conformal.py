import numpy as np
import pytest

from ml import conformal


def draw(random, count, spread):
    """Probabilities of three classes whose true class is drawn from them."""
    probabilities = random.dirichlet(np.full(3, spread), count)
    labels = np.array([random.choice(3, p=row) for row in probabilities])
    return probabilities, labels


def test_quantile_is_the_rank_that_the_theorem_asks_for():
    # 19 photographs of class 0: floor(20 * 0.1) = 2, so the second smallest probability.
    own = np.linspace(0.05, 0.95, 19)
    probabilities = np.stack([own, 1 - own], axis=1)
    quantiles = conformal.class_quantiles(probabilities, np.zeros(19, dtype=int), 0.9)
    assert quantiles[0] == pytest.approx(own[1])


def test_nine_examples_are_just_enough_and_eight_are_too_few():
    probabilities = np.full((17, 2), 0.5)
    labels = np.array([0] * 9 + [1] * 8)
    assert conformal.class_quantiles(probabilities, labels, 0.9).tolist() == [0.5, 0.0]


def test_class_without_examples_is_always_in_the_set():
    probabilities = np.array([[0.99, 0.01]] * 20)
    quantiles = conformal.class_quantiles(probabilities, np.zeros(20, dtype=int), 0.9)
    assert conformal.set_members(probabilities[:1], quantiles).tolist() == [[True, True]]


def test_every_class_is_covered_on_fresh_data_rare_ones_too():
    random = np.random.default_rng(0)
    covered = {0: [], 1: [], 2: []}
    for _ in range(40):
        probabilities, labels = draw(random, 400, (0.4, 0.4, 0.1))
        quantiles = conformal.class_quantiles(probabilities, labels, 0.9)
        fresh, truth = draw(random, 400, (0.4, 0.4, 0.1))
        hits = conformal.coverage(conformal.set_members(fresh, quantiles), truth)
        for index in covered:
            covered[index].extend(hits[truth == index])
    assert all(np.mean(hits) > 0.89 for hits in covered.values())
    assert np.mean(covered[0]) < 0.96  # and not by taking everything in


def test_a_common_class_is_covered_as_often_as_asked_and_not_more():
    """Adding the most probable class to every set would cover the common one more often than asked."""
    random = np.random.default_rng(1)
    hits = []
    for _ in range(40):
        probabilities, labels = draw(random, 400, (4, 0.4, 0.4))
        quantiles = conformal.class_quantiles(probabilities, labels, 0.9)
        fresh, truth = draw(random, 400, (4, 0.4, 0.4))
        hits.extend(conformal.coverage(conformal.set_members(fresh, quantiles), truth)[truth == 0])
    assert 0.89 < np.mean(hits) < 0.92


def test_the_most_probable_class_is_left_out_where_it_is_less_probable_than_its_own_usually_are():
    members = conformal.set_members(np.array([[0.5, 0.3, 0.2]]), np.array([0.6, 0.25, 0.25]))
    assert members.tolist() == [[False, True, False]]


def test_set_is_never_empty():
    members = conformal.set_members(np.array([[0.4, 0.35, 0.25]]), np.array([0.9, 0.9, 0.9]))
    assert members.tolist() == [[True, False, False]]
