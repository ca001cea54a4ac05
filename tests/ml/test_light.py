"""Photographs taken in too little light, and photographs without colour."""

import numpy as np
import pytest

from ml.light import brightened, brightness, colour, has_colour
from ml.preprocess import to_tensor
from tests.photos import lesion_image


@pytest.fixture(scope="module")
def photo():
    return lesion_image(seed=3)


def pixels_of(photo, level=1.0):
    return np.asarray(photo, dtype=np.float32) * np.float32(level)


def test_a_usual_photograph_is_shown_as_it_is(photo):
    pixels = pixels_of(photo)
    assert brightened(pixels) is pixels


@pytest.mark.parametrize("level", [0.7, 0.5, 0.3])
def test_a_dim_photograph_is_shown_in_the_usual_light_in_its_own_colours(photo, level):
    shown = brightened(pixels_of(photo, level))
    assert shown.dtype == np.float32
    assert brightness(shown) == pytest.approx(190, abs=1)
    assert colour(shown) == pytest.approx(colour(pixels_of(photo)), rel=0.02)


def test_what_is_next_to_black_stays_dark(photo):
    assert brightness(brightened(pixels_of(photo, 0.02))) < 20
    assert brightened(np.zeros((8, 8, 3), np.float32)).max() == 0


def test_the_network_is_shown_the_same_of_a_dim_photograph(photo):
    dim = photo.point(lambda level: level * 0.6)
    usual = brightness(to_tensor(photo, 96)[0])
    assert to_tensor(dim, 96) == pytest.approx(np.minimum(to_tensor(photo, 96) * 190 / usual, 255), abs=4)


@pytest.mark.parametrize("level", [1.0, 0.4])
def test_greys_have_no_colour_and_a_lesion_has_in_any_light(photo, level):
    assert has_colour(pixels_of(photo, level))
    assert not has_colour(pixels_of(photo.convert("L").convert("RGB"), level))
    assert not has_colour(np.zeros((8, 8, 3), np.float32))
