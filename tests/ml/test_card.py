"""What ml.card says of a training and of the intervals."""

import json
from dataclasses import asdict

import pytest

from ml import card, model_json
from ml.config import TrainConfig
from tests.ml.evaluating import run


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


def test_intervals_that_cannot_be_had_are_told_only_of_reports_without_them():
    assert "rests on too few" not in card.interval_note({"intervals": {"ece": "reverse percentile"}})
    assert "rests on too few" in card.interval_note(
        {"intervals": {"other figures that resampling cannot move": "none"}}
    )


@pytest.mark.parametrize(
    ("interval", "shown"), [([0.8, 1], "0.900 (0.800 to 1.000)"), (None, "0.900"), ([None, None], "0.900")]
)
def test_figure_is_shown_with_its_interval_where_it_has_one(interval, shown):
    assert card.figure({"auc": 0.9, "auc_interval": interval}, "auc") == shown


def test_dark_skin_is_counted_in_words():
    tones = {"light": {"n": 90}, "tan": {"n": 26}, "brown": {"n": 4}}
    assert card.dark_skin_note({"n": 120, "slices": {"skin_tone": tones}}).endswith("intermediate: tan 26, brown 4.")
    assert card.dark_skin_note({"n": 90, "slices": {"skin_tone": {"light": {"n": 90}}}}).endswith("intermediate: none.")
    assert "On none of 5 " in card.dark_skin_note({"n": 5, "slices": {}})


def test_risks_are_held_against_what_came_true_where_that_was_measured():
    place = {"mean_predicted": 0.21, "share_true": 0.195, "ece": 0.02, "ece_interval": [0.01, 0.03]}
    assert card.risk_note({"malignant": {}}) == ""
    told = card.risk_note({"malignant": place | {"reliability": []}, "melanoma": place})
    assert "mean malignancy risk is 0.210, and 0.195 of the photographs are malignant" in told
    assert "mean p(mel) is 0.210" in told and told.count("off by 0.020 (0.010 to 0.030)") == 2


def test_changed_photographs_tell_what_is_missed_where_that_was_measured():
    own = {"n": 40, "stopped": 0.25}
    assert "| dark | 40 | 25% |" in card.changed_table({"dark": own})
    told = card.changed_table({"dark": own | {"n_malignant": 8, "missed": 0.125, "marked": 0.5}})
    assert "| dark | 40 | 8 | 25% | 12% | 50% |" in told


def test_notes_on_another_version_are_left_out(tmp_path, capsys):
    path = tmp_path / "notes.md"
    assert card.notes_on("b3-1", path) == ""
    path.write_text("<!-- b3-1 -->\n14 melanomas are called moles.\n")
    assert card.notes_on("b3-1", path) == "14 melanomas are called moles.\n"
    assert card.notes_on("b3-2", path) == ""
    assert "first line is not <!-- b3-2 -->" in capsys.readouterr().err


def older(report):
    """The report as it was written before risks were measured, cancers counted, and intervals left out."""
    if not isinstance(report, dict):
        return report
    added = ("n_malignant", "n_flagged", "unflagged", "mean_predicted", "share_true", "other figures that resampling")
    kept = {name: older(value) for name, value in report.items() if not name.startswith(added)}
    if "roc" in kept:
        kept = {name: value for name, value in kept.items() if not name.startswith(("ece", "reliability"))}
    unknown = {name: [None, None] for name, value in kept.items() if name.endswith("_interval") and value is None}
    return kept | unknown


@pytest.mark.parametrize("is_new", [False, True])
def test_card_is_written_of_old_and_new_reports(stand_in, tiny_dataset, tmp_path, is_new):
    report = run(tmp_path, "--data", tiny_dataset)
    if not is_new:
        report = older(report)
    text = card.write_card(model_json.read(card.ARTIFACT) | {"metrics": report, "views_compared": {}})
    for row in (
        "accuracy, predicted class",
        "balanced accuracy, predicted class",
        "balanced accuracy, balanced decision",
        "melanoma recall, predicted class",
        "melanoma recall, balanced decision",
    ):
        assert text.count(f"\n| {row} | 0.") == 1
    if is_new:
        assert "168 photographs of 126 lesions, a whole folder: akiec 24" in text
        assert "The mean malignancy risk is 0." in text
        males = report["slices"]["sex"]["male"]
        assert f"| sex: male | {males['n']} | {males['n_malignant']} | " in text
