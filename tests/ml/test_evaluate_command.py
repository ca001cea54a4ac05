"""What ml.evaluate prints, and what it refuses before anything is measured."""

import re

import pytest

from ml import evaluate
from tests.ml.evaluating import run
from tests.ml.tiny import write_dataset


def test_both_decisions_are_printed_by_their_names(stand_in, tiny_dataset, tmp_path, capsys):
    seen = run(tmp_path, "--data", tiny_dataset)
    said = dict(re.split(r"  +", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert seen["balanced_accuracy"] != seen["plain"]["balanced_accuracy"]
    for name, value in (
        ("accuracy (predicted_class)", seen["accuracy"]),
        ("balanced_accuracy (predicted_class)", seen["plain"]["balanced_accuracy"]),
        ("balanced_accuracy (argmax of p/prior)", seen["balanced_accuracy"]),
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
    monkeypatch.setattr(evaluate, "read_dataset", lambda _: pytest.fail("it began"))
    (tmp_path / "file").touch()
    assert evaluate.main(["--data", str(tiny_dataset), "--json", str(tmp_path / "file" / "x.json")]) == 1
    assert capsys.readouterr().err.startswith("cannot evaluate: ")


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
    monkeypatch.setattr(evaluate, "read_dataset", lambda _: pytest.fail("it began"))
    arguments = [argument.format(folder=tmp_path) for argument in targets]
    assert evaluate.main(["--data", str(tiny_dataset), *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("cannot evaluate: ") and reason in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("repeats", ["0", "1", "99", "-5", "many"])
def test_too_few_repeats_are_refused(tiny_dataset, tmp_path, repeats):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--data", str(tiny_dataset), "--json", str(tmp_path / "x.json"), "--repeats", repeats])
    assert stop.value.code == 2


def test_folder_without_a_table_is_one_line(stand_in, tmp_path, capsys):
    assert evaluate.main(["--data", str(tmp_path), "--json", str(tmp_path / "x.json")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
