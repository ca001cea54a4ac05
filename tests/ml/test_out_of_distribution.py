import numpy as np
import pytest

from ml import negatives, skin_tone
from ml.out_of_distribution import Detector, fit_detector
from tests.ml.tiny import paint_lesion


@pytest.fixture
def population():
    """(600, 40): features that vary mostly in 8 directions."""
    random = np.random.default_rng(0)
    features = 3 * random.normal(size=(600, 8)) @ random.normal(size=(8, 40))
    return 5 + features + random.normal(size=features.shape)


@pytest.fixture
def detector(population):
    return fit_detector(population[:400])


def test_familiar_features_score_about_one(detector, population):
    scores = detector.score(population[400:])
    assert 0.5 < scores.mean() < 1.1
    assert scores.max() < 1.5


def test_unusual_mixture_is_strange_though_each_feature_is_in_range(detector, population):
    random = np.random.default_rng(1)
    mixed = np.stack([random.permutation(column) for column in population[400:].T], axis=1)
    assert detector.score(mixed).min() > detector.score(population[400:]).max()


def test_distance_grows_along_a_familiar_direction_too(detector, population):
    away = population[400:] + 10 * (population[0] - population[:400].mean(axis=0))
    assert np.median(detector.score(away)) > np.quantile(detector.score(population[400:]), 0.99)


def test_constant_feature_does_no_harm(population):
    features = np.hstack([population, np.zeros((600, 1))])
    assert np.isfinite(fit_detector(features).score(features)).all()


def test_saved_and_loaded_it_scores_the_same(detector, population, tmp_path):
    detector.save(tmp_path / "ood.npz")
    again = Detector.load(tmp_path / "ood.npz")
    assert again.score(population) == pytest.approx(detector.score(population), abs=1e-3)


def test_every_kind_of_stranger_is_drawn_and_differs_from_its_neighbour():
    for kind, pictures in negatives.generated(each=2, seed=3).items():
        first, second = (np.asarray(picture) for picture in pictures)
        assert first.shape == (450, 600, 3), kind
        assert (first != second).any(), kind


def test_darker_skin_has_a_smaller_angle():
    light = paint_lesion("mel", 1, (300, 225))
    dark = light.point(lambda level: level * 0.45)
    assert skin_tone.typology_angle(light) > skin_tone.typology_angle(dark) + 30


def test_angle_of_a_known_colour_by_hand():
    # sRGB (200, 160, 130) is L* 68.6, b* 20.8 under D65: atan(18.6 / 20.8) = 41.9 degrees.
    lab = skin_tone.srgb_to_lab(np.array([200, 160, 130]) / 255)
    assert lab[0] == pytest.approx(68.6, abs=0.3)
    assert np.degrees(np.arctan2(lab[0] - 50, lab[2])) == pytest.approx(41.9, abs=1)


def test_groups_meet_at_their_published_limits():
    angles = (60, 55, 41, 28, 10, -30, None)
    names = ("very light", "light", "intermediate", "tan", "brown", "dark", "unknown")
    assert tuple(skin_tone.group(angle) for angle in angles) == names


def test_black_picture_shows_no_skin():
    assert skin_tone.typology_angle(negatives.generated(1)["black"][0]) is None
