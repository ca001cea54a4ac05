import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ml import predict
from ml.classifier import Classifier
from ml.labels import CLASSES
from tests.ml.test_preprocess import damaged_exif
from tests.ml.tiny import paint_lesion

CONTRACT = {
    "file",
    "model_version",
    "predicted_class",
    "balanced_class",
    "confidence",
    "probabilities",
    "malignancy_risk",
    "prediction_set",
    "out_of_distribution",
    "latency_ms",
}


@pytest.fixture
def ready(classifier, monkeypatch):
    monkeypatch.setattr(Classifier, "load", lambda *_, **__: classifier)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    paint_lesion("mel", 1).save(path)
    return path


def test_one_json_object_a_line(ready, photo, tmp_path, capsys):
    other = tmp_path / "other.png"
    paint_lesion("nv", 2).save(other)
    assert predict.main([str(photo), str(other)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [str(photo), str(other)]
    for line in lines:
        assert set(line) == CONTRACT
        assert tuple(line["probabilities"]) == CLASSES
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert line["out_of_distribution"] is False
        assert line["latency_ms"] > 0


def test_facts_change_the_answer(ready, photo, capsys):
    predict.main([str(photo)])
    predict.main([str(photo), "--age", "85", "--sex", "male", "--site", "face", "--json"])
    alone, told = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert told["malignancy_risk"] > alone["malignancy_risk"]


@pytest.mark.parametrize("fact", ["--sex", "--site"])
def test_unknown_is_the_same_as_not_told(ready, photo, capsys, fact):
    assert predict.main([str(photo), "--age", "85"]) == 0
    assert predict.main([str(photo), "--age", "85", fact, "unknown"]) == 0
    alone, unknown = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert unknown | {"latency_ms": 0} == alone | {"latency_ms": 0}


def test_balanced_class_divides_by_the_prior(ready, classifier, photo, capsys):
    predict.main([str(photo)])
    alone = json.loads(capsys.readouterr().out)
    above = {name: p / prior for (name, p), prior in zip(alone["probabilities"].items(), classifier.prior, strict=True)}
    assert alone["balanced_class"] == max(above, key=above.get)
    classifier.prior = np.where(np.array(CLASSES) == "df", 1e-9, 0.2)
    predict.main([str(photo)])
    rare = json.loads(capsys.readouterr().out)
    assert (rare["balanced_class"], rare["predicted_class"]) == ("df", alone["predicted_class"])


def test_facts_are_taken_in_capitals_too(ready, photo, capsys):
    predict.main([str(photo), "--sex", "male", "--site", "lower extremity"])
    predict.main([str(photo), "--sex", "Male", "--site", "Lower Extremity"])
    small, capital = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert small | {"latency_ms": 0} == capital | {"latency_ms": 0}


def test_file_that_is_no_picture_is_told_what_would_be_one(ready, tmp_path, capsys):
    gif, noise = tmp_path / "moving.gif", tmp_path / "noise.jpg"
    paint_lesion("mel", 1).save(gif)
    noise.write_bytes(bytes(range(256)))
    assert predict.main([str(gif), str(noise)]) == 1
    said = capsys.readouterr().err.splitlines()
    reason = "not a readable photograph: no JPEG, PNG, WebP, BMP or TIFF picture"
    assert said == [f"{gif}: {reason}", f"{noise}: {reason}"]


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 cut short", b"<svg/>"])
def test_bad_file_gives_one_line_and_the_others_run(ready, photo, tmp_path, capsys, content):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(content)
    assert predict.main([str(bad), str(photo)]) == 1
    output = capsys.readouterr()
    assert len(output.err.splitlines()) == 1
    assert output.err.startswith(f"{bad}: ")
    assert [json.loads(line)["file"] for line in output.out.splitlines()] == [str(photo)]


def test_photo_with_damaged_exif_is_judged_like_any_other(ready, photo, tmp_path, capsys):
    damaged = tmp_path / "damaged.jpg"
    paint_lesion("mel", 1).save(damaged, exif=damaged_exif(0x0128))
    assert predict.main([str(damaged), str(photo)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_missing_file_and_folder_are_told_apart_from_a_crash(ready, photo, tmp_path, capsys):
    assert predict.main([str(tmp_path / "none.jpg"), str(tmp_path), str(photo)]) == 1
    output = capsys.readouterr()
    assert len(output.err.splitlines()) == 2
    assert len(output.out.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--age", "130"], ["--age", "old"], ["--sex", "x"], ["--site", "elbow"]])
def test_impossible_facts_are_refused(ready, photo, arguments):
    with pytest.raises(SystemExit) as stop:
        predict.main([str(photo), *arguments])
    assert stop.value.code == 2


def test_folder_without_a_model_is_one_line(photo, tmp_path, capsys):
    assert predict.main([str(photo), "--artifact", str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_reader_who_has_seen_enough_ends_it_quietly(photo):
    code = (
        "import sys; from ml import predict; from ml.classifier import Classifier; from tests.ml import tiny; "
        "Classifier.load = lambda *_, **__: Classifier(tiny.ColourRuntime(), tiny.settings(), None); "
        "sys.exit(predict.main())"
    )
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([sys.executable, "-c", code, photo, photo], stdout=writes, stderr=subprocess.PIPE, text=True)
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, "")


def test_help_tells_the_two_classes_and_the_set_apart(capsys):
    with pytest.raises(SystemExit):
        predict.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "predicted_class is the most probable class; balanced_class is" in said
    assert "prediction_set is every class that cannot be ruled out; it may leave out predicted_class." in said


def test_serving_code_imports_no_training_library():
    code = (
        "import sys, ml.predict, ml.classifier; "
        "print([name for name in ('tensorflow', 'keras', 'sklearn', 'scipy', 'pandas', 'torch', 'flask', 'celery')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
