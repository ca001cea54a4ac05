import csv
import json
import shutil

import numpy as np
import pytest

from ml import evaluate, observe
from ml.classifier import Classifier
from ml.data import MANIFESTS, ids_made_with
from ml.labels import CLASSES, INDEX
from ml.metadata import FACTS
from ml.model_json import manifest_hashes
from ml.report import Case, counted_in
from tests.ml.tiny import ColourRuntime, settings, write_dataset


@pytest.fixture
def stand_in(monkeypatch):
    """Every classifier that is loaded has the arithmetic network."""

    def load(directory=None, *, threads=None, views=None):
        metadata = settings(**({"test_time_augmentation": views} if views else {}))
        return Classifier(ColourRuntime(), metadata, None)

    monkeypatch.setattr(observe.Classifier, "load", load)


def run(tmp_path, *arguments) -> dict:
    out = tmp_path / "report.json"
    assert evaluate.main([*map(str, arguments), "--json", str(out), "--repeats", "40"]) == 0
    return json.loads(out.read_text())


@pytest.fixture
def report(stand_in, tiny_dataset, tmp_path):
    return run(tmp_path, "--data", tiny_dataset)


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
            low, high = place[f"{name}_interval"]
            assert low - 1e-9 <= place[name] <= high + 1e-9
    for groups in (report["metadata"], *report["slices"].values()):
        for group in groups.values():
            low, high = group["ece_interval"]
            assert 0 <= low <= group["ece"] <= high
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
    assert set(report["slices"]) == {"age", "sex", "site", "source", "reference", "image_size", "skin_tone"}
    for kind, groups in report["slices"].items():
        assert sum(group["n"] for group in groups.values()) == report["n"], kind
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
    assert set(seen["slices"]["age"]) == {"unknown"}
    assert (seen["resampled"], report["resampled"]) == ("photographs", "lesions")


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


def test_classes_that_are_missing_give_null_not_a_crash(stand_in, tmp_path):
    folder = write_dataset(tmp_path / "two", lesions=6, classes=("mel", "nv"))
    seen = run(tmp_path, "--data", folder)
    assert seen["per_class"]["df"]["auc"] is None
    assert seen["per_class"]["df"]["n"] == 0
    assert seen["per_class"]["mel"]["auc"] is not None


@pytest.mark.parametrize("classes", [("mel",), ("nv",), ("mel", "bcc"), ("nv", "df")])
def test_folder_of_only_malignant_or_only_benign_photographs_is_drawn(stand_in, tmp_path, classes):
    pytest.importorskip("matplotlib", reason="needs matplotlib, a training requirement")
    page = tmp_path / "page.svg"
    seen = run(tmp_path, "--data", write_dataset(tmp_path / "few", lesions=6, classes=classes), "--plots", page)
    assert seen["malignant"]["auc"] is None
    assert None in seen["malignant"]["operating_points"]["sensitivity_95"].values()
    assert page.read_text().count('id="axes_') == 6


def test_plots_are_drawn(stand_in, tiny_dataset, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib, a training requirement")
    page = tmp_path / "page.svg"
    run(tmp_path, "--data", tiny_dataset, "--plots", page)
    text = page.read_text()
    assert text.count('id="axes_') == 6


def test_unreadable_photographs_are_all_named_and_stop_the_run(stand_in, tmp_path, capsys):
    folder = write_dataset(tmp_path / "bad", lesions=3)
    bad = sorted((folder / "images").glob("*.jpg"))[2:4]
    for path in bad:
        path.write_bytes(path.read_bytes()[:200])
    out = tmp_path / "report.json"
    assert evaluate.main(["--data", str(folder), "--json", str(out)]) == 1
    said = capsys.readouterr().err
    assert all(str(path) in said for path in bad)
    assert not out.exists()


def test_folder_of_the_report_is_made(stand_in, tiny_dataset, tmp_path):
    folder = tmp_path / "reports" / "today"
    folder_of_page = tmp_path / "pages"
    arguments = ["--data", str(tiny_dataset), "--json", str(folder / "x.json"), "--repeats", "20"]
    pytest.importorskip("matplotlib", reason="needs matplotlib, a training requirement")
    assert evaluate.main([*arguments, "--plots", str(folder_of_page / "page.svg")]) == 0
    assert (folder / "x.json").exists()
    assert (folder_of_page / "page.svg").exists()


def test_place_where_no_report_can_be_written_is_told_before_anything_is_measured(
    stand_in, tiny_dataset, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(evaluate, "read_dataset", lambda _: pytest.fail("it began"))
    (tmp_path / "file").touch()
    assert evaluate.main(["--data", str(tiny_dataset), "--json", str(tmp_path / "file" / "x.json")]) == 1
    assert capsys.readouterr().err.startswith("cannot evaluate: ")


def test_folder_without_a_table_is_one_line(stand_in, tmp_path, capsys):
    assert evaluate.main(["--data", str(tmp_path), "--json", str(tmp_path / "x.json")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_balanced_decision_divides_by_the_prior():
    probabilities = np.array([[0.02, 0.02, 0.02, 0.02, 0.30, 0.60, 0.02]])
    case = Case(np.array([INDEX["mel"]]), probabilities, np.ones((1, 7), bool), np.array(settings()["prior"]), {})
    assert case.plain_decisions[0] == INDEX["nv"]
    assert case.balanced_decisions[0] == INDEX["mel"]


def test_a_share_is_counted_in_lesions():
    """Each figure's own: two melanomas of one lesion, a mole, a keratosis."""
    labels = np.array([INDEX[name] for name in ("mel", "mel", "nv", "bkl")])
    case = Case(labels, np.full((4, 7), 1 / 7), np.ones((4, 7), bool), np.full(7, 1 / 7), {})
    counted = {
        ("accuracy",): [0, 1, 2, 3],
        ("conformal", "coverage"): [0, 1, 2, 3],
        ("malignant", "sensitivity"): [0, 1],
        ("malignant", "specificity"): [2, 3],
        ("melanoma", "recall_balanced"): [0, 1],
        ("melanoma", "specificity"): [2, 3],
        ("per_class", "nv", "sensitivity_plain"): [2],
        ("per_class", "nv", "specificity"): [0, 1, 3],
        ("conformal", "per_class", "bkl", "coverage"): [3],
    }
    for path, photographs in counted.items():
        assert np.flatnonzero(counted_in(case, path)).tolist() == photographs, path
    for path in (("macro_auc",), ("balanced_accuracy",), ("malignant", "auc"), ("per_class", "nv", "auc"), ("ece",)):
        assert counted_in(case, path) is None, path


def test_subsets_are_all_of_them():
    assert len(set(evaluate.SUBSETS)) == 2 ** len(FACTS)
