"""Groups are few enough to be read, and tell something."""

import numpy as np
import pytest

from ml.data import Record
from ml.observe import Observations
from ml.slices import slices_of


def groups(sizes, **facts):
    count = len(sizes)
    seen = Observations(np.zeros((count, 7)), np.zeros((count, 3)), [None] * count, np.ones(count, bool), sizes)
    return slices_of([Record(str(number), str(number), None, **facts) for number in range(count)], seen)


def test_few_sizes_are_told_exactly():
    sizes = [(200, 150), (224, 224), (600, 450)]
    assert groups(sizes)["image_size"].tolist() == ["200x150", "224x224", "600x450"]


@pytest.mark.parametrize(
    ("size", "group"),
    [
        ((400, 149), "short side under 150"),
        ((200, 150), "short side 150-299"),
        ((300, 4000), "short side 300-599"),
        ((1199, 1300), "short side 600-1199"),
        ((4000, 3000), "short side 1200 and over"),
    ],
)
def test_many_sizes_are_told_by_the_short_side(size, group):
    others = [(500 + number, 500) for number in range(6)]
    assert groups([size, *others])["image_size"][0] == group


def test_what_no_table_tells_makes_no_groups():
    assert set(groups([(4, 3)])) == {"image_size"}
    assert set(groups([(4, 3)], age=40, sex="male")) == {"age", "sex", "image_size"}
