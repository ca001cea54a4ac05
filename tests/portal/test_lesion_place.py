"""Where a spot is, in words: left and right are the patient's own."""

import re

import pytest

from portal.explanations import place_name
from portal.models import Lesion
from tests.conftest import ROOT

_REGION = re.compile(r'data-site="([a-z ]+)">(.*?)</g>')
_NUMBERS = re.compile(r"[MC]([\d.]+) ([\d.]+)")


@pytest.mark.parametrize(
    ("site", "view", "x", "place"),
    [
        ("upper extremity", "front", 0.2, "Arm, right side, from the front"),
        ("upper extremity", "back", 0.2, "Arm, left side, from behind"),
        ("lower extremity", "back", 0.515, "Leg, right side, from behind"),
        ("chest", "front", 0.62, "Chest, left side"),
        ("back", "back", 0.5, "Back"),
        ("face", "front", 0.5, "Face"),
        ("ear", "front", 0.28, "Ear, left side"),
        ("ear", "front", 0.04, "Ear, right side"),
        ("scalp", "back", 0.24, "Scalp, right side"),
        ("acral", "front", 0.84, "Palm or sole"),
        ("hand", None, None, "Hand"),
    ],
)
def test_a_place_says_which_side(app, site, view, x, place):
    y = None if x is None else 0.2
    with app.test_request_context():
        assert place_name(Lesion(body_site=site, body_view=view, map_x=x, map_y=y)) == place


def test_each_half_of_a_pair_on_the_drawing_lies_on_its_own_side():
    """The rule knows where the drawing's middles are; the drawing must not move away from it."""
    front, back = (ROOT / "templates/cases/_body_map.html").read_text().split("{% macro _back")
    for view, drawing in (("front", front), ("back", back)):
        for site in ("upper extremity", "lower extremity", "hand", "foot", "ear"):
            sides = [
                Lesion(body_site=site, body_view=view, map_x=_middle(path) / 320, map_y=0.5).side
                for found, paths in _REGION.findall(drawing)
                if found == site
                for path in paths.split("<path")[1:]
            ]
            assert len(sides) in (2, 4) and sides.count("left") == sides.count("right"), (view, site, sides)


def _middle(path):
    across = [float(x) for x, _y in _NUMBERS.findall(path)]
    return (min(across) + max(across)) / 2
