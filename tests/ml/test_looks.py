"""Outputs kept between commands are those that would be computed again."""

from pathlib import Path

import numpy as np
import pytest

from config import ROOT
from ml import field_of_view, looks, observe, preprocess
from ml.classifier import VIEWS, Classifier
from ml.looks import Look, Looks
from tests.ml.tiny import ColourRuntime, settings, write_dataset
from tests.test_architecture import imports_of


@pytest.fixture
def folder(tmp_path):
    """An artefact's folder; the network in it is the arithmetic one."""
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / "model.tflite").write_bytes(b"the arithmetic network")
    return artifact


@pytest.fixture
def runtime(monkeypatch):
    shared = ColourRuntime()

    def load(directory=None, *, threads=None, views=None):
        return Classifier(shared, settings(test_time_augmentation=views or "none"), None)

    monkeypatch.setattr(observe.Classifier, "load", load)
    return shared


@pytest.fixture
def paths(tmp_path):
    return sorted((write_dataset(tmp_path / "data", lesions=2) / "images").glob("*.jpg"))


def look_at(folder, paths, views, cache=None):
    return observe.observe_paths(folder, paths, views=views, cache=cache)


@pytest.mark.parametrize("views", VIEWS)
def test_the_second_command_computes_nothing_and_sees_the_same(folder, runtime, paths, tmp_path, views):
    first = look_at(folder, paths, views, tmp_path / "cache")
    assert runtime.calls == len(paths) * len(VIEWS[views])
    again = look_at(folder, paths, views, tmp_path / "cache")
    assert runtime.calls == len(paths) * len(VIEWS[views])
    without = look_at(folder, paths, views)
    for seen in (first, again):
        assert np.array_equal(seen.logits, without.logits)
        assert np.array_equal(seen.features, without.features)
        assert seen.skin_angles == without.skin_angles
        assert seen.sizes == without.sizes


def test_other_views_compute_what_is_missing_alone(folder, runtime, paths, tmp_path):
    look_at(folder, paths, "none", tmp_path / "cache")
    look_at(folder, paths, "turns", tmp_path / "cache")
    assert runtime.calls == len(paths) * 8
    flips = look_at(folder, paths, "flips", tmp_path / "cache")
    assert runtime.calls == len(paths) * 8
    assert np.array_equal(flips.logits, look_at(folder, paths, "flips").logits)


def test_another_network_and_another_content_of_a_file_are_looked_at_anew(folder, runtime, paths, tmp_path):
    look_at(folder, paths, "none", tmp_path / "cache")
    paths[0].write_bytes(paths[1].read_bytes() + b"\0")
    look_at(folder, paths, "none", tmp_path / "cache")
    assert runtime.calls == len(paths) + 1
    (folder / "model.tflite").write_bytes(b"another network")
    look_at(folder, paths, "none", tmp_path / "cache")
    assert runtime.calls == 2 * len(paths) + 1


def test_other_code_looks_anew(folder, runtime, paths, tmp_path, monkeypatch):
    look_at(folder, paths, "none", tmp_path / "cache")
    edited = tmp_path / "edited.py"
    edited.write_text(Path(field_of_view.__file__).read_text() + "# another way of finding the view\n")
    monkeypatch.setattr(field_of_view, "__file__", str(edited))
    look_at(folder, paths, "none", tmp_path / "cache")
    assert runtime.calls == 2 * len(paths)


def test_all_code_that_the_looks_are_made_by_is_watched():
    watched = {module.__name__ for module in looks.MADE_BY}
    imported = {
        name
        for module in looks.MADE_BY
        for name in imports_of(Path(module.__file__))
        if name.startswith("ml.") and (ROOT / f"{name.replace('.', '/')}.py").exists()
    }
    assert imported and imported <= watched


def test_unreadable_files_are_named_whether_or_not_the_others_are_known(folder, runtime, paths, tmp_path):
    look_at(folder, paths, "none", tmp_path / "cache")
    paths[1].write_bytes(b"not a photograph")
    with pytest.raises(preprocess.UnreadableImage, match=paths[1].name):
        look_at(folder, paths, "none", tmp_path / "cache")


def test_one_unreadable_file_costs_the_others_nothing(folder, runtime, paths, tmp_path):
    kept = paths[1].read_bytes()
    paths[1].write_bytes(b"not a photograph")
    with pytest.raises(preprocess.UnreadableImage):
        look_at(folder, paths, "none", tmp_path / "cache")
    paths[1].write_bytes(kept)
    look_at(folder, paths, "none", tmp_path / "cache")
    assert runtime.calls == len(paths)


def test_without_a_folder_nothing_is_written(folder, runtime, paths, tmp_path):
    before = set(tmp_path.rglob("*"))
    look_at(folder, paths, "none")
    assert set(tmp_path.rglob("*")) == before


def test_a_photograph_without_skin_is_kept_as_such(folder, tmp_path):
    kept = Looks(tmp_path / "cache", folder)
    kept.put("abc", Look((4, 3), None, True, np.zeros(3), {VIEWS["none"][0]: np.ones(7)}))
    kept.save()
    kept = Looks(tmp_path / "cache", folder).get("abc")
    assert (kept.skin_angle, kept.size) == (None, (4, 3))
    assert list(kept.logits) == [VIEWS["none"][0]]
