import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from ml.field_of_view import find_circle, inside_of
from ml.preprocess import square_box, to_square

SKIN = (214, 160, 136)
LESION = (40, 25, 22)


def through_a_tube(size, middle, radius, *, dark=8, noise=0):
    """Skin with a lesion, as dark as the tube, in the middle of a round view."""
    x, y = middle
    view = Image.new("L", size, 0)
    ImageDraw.Draw(view).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    skin = Image.new("RGB", size, SKIN)
    spot = radius / 3
    ImageDraw.Draw(skin).ellipse((x - spot, y - spot, x + spot, y + spot), fill=LESION)
    tube = Image.new("RGB", size, (dark, dark, dark))
    levels = np.asarray(Image.composite(skin, tube, view.filter(ImageFilter.GaussianBlur(radius / 80))), float)
    levels += np.random.default_rng(0).normal(0, noise, levels.shape)
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("size", "middle", "radius"),
    [
        ((600, 450), (300, 225), 225),
        ((600, 450), (300, 225), 270),  # cut off above and below
        ((1200, 900), (500, 520), 340),  # not in the middle
        ((450, 800), (225, 380), 215),
        ((4000, 3000), (2000, 1500), 1400),
    ],
)
@pytest.mark.parametrize("noise", [0, 6])
def test_the_round_view_is_found_where_it_is(size, middle, radius, noise):
    found = find_circle(through_a_tube(size, middle, radius, noise=noise))
    assert found == pytest.approx((*middle, radius), abs=0.02 * max(size))


def test_what_the_network_gets_is_skin_without_the_tube():
    photo = through_a_tube((800, 600), (400, 300), 290)
    left, top, right, bottom = square_box(photo)
    assert (right - left) / (bottom - top) == pytest.approx(4 / 3)
    square = np.asarray(to_square(photo, 64).convert("L"))
    assert (square < 60).mean() < 0.25  # the lesion, and hardly any of the corners
    assert (square[:, 0] > 100).mean() > 0.6 and (square[0] > 100).mean() > 0.6


def test_nothing_is_kept_that_the_picture_does_not_hold():
    assert inside_of((20, 20, 100), (150, 120)) == (0, 0, 107.5, 85.625)


def flat(size=(600, 450), colour=SKIN):
    return Image.new("RGB", size, colour)


def with_bars():
    photo = flat(colour=(5, 5, 5))
    photo.paste(SKIN, (100, 0, 500, 450))
    return photo


def with_a_lesion_at_the_edge():
    photo = flat()
    ImageDraw.Draw(photo).ellipse((-100, 100, 250, 500), fill=LESION)
    return photo


def with_many_spots():
    random, photo = np.random.default_rng(1), flat(colour=(5, 5, 5))
    for x, y in random.integers(0, 400, (12, 2)):
        ImageDraw.Draw(photo).ellipse((int(x), int(y), int(x) + 90, int(y) + 60), fill=SKIN)
    return photo


@pytest.mark.parametrize(
    "photo",
    [
        flat(),
        flat(colour=(0, 0, 0)),
        flat((4, 3)),
        through_a_tube((600, 450), (300, 225), 300),  # dark corners, as many of HAM10000 have
        with_bars(),
        with_a_lesion_at_the_edge(),
        with_many_spots(),
    ],
)
def test_what_shows_no_tube_is_kept_whole(photo):
    assert find_circle(photo) is None
    assert square_box(photo) == (0, 0, *photo.size)
