"""What ml.card says of a training and of the intervals."""

import json
from dataclasses import asdict

from ml import card
from ml.config import TrainConfig


def note(**changes):
    return card.settings_note(json.loads(json.dumps(asdict(TrainConfig(**changes)))) | {"class_prior": [1]})


def test_settings_that_differ_from_the_defaults_are_told():
    assert "drop_connect" not in note()
    assert "stages [[0.0, 160], [0.65, 224]]" in note()
    told = note(drop_connect=0.4, augmentation={"zoom": 0.5}, class_counts=(3,) * 7)
    assert "drop_connect 0.4" in told
    assert "augmentation {'zoom': 0.5}" in told
    assert "class_" not in told


def test_settings_that_an_older_training_did_not_have_are_left_out():
    assert card.settings_note({"init": "warm", "dropout": 0.3}) == "init warm, dropout 0.3"


def test_reverse_percentiles_are_told_only_of_reports_that_have_them():
    assert card.interval_note({}) == ""
    assert "reverse percentiles" in card.interval_note({"intervals": {"ece": "reverse percentile"}})


def test_notes_on_another_version_are_left_out(tmp_path, capsys):
    path = tmp_path / "notes.md"
    assert card.notes_on("b3-1", path) == ""
    path.write_text("<!-- b3-1 -->\n14 melanomas are called moles.\n")
    assert card.notes_on("b3-1", path) == "14 melanomas are called moles.\n"
    assert card.notes_on("b3-2", path) == ""
    assert "first line is not <!-- b3-2 -->" in capsys.readouterr().err
