"""What ml.card says of a training and of the intervals."""

import json
import shutil
from collections import Counter
from dataclasses import asdict

import pytest

from ml import card, card_comparisons, card_notes, card_tables, model_json
from ml.config import TrainConfig
from ml.labels import CLASSES
from ml.tables import read_rows
from tests.ml.evaluating import run


def note(**changes):
    return card_notes.settings_note(json.loads(json.dumps(asdict(TrainConfig(**changes)))) | {"class_prior": [1]})


def test_settings_that_differ_from_the_defaults_are_told():
    assert "drop_connect" not in note()
    assert "stages [[0.0, 160], [0.65, 224]]" in note()
    told = note(drop_connect=0.4, augmentation={"zoom": 0.5}, class_counts=(3,) * 7)
    assert "drop_connect 0.4" in told
    assert "augmentation {'zoom': 0.5}" in told
    assert "class_" not in told


def test_settings_that_an_older_training_did_not_have_are_left_out():
    assert card_notes.settings_note({"init": "warm", "dropout": 0.3}) == "init warm, dropout 0.3"


def test_reverse_percentiles_are_told_only_of_reports_that_have_them():
    assert card_notes.interval_note({}) == ""
    assert "reverse percentiles" in card_notes.interval_note({"intervals": {"ece": "reverse percentile"}})


def test_intervals_that_cannot_be_had_are_told_only_of_reports_without_them():
    assert "rests on too few" not in card_notes.interval_note({"intervals": {"ece": "reverse percentile"}})
    assert "rests on too few" in card_notes.interval_note(
        {"intervals": {"other figures that resampling cannot move": "none"}}
    )


@pytest.mark.parametrize(
    ("interval", "shown"), [([0.8, 1], "0.900 (0.800 to 1.000)"), (None, "0.900"), ([None, None], "0.900")]
)
def test_figure_is_shown_with_its_interval_where_it_has_one(interval, shown):
    assert card_tables.figure({"auc": 0.9, "auc_interval": interval}, "auc") == shown


def test_dark_skin_is_counted_in_words():
    tones = {"light": {"n": 90}, "tan": {"n": 26}, "brown": {"n": 4}}
    assert card_notes.dark_skin_note({"n": 120, "slices": {"skin_tone": tones}}).endswith(
        "intermediate: tan 26, brown 4."
    )
    assert card_notes.dark_skin_note({"n": 90, "slices": {"skin_tone": {"light": {"n": 90}}}}).endswith(
        "intermediate: none."
    )
    assert "On none of 5 " in card_notes.dark_skin_note({"n": 5, "slices": {}})


def test_risks_are_held_against_what_came_true_where_that_was_measured():
    place = {"mean_predicted": 0.21, "share_true": 0.195, "ece": 0.02, "ece_interval": [0.01, 0.03]}
    assert card_notes.risk_note({"malignant": {}}) == ""
    told = card_notes.risk_note({"malignant": place | {"reliability": []}, "melanoma": place})
    assert "mean malignancy risk is 0.210, and 0.195 of the photographs are malignant" in told
    assert "mean p(mel) is 0.210" in told and told.count("off by 0.020 (0.010 to 0.030)") == 2


def test_changed_photographs_tell_what_is_missed_where_that_was_measured():
    own = {"n": 40, "stopped": 0.25}
    assert "| dark | 40 | 25% (14 to 40) |" in card_tables.changed_table({"dark": own})
    told = card_tables.changed_table({"dark": own | {"n_malignant": 8, "missed": 0.125, "marked": 0.5}})
    assert "| dark | 40 | 8 | 25% (14 to 40) | 12% (2 to 47) | 50% (34 to 66) |" in told


def facts(balanced, recall, loss):
    """The differences of all facts to none: figure and interval of three of them."""
    named = {"balanced_accuracy": balanced, "log_loss": loss}
    changed = {name: value for name, (value, _) in named.items()}
    changed |= {f"{name}_interval": interval for name, (_, interval) in named.items()}
    melanoma = {"auc": 0, "auc_interval": None, "recall_balanced": recall[0], "recall_balanced_interval": recall[1]}
    same = dict.fromkeys(("accuracy", "macro_auc", "ece"), 0.0)
    same |= {f"{name}_interval": [-0.01, 0.01] for name in ("accuracy", "macro_auc", "ece")}
    risk = {name: 0.0 for name in ("auc", "sensitivity", "specificity")}
    risk |= {f"{name}_interval": [-0.01, 0.01] for name in ("auc", "sensitivity", "specificity")}
    none = {"balanced_accuracy": 0.766, "melanoma": {"recall_balanced": 0.709}}
    differences = {"age": {}, "all": changed | same | {"melanoma": melanoma, "malignant": risk}}
    return {"metadata": {"none": none}, "metadata_differences": differences}


def test_facts_are_told_with_what_they_cost():
    gain, cost, loss = (0.02, [0.01, 0.03]), (-0.037, [-0.08, 0.0]), (-0.015, [-0.03, -0.003])
    told = card_comparisons.facts_note(facts(gain, cost, loss))
    assert told.startswith("Without facts the balanced accuracy is 0.766 and the melanoma recall 0.709.")
    assert (
        "Better beyond chance: balanced accuracy +0.020 (+0.010 to +0.030); log loss -0.015 (-0.030 to -0.003)." in told
    )
    assert "Worse beyond chance: nothing." in told
    assert "Worse, though chance may do as much: melanoma recall -0.037 (-0.080 to +0.000)." in told
    told = card_comparisons.facts_note(facts(gain, (-0.04, [-0.08, -0.01]), (0.02, [0.01, 0.03])))
    worse = "Worse beyond chance: melanoma recall -0.040 (-0.080 to -0.010); log loss +0.020 (+0.010 to +0.030)."
    assert worse in told


@pytest.mark.parametrize(
    ("share", "interval", "is_other"), [(0.019, [0.012, 0.027], True), (0.012, [0.005, 0.02], False)]
)
def test_flagged_share_that_is_not_the_wanted_one_is_told(share, interval, is_other):
    place = {"flagged_share": share, "flagged_share_interval": interval}
    told = card_notes.flagged_note({"out_of_distribution": place}, 0.99)
    assert f"{100 * share:.1f} % ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" in told
    assert ("the 1 % did not carry over" in told) == is_other


@pytest.mark.parametrize(
    ("ece", "interval", "percentiles", "state"),
    [
        (0.025, [0, 0.028], [0.023, 0.051], "a fair verdict, and no proof"),
        (0.01, [0, 0.012], [0.01, 0.02], "a fair verdict. "),
        (0.029, [0, 0.035], [0.02, 0.06], "a doubtful verdict. "),
    ],
)
def test_calibration_error_is_told_with_what_it_is_worth(ece, interval, percentiles, state):
    report = {"ece": ece, "ece_interval": interval, "ece_by_chance": 0.023, "overconfidence": 0.008}
    told = card_notes.ece_note(report | {"ece_by_chance_interval": [0.015, 0.033], "ece_percentiles": percentiles})
    assert f"at most 0.03 is {state}" in told and "0.023 (0.015 to 0.033)" in told
    assert card_notes.ece_note(report).endswith("0.023 on as many photographs, by chance alone.")


def test_others_are_compared_by_each_decision():
    report = {"accuracy": 0.83, "accuracy_interval": [0.8, 0.86], "balanced_accuracy": 0.78}
    report |= {"balanced": {"accuracy": 0.76}, "plain": {"balanced_accuracy": 0.68}}
    report["per_class"] = {name: {"auc": 0.95} for name in CLASSES}
    report["per_class"]["mel"] = {"auc": 0.909, "sensitivity": 0.67, "sensitivity_plain": 0.37}
    told = card_comparisons.others_note(report)
    assert "accuracy 0.830 above 0.70, AUC above 0.90 in every class (lowest: mel)" in told
    assert "melanoma recall by the balanced decision 0.670 not above 0.74" in told
    assert "by the predicted class accuracy 0.830 above 0.825 (within the interval), mean recall 0.680 not" in told
    assert "by the balanced decision accuracy 0.760 not above 0.825, mean recall 0.780 above 0.723" in told
    assert "| – | 0.856 | – | – |" in card_comparisons.others_table(report)
    assert "leaning" not in told
    report["leaning"] = {"accuracy": 0.71, "balanced_accuracy": 0.77, "mel": {"sensitivity": 0.76}}
    assert "melanoma recall by the melanoma-leaning decision 0.760 above 0.74" in card_comparisons.others_note(report)


def test_sizes_of_all_parts_are_told_of_the_artefacts_own_split_alone(tiny_manifests):
    own = {"manifest_sha256": model_json.manifest_hashes(tiny_manifests)}
    parts = card.parts_of(own, tiny_manifests)
    assert [row.split(" | ")[0] for row in card_tables.parts_table(parts).splitlines()[2:]] == [
        f"| {name}" for name in ("train", "validation", "calibration", "test")
    ]
    assert card.parts_of(own, card.MANIFESTS) is None
    assert card_notes.parts_note({"class_counts": [1] * 7}, None).startswith("Photographs to train on: akiec 1, ")


def test_histology_is_counted_as_the_data_tell(ham10000):
    rows = read_rows(ham10000 / "HAM10000_metadata.csv")
    template = card.TEMPLATE.read_text()
    proven = Counter(row["dx"] for row in rows if row["dx_type"] == "histo")
    every = Counter(row["dx"] for row in rows)
    assert f"histology for {proven.total():,} of the {len(rows):,} photographs" in template
    for name in ("bkl", "nv", "df", "vasc"):
        assert f"{proven[name]:,} of {every[name]:,} {name}" in template
    for name in ("mel", "bcc", "akiec"):
        assert proven[name] == every[name]
        assert f"{every[name]:,} {name}" in template


def test_commands_of_measuring_and_of_the_card_are_kept_with_those_that_made_the_artefact(tmp_path):
    shutil.copy(card.ARTIFACT / "model.json", tmp_path)
    metadata = model_json.read(tmp_path)
    steps = [one for one in metadata["made_by"] if one["command"].split()[2] not in ("ml.evaluate", "ml.card")]
    model_json.write(tmp_path, metadata | {"made_by": steps})
    measured = {"command": "python -m ml.evaluate --data DIR --json test.json", "seconds": 300}
    (tmp_path / "test.json").write_text(json.dumps(metadata["metrics"] | {"made_by": measured}))
    arguments = ["--artifact", str(tmp_path), "--metrics", str(tmp_path / "test.json")]
    for _ in range(2):
        assert card.main(arguments) == 0
    after = model_json.read(tmp_path)
    assert after["made_by"][:-1] == [*steps, measured]
    assert after["made_by"][-1]["command"].startswith("python -m ml.card --artifact ")
    assert after["metrics"] == metadata["metrics"] and after["version"] == metadata["version"]
    assert (
        "| `python -m ml.evaluate --data DIR --json test.json` | 5.0 min |" in (tmp_path / "MODEL_CARD.md").read_text()
    )


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
    added += ("log_loss", "metadata_differences", "row_shares", "ece_by_chance_interval", "ece_percentiles", "made_by")
    added += ("overconfidence",)
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
