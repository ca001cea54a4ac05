"""What ml.evaluate prints, and what it refuses before anything is measured."""

import re
from pathlib import Path

import pytest

from ml import evaluate
from tests.ml.evaluating import run
from tests.ml.tiny import write_dataset

FULL = Path("/dev/full")


def test_both_decisions_are_printed_by_their_names(stand_in, tiny_dataset, tmp_path, capsys):
    seen = run(tmp_path, "--data", tiny_dataset)
    said = dict(re.split(r"  +", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert seen["balanced_accuracy"] != seen["plain"]["balanced_accuracy"]
    assert seen["melanoma"]["recall_balanced"] != seen["per_class"]["mel"]["sensitivity_plain"]
    for name, value in (
        ("accuracy (predicted_class)", seen["accuracy"]),
        ("balanced_accuracy (predicted_class)", seen["plain"]["balanced_accuracy"]),
        ("balanced_accuracy (balanced_class)", seen["balanced_accuracy"]),
        ("melanoma_recall (predicted_class)", seen["per_class"]["mel"]["sensitivity_plain"]),
        ("melanoma_recall (balanced_class)", seen["melanoma"]["recall_balanced"]),
    ):
        assert re.match(rf"{value:.3f}( \(|$)", said[name])


def test_unreadable_photographs_are_all_named_before_anything_is_measured(stand_in, tmp_path, monkeypatch, capsys):
    folder = write_dataset(tmp_path / "bad", lesions=3)
    monkeypatch.setattr(evaluate, "observe_paths", lambda *_, **__: pytest.fail("it began"))
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
    arguments = ["--data", str(tiny_dataset), "--json", str(folder / "x.json"), "--repeats", "100"]
    pytest.importorskip("matplotlib", reason="needs matplotlib, a training requirement")
    assert evaluate.main([*arguments, "--plots", str(folder_of_page / "page.svg")]) == 0
    assert (folder / "x.json").exists()
    assert (folder_of_page / "page.svg").exists()


def test_place_where_no_report_can_be_written_is_told_before_anything_is_measured(
    stand_in, tiny_dataset, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(evaluate, "read_pictured", lambda _: pytest.fail("it began"))
    (tmp_path / "file").touch()
    assert evaluate.main(["--data", str(tiny_dataset), "--json", str(tmp_path / "file" / "x.json")]) == 2
    assert capsys.readouterr().err.startswith("cannot evaluate: ")
    assert evaluate.main(["--data", str(tiny_dataset), "--json", "/proc/x.json"]) == 2
    assert re.fullmatch(r"cannot evaluate: /proc/x.json cannot be written: .+\n", capsys.readouterr().err)


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, as Linux has it")
def test_full_disk_is_told_before_anything_is_measured(stand_in, tiny_dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "read_pictured", lambda _: pytest.fail("it began"))
    monkeypatch.setattr(evaluate.tempfile, "TemporaryFile", lambda **_: FULL.open("wb"))
    out = tmp_path / "x.json"
    assert evaluate.main(["--data", str(tiny_dataset), "--json", str(out)]) == 2
    assert capsys.readouterr().err == f"cannot evaluate: {out} cannot be written: No space left on device\n"
    assert not out.exists()


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, as Linux has it")
def test_report_that_cannot_be_written_in_the_end_is_one_line_and_the_figures_are_still_printed(
    stand_in, tmp_path, capsys
):
    folder = write_dataset(tmp_path / "few", lesions=3)
    assert evaluate.main(["--data", str(folder), "--json", str(FULL), "--repeats", "100"]) == 2
    said = capsys.readouterr()
    assert re.fullmatch(r"the report could not be written: .*No space left on device.*\n", said.err)
    assert said.out.startswith("accuracy (predicted_class)")


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        (["--json", "{folder}"], "is a folder"),
        (["--json", "{folder}/x.json", "--plots", "{folder}/x.doc"], "a page of plots is .svg, .png, .pdf"),
    ],
)
def test_target_of_the_wrong_kind_is_told_before_anything_is_measured(
    stand_in, tiny_dataset, tmp_path, monkeypatch, capsys, targets, reason
):
    monkeypatch.setattr(evaluate, "read_pictured", lambda _: pytest.fail("it began"))
    arguments = [argument.format(folder=tmp_path) for argument in targets]
    assert evaluate.main(["--data", str(tiny_dataset), *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("cannot evaluate: ") and reason in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("repeats", ["0", "1", "99", "-5", "many"])
def test_too_few_repeats_are_refused(tiny_dataset, tmp_path, repeats):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--data", str(tiny_dataset), "--json", str(tmp_path / "x.json"), "--repeats", repeats])
    assert stop.value.code == 2


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_nobody_at_work_is_refused(tiny_dataset, tmp_path, workers):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--data", str(tiny_dataset), "--json", str(tmp_path / "x.json"), "--workers", workers])
    assert stop.value.code == 2


def test_rows_without_a_picture_are_counted_and_the_others_measured(stand_in, tmp_path, capsys):
    folder = write_dataset(tmp_path / "some", lesions=3)
    whole = run(tmp_path, "--data", folder)
    assert (whole["n"], whole["rows_without_picture"]) == (28, 0)
    assert capsys.readouterr().err == ""
    for picture in sorted((folder / "images").iterdir())[1::2]:
        picture.unlink()
    table = folder / "HAM10000_metadata.csv"
    table.write_text(table.read_text() + "".join(f"L{n},GONE_{n},nv,,,,\n" for n in range(1_000)))
    seen = run(tmp_path, "--data", folder)
    assert (seen["n"], seen["rows_without_picture"]) == (14, 1_014)
    said = f"14 of 1,028 rows have a picture in {folder}: these are measured; 1,014 have none\n"
    assert capsys.readouterr().err == said


def test_split_without_all_pictures_is_refused(stand_in, writable, tiny_manifests, tmp_path, capsys):
    (writable / "images" / "ISIC_0000001.jpg").unlink()
    out = tmp_path / "x.json"
    named = ["--data", str(writable), "--json", str(out), "--manifests", str(tiny_manifests), "--split", "test"]
    assert evaluate.main(named) == 1
    assert "ISIC_0000001: no picture" in capsys.readouterr().err
    assert not out.exists()


def test_folder_that_is_not_there_is_one_line(stand_in, tmp_path, capsys):
    assert evaluate.main(["--data", str(tmp_path / "none"), "--json", str(tmp_path / "x.json")]) == 1
    assert capsys.readouterr().err == f"cannot evaluate: no such folder: {tmp_path / 'none'}\n"


def test_folder_without_a_table_is_one_line(stand_in, tmp_path, capsys):
    assert evaluate.main(["--data", str(tmp_path), "--json", str(tmp_path / "x.json")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
