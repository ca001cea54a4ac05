"""What training does to a picture, and which pictures it draws."""

import numpy as np
import pytest

pytest.importorskip("keras", reason="needs keras: pip install -r requirements-train.txt")

import keras

from ml.augmentation import Augmentation, AugmentationConfig
from ml.batches import Batches, draw
from tests.ml.tiny import paint_lesion

SIZE = 32
STILL = {
    "turn": False,
    **dict.fromkeys(("zoom", "aspect", "shift", "brightness", "contrast", "saturation", "hue", "channel_gain"), 0.0),
    **dict.fromkeys(("blur_chance", "cutout_chance"), 0.0),
}


@pytest.fixture(scope="module")
def pictures():
    return np.stack([np.asarray(paint_lesion("mel", seed, (SIZE, SIZE))) for seed in range(8)])


def changed(pictures, size=SIZE, training=True, **settings):
    layer = Augmentation(size, AugmentationConfig(**{**STILL, **settings}), seed=3)
    return keras.ops.convert_to_numpy(layer(pictures, training=training))


def test_with_everything_off_nothing_changes(pictures):
    assert changed(pictures) == pytest.approx(pictures.astype(float), abs=0.05)


def test_when_not_training_the_pictures_are_only_resized(pictures):
    layer = Augmentation(16)
    seen = keras.ops.convert_to_numpy(layer(pictures, training=False))
    assert seen.shape == (8, 16, 16, 3)
    assert seen.mean(axis=(1, 2)) == pytest.approx(pictures.mean(axis=(1, 2)), abs=1)


@pytest.mark.parametrize(
    "setting",
    [
        {"turn": True},
        {"zoom": 0.25},
        {"aspect": 0.3},
        {"shift": 0.1},
        {"brightness": 0.12},
        {"contrast": 0.2},
        {"saturation": 0.25},
        {"hue": 0.12},
        {"channel_gain": 0.06},
        {"blur_chance": 1.0},
        {"cutout_chance": 1.0},
    ],
)
def test_each_setting_changes_pictures_within_the_range_of_levels(pictures, setting):
    seen = changed(pictures, **setting)
    assert seen.shape == pictures.shape
    assert seen.dtype == np.float32
    assert 0 <= seen.min() <= seen.max() <= 255
    assert np.median(np.abs(seen - pictures).max(axis=(1, 2, 3))) > 1  # a factor may be near 1 by chance


def test_the_hole_is_a_grey_square_and_can_be_left_out(pictures):
    holes = (changed(pictures, cutout_chance=1.0) == 128).all(axis=-1)
    sides = np.sqrt(holes.sum(axis=(1, 2))) / SIZE
    assert (sides <= 0.33).all()
    assert sides.max() > 0.1
    assert not (changed(pictures, cutout_chance=0.0) == 128).all(axis=-1).any()


def test_the_defaults_leave_the_diagnosis_visible(pictures):
    layer = Augmentation(SIZE, seed=3)
    seen = keras.ops.convert_to_numpy(layer(pictures, training=True))
    # The dark blotch stays darker than the skin around it.
    assert (seen.min(axis=(1, 2, 3)) < seen.mean(axis=(1, 2, 3)) - 25).all()


def test_the_same_seed_changes_pictures_alike(pictures):
    first, second = (changed(pictures, turn=True, hue=0.1, blur_chance=0.5) for _ in range(2))
    assert np.array_equal(first, second)


# --- which pictures are drawn -----------------------------------------------------------------------


def test_classes_come_by_their_prior_and_no_picture_twice_before_all_once():
    labels = np.array([0] * 50 + [1] * 5)
    drawn = draw(labels, np.array([0.5, 0.5]), 40, (0, 1))
    counts = np.bincount(drawn, minlength=55)
    assert counts[:50].sum() == counts[50:].sum() == 20
    assert set(counts[50:]) == {4}
    assert counts[:50].max() == 1


def test_the_seed_alone_decides_what_is_drawn():
    labels = np.arange(70) % 7
    prior = np.full(7, 1 / 7)
    assert draw(labels, prior, 30, (0, 1)).tolist() == draw(labels, prior, 30, (0, 1)).tolist()
    assert draw(labels, prior, 30, (0, 1)).tolist() != draw(labels, prior, 30, (0, 2)).tolist()


def test_batches_pair_each_picture_with_its_own_label():
    pixels = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    labels = np.arange(10) % 3
    batches = Batches(pixels, labels, np.array([9, 0, 4, 7, 2]), 2, 3)
    assert len(batches) == 2
    pictures, one_hot = batches[1]
    assert pictures.ravel().tolist() == [4, 7]
    assert one_hot.argmax(axis=1).tolist() == [1, 1]


def test_mixup_lays_pictures_and_their_labels_over_each_other_in_the_same_shares():
    # A picture as bright as its label's number: the brightness of a mixture tells its shares.
    labels = np.arange(24) % 3
    pixels = np.full((24, 2, 2, 3), 0, np.uint8) + (100 * labels).astype(np.uint8)[:, None, None, None]
    batches = Batches(pixels, labels, np.arange(24), 12, 3, mixup=0.4, seed=(0, 1))
    pictures, shares = batches[0]
    assert pictures.dtype == np.uint8
    assert np.allclose(shares.sum(axis=1), 1)
    assert ((shares > 0.01).sum(axis=1) > 1).any()
    assert np.abs(pictures.mean(axis=(1, 2, 3)) - shares @ [0, 100, 200]).max() <= 0.51


def test_mixup_is_decided_by_the_seed_and_differs_between_batches():
    pixels, labels = np.zeros((8, 1, 1, 3), np.uint8), np.arange(8) % 2

    def shares(seed, index):
        return Batches(pixels, labels, np.arange(8), 4, 2, mixup=1.0, seed=seed)[index][1].tolist()

    assert shares((0, 1), 0) == shares((0, 1), 0)
    assert shares((0, 1), 0) != shares((0, 2), 0)
    assert shares((0, 1), 0) != shares((0, 1), 1)
