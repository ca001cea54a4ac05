"""Averaged weights: the mean of what the files hold, in a run folder that can be exported and says where it is from."""

import functools
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs tensorflow: pip install -r requirements-train.txt")

from ml import average, provenance
from ml.config import TrainConfig
from ml.fit import read_state
from ml.model import build_model
from tests.ml import training

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(killed):
    return killed["run"]


@functools.cache
def network():
    return build_model(training.SIZE, 0.0)


def weights_of(folder):
    network().load_weights(folder / "best.weights.h5")
    return network().get_weights()


def test_it_is_the_mean_of_the_best_and_the_last_weights(run, tmp_path):
    began = tmp_path / "run"  # the same run, had another of its epochs been the best
    shutil.copytree(run, began)
    build_model(training.SIZE, 0.0).save_weights(began / "best.weights.h5")
    files = [began / "best.weights.h5", began / "state" / "epoch.npz"]
    assert average.main([*map(str, files), "--out", str(tmp_path / "out")]) == 0
    best, last = weights_of(began), read_state(files[1])["averaged"]
    assert any(not np.array_equal(a, b) for a, b in zip(best, last, strict=True))
    for mean, a, b in zip(weights_of(tmp_path / "out"), best, last, strict=True):
        np.testing.assert_allclose(mean, (a + b) / 2, atol=1e-6)
    assert (tmp_path / "out" / "config.json").read_text() == (run / "config.json").read_text()
    commands = [step["command"] for step in provenance.training_steps(tmp_path / "out")]
    assert [command.split()[2] for command in commands] == ["ml.train", "ml.average"]
    assert all(str(file) in commands[1] for file in files)


def test_a_state_from_before_the_averages_were_kept_gives_its_learning_weights(run, tmp_path):
    with np.load(run / "state" / "epoch.npz") as state:
        kept = {name: state[name] for name in state.files if not name.startswith("averaged_")}
    old = tmp_path / "old"
    (old / "state").mkdir(parents=True)
    shutil.copy(run / "config.json", old)
    np.savez(old / "state" / "epoch.npz", **kept)
    assert average.main([str(old / "state" / "epoch.npz"), "--out", str(tmp_path / "out")]) == 0
    last = read_state(run / "state" / "epoch.npz")
    assert not np.array_equal(last["weight"][-2], last["averaged"][-2])
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(tmp_path / "out"), last["weight"], strict=True))


def test_runs_that_drew_other_shares_of_the_classes_are_refused(run, tmp_path, capsys):
    other = tmp_path / "other"
    replace(TrainConfig.read(run), class_counts=(10, 10, 10, 10, 10, 60, 10)).write(other)
    shutil.copy(run / "best.weights.h5", other)
    files = [str(folder / "best.weights.h5") for folder in (run, other)]
    assert average.main([*files, "--out", str(tmp_path / "out")]) == 1
    assert "different shares" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_mean_of_equal_weights_is_those_weights(run, tmp_path):
    file = str(run / "best.weights.h5")
    assert average.main([file, file, file, "--out", str(tmp_path)]) == 0
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(tmp_path), weights_of(run), strict=True))


def test_weights_of_another_network_are_refused(run, tmp_path, capsys):
    (tmp_path / "state").mkdir()
    shutil.copy(run / "config.json", tmp_path)
    np.savez(tmp_path / "state" / "epoch.npz", summary=np.array("{}"), weight_0000=np.zeros((2, 2)))
    files = [str(run / "best.weights.h5"), str(tmp_path / "state" / "epoch.npz")]
    assert average.main([*files, "--out", str(tmp_path / "out")]) == 1
    assert "different networks" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
