import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from ml import evaluate, observe
from ml.classifier import Classifier
from ml.data import MANIFESTS, read_dataset, read_split
from ml.labels import CLASSES
from ml.made_with import ids_made_with
from ml.metadata import FACTS
from ml.model_json import manifest_hashes
from tests.ml.evaluating import run
from tests.ml.tiny import ColourRuntime, settings, write_dataset


@pytest.fixture
def report(stand_in, tiny_dataset, tmp_path):
    return run(tmp_path, "--data", tiny_dataset)


def intervals_in(place):
    for name, value in place.items():
        if isinstance(value, dict):
            yield from intervals_in(value)
        elif name.endswith("_interval"):
            yield value


def test_report_keeps_the_contract(report):
    assert report["n"] == 168
    for name in ("accuracy", "balanced_accuracy", "macro_auc", "ece"):
        low, high = report[f"{name}_interval"]
        assert low - 1e-9 <= report[name] <= high + 1e-9
    assert set(report["per_class"]) == set(CLASSES)
    for own in report["per_class"].values():
        assert {"n", "auc", "sensitivity", "specificity", "auc_interval", "sensitivity_interval"} <= set(own)
    assert {"auc", "sensitivity", "specificity", "threshold"} <= set(report["malignant"])
    for place in (*report["per_class"].values(), report["malignant"], report["melanoma"], report["conformal"]):
        figures = {"auc", "sensitivity", "specificity", "coverage", "mean_size"} & set(place)
        assert figures
        for name in figures:
            # This network names every set alike for some class: no resampling moves that.
            low, high = place[f"{name}_interval"] or (0, 7)
            assert low - 1e-9 <= place[name] <= high + 1e-9
    for groups in (report["metadata"], *report["slices"].values()):
        for group in groups.values():
            low, high = group["ece_interval"]
            assert 0 <= low <= group["ece"] <= high
            assert all(interval is None or interval[0] < interval[1] for interval in intervals_in(group))
    assert report["malignant"]["threshold"] == 0.3
    assert {"coverage", "mean_size", "per_class"} <= set(report["conformal"])


def test_figures_agree_with_each_other(report):
    sensitivities = [own["sensitivity"] for own in report["per_class"].values()]
    assert report["balanced_accuracy"] == pytest.approx(np.mean(sensitivities))
    matrix = np.array(report["confusion_matrix"]["plain"])
    assert matrix.sum() == report["n"]
    assert report["accuracy"] == pytest.approx(np.trace(matrix) / matrix.sum())
    assert report["macro_auc"] == pytest.approx(np.mean([own["auc"] for own in report["per_class"].values()]))
    assert report["melanoma"]["recall_balanced"] == report["per_class"]["mel"]["sensitivity"]


def test_every_slice_holds_every_photograph_once(report):
    # No table tells a source here.
    assert set(report["slices"]) == {"age", "sex", "site", "reference", "image_size", "skin_tone"}
    for kind, groups in report["slices"].items():
        assert sum(group["n"] for group in groups.values()) == report["n"], kind
        assert sum(group["n_malignant"] for group in groups.values()) == report["n_malignant"], kind
    assert report["n_malignant"] == sum(report["per_class"][name]["n"] for name in ("akiec", "bcc", "mel"))
    assert set(report["slices"]["sex"]) == {"female", "male", "unknown"}
    assert set(report["slices"]["image_size"]) == {"120x90"}
    assert set(report["slices"]["reference"]) == {"histo"}


def test_slices_by_what_the_diagnosis_rests_on(stand_in, tmp_path):
    folder = write_dataset(tmp_path / "kinds", lesions=3, classes=("mel", "nv"))
    table = folder / "HAM10000_metadata.csv"
    table.write_text(table.read_text().replace(",nv,histo,", ",nv,follow_up,", 2).replace(",mel,histo,", ",mel,,", 1))
    slices = run(tmp_path, "--data", folder)["slices"]["reference"]
    assert {name: own["n"] for name, own in slices.items()} == {"follow_up": 2, "histo": 5, "unknown": 1}


def test_operating_points_and_strangers_have_intervals(report):
    for place in (report["malignant"], report["melanoma"]):
        for point in place["operating_points"].values():
            for name in ("sensitivity", "specificity"):
                low, high = point[f"{name}_interval"]
                assert low - 1e-9 <= point[name] <= high + 1e-9
                assert low < high
        # One threshold is the shipped one: the same figures of the same resamplings.
        shipped = place["operating_points"]["sensitivity_95"]
        for name in ("threshold", "sensitivity", "sensitivity_interval", "specificity", "specificity_interval"):
            assert shipped[name] == place[name]
    low, high = report["out_of_distribution"]["flagged_share_interval"]
    # None of them is a stranger, and yet they are not all there could be.
    assert low == report["out_of_distribution"]["flagged_share"] == 0 < high < 0.1


def test_bins_and_rows_of_decisions_and_the_curve_have_intervals(report):
    bins = [("accuracy", report["reliability"])]
    bins += [("share_true", report[name]["reliability"]) for name in ("malignant", "melanoma")]
    for name, rows in bins:
        for row in rows:
            assert (row[f"{name}_interval"] is None) == (row["n"] == 0)
            if row["n"]:
                low, high = row[f"{name}_interval"]
                assert 0 <= low <= row[name] <= high <= 1 and low < high
    for decision in ("balanced", "plain"):
        shares = report["confusion_matrix"]["row_shares"][decision]
        for truth, counts in zip(CLASSES, report["confusion_matrix"][decision], strict=True):
            for decided, count in zip(CLASSES, counts, strict=True):
                low, high = shares[truth][f"{decided}_interval"]
                assert shares[truth][decided] == pytest.approx(count / sum(counts))
                assert low - 1e-9 <= shares[truth][decided] <= high + 1e-9 and low < high
    curve = report["malignant"]["roc"]
    lows, highs = np.array(curve["sensitivity_intervals"]).T
    assert len(lows) == len(curve["sensitivity"]) and (lows <= highs).all() and (lows < highs).any()
    low, high = report["ece_by_chance_interval"]
    assert low < report["ece_by_chance"] < high


def test_told_facts_are_held_against_none_on_the_same_photographs(report):
    none = report["metadata"]["none"]
    assert set(report["metadata_differences"]) == set(report["metadata"]) - {"none"}
    for known, changed in report["metadata_differences"].items():
        for name in ("accuracy", "balanced_accuracy", "log_loss", "ece"):
            assert changed[name] == pytest.approx(report["metadata"][known][name] - none[name])
        recall = report["metadata"][known]["melanoma"]["recall_balanced"] - none["melanoma"]["recall_balanced"]
        assert changed["melanoma"]["recall_balanced"] == pytest.approx(recall)
    low, high = report["metadata_differences"]["age+sex+site"]["malignant"]["auc_interval"]
    assert low <= report["metadata_differences"]["age+sex+site"]["malignant"]["auc"] <= high


def test_report_brings_its_own_command(report, tiny_dataset):
    assert report["made_by"]["command"].startswith(f"python -m ml.evaluate --data {tiny_dataset} --json ")
    assert report["made_by"]["seconds"] >= 0


def test_told_facts_matter_and_untold_ones_do_not(stand_in, tiny_dataset, tmp_path, report):
    assert set(report["metadata"]) == {"+".join(known) or "none" for known in evaluate.SUBSETS}
    assert report["metadata"]["none"]["malignant"]["auc"] != report["malignant"]["auc"]
    # This fusion's sexes say nothing.
    assert report["metadata"]["sex"]["ece"] == pytest.approx(report["metadata"]["none"]["ece"])
    assert report["metadata"]["age+sex+site"]["accuracy"] == pytest.approx(report["accuracy"])


def test_folder_in_the_layout_of_isic_2018_without_facts(stand_in, tiny_dataset, tmp_path, report):
    folder = tmp_path / "isic"
    shutil.copytree(tiny_dataset / "images", folder / "ISIC2018_Task3_Test_Input")
    with (tiny_dataset / "HAM10000_metadata.csv").open() as table, (folder / "truth.csv").open("w") as out:
        writer = csv.writer(out)
        columns = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
        writer.writerow(["image", *columns])
        for row in csv.DictReader(table):
            writer.writerow([row["image_id"], *(float(row["dx"].upper() == column) for column in columns)])
    seen = run(tmp_path, "--data", folder)
    assert seen["n"] == report["n"]
    assert seen["accuracy"] == pytest.approx(report["metadata"]["none"]["accuracy"])
    assert set(seen["slices"]) == {"image_size", "skin_tone"}, "the others would be of unknown photographs alone"
    assert (seen["resampled"], report["resampled"]) == ("photographs", "lesions")
    groups = [*seen["metadata"].values(), seen["slices"]["image_size"]["120x90"], seen]
    assert {group["n_lesions"] for group in groups} == {None}
    assert report["n_lesions"] == report["metadata"]["none"]["n_lesions"] == 7 * 18


def test_risks_are_held_against_what_came_true(report):
    for name in ("malignant", "melanoma"):
        place = report[name]
        assert len(place["reliability"]) == 10
        assert sum(row["n"] for row in place["reliability"]) == report["n"]
        filled = [row for row in place["reliability"] if row["n"]]
        for mean, column in (("mean_predicted", "predicted"), ("share_true", "share_true")):
            assert place[mean] == pytest.approx(sum(row["n"] * row[column] for row in filled) / report["n"])
        gaps = sum(row["n"] * abs(row["predicted"] - row["share_true"]) for row in filled)
        assert place["ece"] == pytest.approx(gaps / report["n"])
    assert report["malignant"]["share_true"] == pytest.approx(report["n_malignant"] / report["n"])


def load_strict(monkeypatch, threshold):
    """A classifier that takes for a stranger what is redder than `threshold`."""

    class Redness:
        def score(self, features):
            return features[:, 0]

    metadata = settings(out_of_distribution={"threshold": threshold})
    monkeypatch.setattr(observe.Classifier, "load", lambda *_, **__: Classifier(ColourRuntime(), metadata, Redness()))


def test_strangers_are_told_and_the_others_measured_alone(monkeypatch, tiny_dataset, tmp_path, capsys):
    load_strict(monkeypatch, 190)
    seen = run(tmp_path, "--data", tiny_dataset)
    strangers = seen["out_of_distribution"]
    flagged, unflagged = strangers["n_flagged"], strangers["unflagged"]
    assert 0.05 * seen["n"] < flagged < seen["n"] == flagged + unflagged["n"]
    assert capsys.readouterr().err == (
        f"{flagged} of 168 photographs look unlike those that the model learnt from; the portal would not judge them.\n"
    )
    assert unflagged["accuracy"] != seen["accuracy"]
    assert {"sensitivity", "specificity"} <= set(unflagged["malignant"])


def test_folder_of_strangers_alone(monkeypatch, tmp_path, capsys):
    load_strict(monkeypatch, 0)
    seen = run(tmp_path, "--data", write_dataset(tmp_path / "few", lesions=2))
    assert seen["out_of_distribution"]["flagged_share"] == 1
    assert seen["out_of_distribution"]["unflagged"] == {"n": 0}
    assert capsys.readouterr().err.startswith("21 of 21 photographs look unlike")


def use_ids(folder, image_ids):
    """Give the first photographs of a data set these ids."""
    table = folder / "HAM10000_metadata.csv"
    text = table.read_text()
    for picture, image_id in zip(sorted((folder / "images").iterdir()), image_ids, strict=False):
        text = text.replace(picture.stem, image_id)
        picture.rename(picture.with_stem(image_id))
    table.write_text(text)


def manifest(name):
    with (MANIFESTS / f"{name}.csv").open() as file:
        return [row["image_id"] for row in csv.DictReader(file)]


def test_photographs_that_the_model_was_made_of_are_counted_and_told(stand_in, tmp_path, capsys):
    folder = write_dataset(tmp_path / "known", lesions=6, classes=("mel", "nv"))
    assert run(tmp_path, "--data", folder)["seen_in_making"] == 0
    assert capsys.readouterr().err == ""
    use_ids(folder, [manifest(name)[0] for name in ("train", "validation", "calibration", "test")])
    assert run(tmp_path, "--data", folder)["seen_in_making"] == 3
    said = capsys.readouterr().err
    assert said == "3 of these photographs were used to make the model: the figures flatter it.\n"


def test_model_fitted_to_photographs_of_its_own_has_seen_these(monkeypatch, tiny_dataset, tiny_manifests, tmp_path):
    fitted_to_them = settings(manifest_sha256=manifest_hashes(tiny_manifests))
    monkeypatch.setattr(observe.Classifier, "load", lambda *_, **__: Classifier(ColourRuntime(), fitted_to_them, None))
    arguments = ["--data", tiny_dataset, "--manifests", tiny_manifests]
    assert run(tmp_path, *arguments, "--split", "test")["seen_in_making"] == 0
    whole = run(tmp_path, *arguments)
    assert whole["seen_in_making"] == len(ids_made_with(tiny_manifests)) > 0


def test_photographs_that_the_model_was_made_of_are_known_under_other_names(stand_in, ham10000, tmp_path, capsys):
    records = read_dataset(ham10000)
    chosen = [*read_split(records, "train")[:8], *read_split(records, "test")[:4]]
    rows = []
    for number, record in enumerate(chosen):
        with Image.open(record.path) as image:
            image.resize((128, 128), Image.Resampling.BICUBIC).save(tmp_path / f"test_{number}.png")
        rows.append(f"test_{number},{record.label}\n")
    (tmp_path / "photographs.csv").write_text("image_id,dx\n" + "".join(rows))
    assert run(tmp_path, "--data", tmp_path)["seen_in_making"] == 8
    assert "8 of these photographs were used to make the model" in capsys.readouterr().err


def test_classes_that_are_missing_give_null_not_a_crash(stand_in, tmp_path):
    folder = write_dataset(tmp_path / "two", lesions=6, classes=("mel", "nv"))
    seen = run(tmp_path, "--data", folder)
    assert seen["per_class"]["df"]["auc"] is None
    assert seen["per_class"]["df"]["n"] == 0
    assert seen["per_class"]["mel"]["auc"] is not None


def test_subsets_are_all_of_them():
    assert len(set(evaluate.SUBSETS)) == 2 ** len(FACTS)
