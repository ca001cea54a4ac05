"""Training by PyTorch: the same network, the same changes of a picture, and a run folder as ml.fit leaves it.

Keras has one backend in a process, so that each check has a process of its own.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs tensorflow: pip install -r requirements-train.txt")

from ml import history, provenance, train
from ml.config import TrainConfig
from ml.model import build_model
from tests.ml import training

needs_timm = pytest.mark.skipif(
    not importlib.util.find_spec("timm"), reason="needs PyTorch and timm: pip install -r requirements-gpu.txt"
)
TORCH = {**os.environ, "KERAS_BACKEND": "torch", "KERAS_TORCH_DEVICE": "cpu"}
CONFIG = training.CONFIG | {"engine": "torch"}


def start(*command, environment=TORCH) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", *map(str, command)]
    return subprocess.run(command, cwd=training.ROOT, env=environment, capture_output=True, text=True)


@needs_timm
@pytest.mark.slow
@pytest.mark.parametrize("check", ["same_answers", "same_warp"])
def test_it_is_the_same_as_keras(check, tmp_path):
    done = start("tests.ml.on_torch", check, tmp_path)
    assert done.returncode == 0, done.stderr


@needs_timm
@pytest.mark.slow
def test_a_network_learns_from_another(tiny_dataset, tiny_manifests, tmp_path):
    folders = ["--data", tiny_dataset, "--manifests", tiny_manifests]
    first, second = tmp_path / "first", tmp_path / "second"
    taught = {"init": str(first / "best.weights.h5"), "teachers": [str(first)], "mixup": 0.3, "peak_rate": 1e-3}
    for run, more in ((first, {}), (second, taught)):
        run.mkdir()
        (run / "asked.json").write_text(json.dumps(CONFIG | more))
        done = start("ml.train", *folders, "--out", run, "--config", run / "asked.json")
        assert done.returncode == 0, done.stderr
        assert all(words in done.stderr for words in ("epoch 2: ", "run 100%, 0 min left"))
        assert {"config.json", "history.csv", "curves.png", "best.weights.h5"} <= {x.name for x in run.iterdir()}
    before, after = (build_model(training.SIZE, 0.0, run / "best.weights.h5").get_weights() for run in (first, second))
    assert all(np.isfinite(value).all() for value in after)
    assert sum(not np.array_equal(x, y) for x, y in zip(before, after, strict=True)) > len(after) / 2
    commands = [step["command"] for step in provenance.training_steps(second)]
    assert [f"--out {run}" in command for run, command in zip((first, second), commands, strict=True)] == [True, True]


@needs_timm
@pytest.mark.slow
def test_killed_in_the_middle_of_an_epoch_it_ends_with_the_same_weights(tiny_dataset, tiny_manifests, tmp_path):
    (tmp_path / "asked.json").write_text(json.dumps(CONFIG | {"images": 64, "mixup": 0.3, "dropout": 0.4}))
    command = ["ml.train", "--data", tiny_dataset, "--manifests", tiny_manifests, "--config", tmp_path / "asked.json"]
    command += ["--threads", 1]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(*command, "--out", whole).returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, command), "--out", str(killed)], cwd=training.ROOT, env=TORCH
    )
    assert training.kill_after_first_epoch(process, killed) == -signal.SIGKILL
    resumed = start(*command, "--out", killed)
    assert resumed.returncode == 0, resumed.stderr
    assert any(f"resuming after epoch {number}\n" in resumed.stderr for number in (1, 2, 3))
    assert training.history(killed) == training.history(whole)
    assert len(training.history(whole)) == 4
    expected, got = (build_model(training.SIZE, 0.0, run / "best.weights.h5").get_weights() for run in (whole, killed))
    assert all(np.array_equal(x, y) for x, y in zip(expected, got, strict=True))
    again = start(*command, "--out", killed)
    assert again.returncode == 0 and "epoch 5" not in again.stderr
    assert len(training.history(killed)) == 4


@needs_timm
@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "environment", "said"),
    [
        (
            {},
            {**os.environ, "KERAS_BACKEND": "tensorflow"},
            'engine "torch" needs the environment variable KERAS_BACKEND=torch',
        ),
        (
            {"top_images": 8},
            TORCH,
            'engine "torch" trains the whole network: no top_images, batch_norm, large_depthwise',
        ),
        ({"epoch_images": 3}, TORCH, "epoch_images are fewer than one batch"),
        ({"teachers": ["runs/nobody"]}, TORCH, "no trained network in runs/nobody"),
    ],
)
def test_what_it_cannot_train_is_said_before_photographs_are_read(settings, environment, said, tmp_path):
    (tmp_path / "asked.json").write_text(json.dumps(CONFIG | settings))
    folders = ["--data", tmp_path, "--out", tmp_path / "run", "--config", tmp_path / "asked.json"]
    done = start("ml.train", *folders, environment=environment)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine": "abacus"}, 'engine \'abacus\' is not one of "keras" and "torch"\n'),
        ({"teachers": ["runs/first"]}, 'only engine "torch" learns from teachers\n'),
    ],
)
def test_settings_that_do_not_go_together_are_one_message(
    settings, said, tiny_dataset, tiny_manifests, tmp_path, capsys
):
    (tmp_path / "asked.json").write_text(json.dumps(training.CONFIG | settings))
    folders = ["--data", tiny_dataset, "--manifests", tiny_manifests, "--out", tmp_path / "run"]
    assert train.main([*map(str, folders), "--config", str(tmp_path / "asked.json")]) == 2
    assert capsys.readouterr().err == said


def test_a_folder_of_one_engine_is_not_gone_on_with_by_the_other(tiny_dataset, tmp_path, capsys):
    TrainConfig(engine="torch").write(tmp_path / "run")
    (tmp_path / "asked.json").write_text(json.dumps(training.CONFIG | {"engine": "keras"}))
    folders = ["--data", tiny_dataset, "--out", tmp_path / "run", "--config", tmp_path / "asked.json"]
    assert train.main(list(map(str, folders))) == 2
    assert capsys.readouterr().err == f'{tmp_path / "run"} holds a run by engine "torch": choose another --out\n'


def test_a_class_that_training_never_drew_is_no_answer():
    labels, logits = np.array([0, 1, 1]), np.array([[2.0, 0, -5], [0, 2, -5], [1, 2, -5]])
    scores = history.validation_scores(labels, np.pad(logits, ((0, 0), (0, 4))), np.array([0.5, 0.5, 0, 0, 0, 0, 0]))
    assert scores["balanced_accuracy"] == 1


def test_teachers_come_back_from_the_settings_as_they_were_given(tmp_path):
    config = TrainConfig(teachers=("runs/a", "runs/b"), class_counts=(1,) * 7)
    config.write(tmp_path)
    assert TrainConfig.read(tmp_path) == config
