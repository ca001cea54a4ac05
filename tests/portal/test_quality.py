import base64
import io
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import quality_gate
from ml.negatives import through_a_tube
from portal import quality, triage
from portal.explanations import PROBLEMS, reason_text
from tests.photos import lesion_image

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def photo():
    return lesion_image(seed=3, width=1200, height=900)


def test_a_good_photo_has_no_problem(photo):
    measured = quality.measure_quality(photo)
    assert measured["problems"] == []
    assert measured["hints"] == []


def test_measures_can_be_stored_as_json(photo):
    measured = quality.measure_quality(photo)
    assert json.loads(json.dumps(measured)) == measured


@pytest.mark.parametrize(
    ("problem", "spoil"),
    [
        ("blurred", lambda photo: quality_gate.defocused(photo, 0.015)),
        ("blurred", lambda photo: quality_gate.shaken(photo, 0.05, 0.4)),
        ("dark", lambda photo: quality_gate.in_stops(photo, -4)),
        ("overexposed", lambda photo: quality_gate.in_stops(photo, 2)),
        ("small", lambda photo: photo.resize((160, 120))),
        ("colourless", lambda photo: photo.convert("L").convert("RGB")),
        ("touches_border", lambda photo: photo.crop((500, 300, 1200, 825))),
    ],
)
def test_a_spoilt_photo_is_named(photo, problem, spoil):
    assert problem in quality.measure_quality(spoil(photo))["problems"]


def test_through_a_tube_the_skin_is_measured_and_not_the_tube(photo):
    open_view, tube = quality.measure_quality(photo), quality.measure_quality(through_a_tube(photo))
    assert tube["problems"] == [] and tube["short_side_px"] == pytest.approx(900 * 0.78 * 3 / 4, abs=20)
    assert tube["typology_angle"] == pytest.approx(open_view["typology_angle"], abs=4)
    soft = through_a_tube(quality_gate.defocused(photo, 0.015))  # with an edge as sharp as can be
    assert quality.measure_quality(soft)["problems"] == ["blurred"]
    assert quality.measure_quality(through_a_tube(photo.resize((300, 225))))["problems"] == ["small"]


def test_a_very_dark_photo_is_not_also_called_blurred():
    assert quality.measure_quality(Image.new("RGB", (640, 480), (9, 7, 6)))["problems"] == ["dark"]


@pytest.mark.parametrize(
    ("stops", "skin_type", "code"), [(-2, None, "looks_dark"), (-2, 2, "quality"), (-4, None, "quality")]
)
def test_too_little_light_is_not_taken_for_dark_skin(photo, stops, skin_type, code):
    measured = quality.measure_quality(quality_gate.in_stops(photo, stops))
    decided = triage.decide(
        checklist_score=0,
        is_worried=False,
        prediction=None,
        quality_problems=measured["problems"],
        skin_type=skin_type,
        typology_angle=measured["typology_angle"],
    )
    assert (decided.tier, [reason.code for reason in decided.reasons]) == ("cannot_assess", [code])
    said = reason_text({"code": code, "params": decided.reasons[0].params})
    assert "too little light" in said or "too dark" in said


def test_a_ruler_and_much_hair_are_hints(photo):
    assert quality.measure_quality(quality_gate.with_ruler(photo))["hints"] == ["ruler"]
    assert "hair" in quality.measure_quality(quality_gate.hairy(photo, random.Random(1)))["hints"]


@pytest.mark.parametrize("size", [(200, 150), (224, 224), (600, 450), (2048, 1536), (900, 1200)])
def test_the_same_scene_is_judged_alike_at_every_size(photo, size):
    assert quality.measure_quality(photo.resize(size, Image.Resampling.LANCZOS))["problems"] == []


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (120, 90, 80)])
def test_a_blank_picture_is_measured_without_error(colour):
    measured = quality.measure_quality(Image.new("RGB", (300, 200), colour))
    assert all(np.isfinite(measured[name]) for name in ("sharpness", "brightness", "border_share", "hair_share"))
    assert measured["problems"]


def test_every_problem_and_hint_has_words():
    assert set(PROBLEMS) == {*quality.PROBLEMS, *quality.HINTS}
    assert set(quality.ADVICE) < set(quality.PROBLEMS)
    for problem in quality.PROBLEMS:
        assert str(PROBLEMS[problem]) in reason_text({"code": "quality", "params": {"problem": problem}})


def test_real_photos_seldom_raise_an_alarm(ham10000):
    paths = sorted((ham10000 / "images").glob("*.jpg"))[::200]
    found = [quality.measure_quality(Image.open(path).convert("RGB"))["problems"] for path in paths]
    alarms = [problems for problems in found if set(problems) - {"touches_border"}]
    assert len(found) == 51
    assert len(alarms) <= 2


def test_the_browser_has_the_servers_thresholds():
    script = (ROOT / "static/js/quality.js").read_text()
    for name, value in re.findall(r"^const ([A-Z_]+) = ([\d.]+);", script, re.MULTILINE):
        assert getattr(quality, name) == float(value), name


@pytest.mark.e2e
def test_the_browser_measures_what_the_server_measures(live_server, page, photo):
    page.goto(f"{live_server.url}/login")
    photos = [
        photo,
        quality_gate.defocused(photo, 0.01),
        quality_gate.in_stops(photo, -3),
        quality_gate.in_stops(photo, 1),
        photo.convert("L").convert("RGB"),
    ]
    for picture in photos:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        in_browser = page.evaluate(MEASURE, base64.b64encode(buffer.getvalue()).decode())
        on_server = quality.measure_quality(picture)
        assert in_browser["problems"] == [p for p in on_server["problems"] if p != "touches_border"]
        assert in_browser["sharpness"] == pytest.approx(on_server["sharpness"], rel=0.1)
        assert in_browser["brightness"] == pytest.approx(on_server["brightness"], abs=2)
        assert in_browser["clippedShare"] == pytest.approx(on_server["clipped_share"], abs=0.02)
        assert in_browser["colour"] == pytest.approx(on_server["colour"], abs=0.01)


MEASURE = """async (encoded) => {
  const { measure } = await import("/static/js/quality.js");
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return measure(canvas);
}"""
