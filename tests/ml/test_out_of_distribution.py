import numpy as np
import pytest

from ml import negatives, skin_tone
from ml.out_of_distribution import Detector, fit_detector
from tests.ml.tiny import paint_lesion


@pytest.fixture
def population():
    """(features (600, 40), labels, logits): three clusters in a subspace of 8 directions."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(8, 40))
    centres = random.normal(size=(3, 8)) * 3
    labels = random.integers(0, 3, 600)
    features = (centres[labels] + random.normal(size=(600, 8))) @ directions
    features += random.normal(size=features.shape) * 0.1
    return features, labels, random.normal(size=(600, 7)) + 3 * np.eye(7)[labels]


@pytest.fixture
def detector(population):
    features, labels, logits = population
    return fit_detector(features[:400], labels[:400], features[400:], logits[400:], directions=8)


def test_familiar_features_score_near_zero(detector, population):
    features, _, logits = population
    scores = detector.score(features[400:], logits[400:])
    assert abs(scores.mean()) < 0.1
    assert scores.std() < 2


def test_features_off_the_subspace_are_stranger_than_all_familiar_ones(detector, population):
    features, _, logits = population
    random = np.random.default_rng(1)
    off = features[400:] + random.normal(size=(200, 40)) * 3
    assert detector.score(off, logits[400:]).min() > detector.score(features[400:], logits[400:]).max()


def test_features_far_from_every_class_are_strange_though_in_the_subspace(detector, population):
    features, _, logits = population
    far = features[400:] + 40 * detector.basis[:, 0]
    familiar = detector.score(features[400:], logits[400:])
    assert np.median(detector.score(far, logits[400:])) > np.quantile(familiar, 0.99)


def test_saved_and_loaded_it_scores_the_same(detector, population, tmp_path):
    features, _, logits = population
    detector.save(tmp_path / "ood.npz")
    again = Detector.load(tmp_path / "ood.npz")
    assert again.score(features, logits) == pytest.approx(detector.score(features, logits), abs=1e-3)


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
