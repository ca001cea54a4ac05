import math

import pytest

from ml.intervals import wilson_interval, with_width


@pytest.mark.parametrize(("count", "n", "low", "high"), [(8, 10, 0.490, 0.943), (0, 10, 0, 0.278), (10, 10, 0.722, 1)])
def test_the_interval_is_wilsons(count, n, low, high):
    assert wilson_interval(count, n) == pytest.approx((low, high), abs=0.001)


def test_nothing_counted_tells_nothing():
    assert wilson_interval(0, 0) == (0, 1)


def test_an_interval_has_width_however_few_agree():
    assert with_width((0.7, 0.9), 0.8, 40) == (0.7, 0.9)
    assert with_width((1.0, 1.0), 1.0, 1) == pytest.approx((0.207, 1), abs=0.001)
    assert with_width((0.0, 0.0), 0.0, 10) == pytest.approx((0, 0.278), abs=0.001)
    assert with_width((0.7, 0.9), 0.8, None) == (0.7, 0.9)


@pytest.mark.parametrize(
    ("bound", "share", "lesions"),
    [((1.0, 1.0), 1.0, None), ((0.2, 0.2 + 1e-16), 0.2, None), ((math.nan, math.nan), math.nan, 4)],
)
def test_what_cannot_be_told_has_no_interval(bound, share, lesions):
    assert with_width(bound, share, lesions) is None
