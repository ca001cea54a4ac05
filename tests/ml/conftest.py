"""Fixtures of the model's tests. They need neither the portal nor, most of them, tensorflow."""

import shutil
from pathlib import Path

import pytest

from ml import data, observe
from ml.classifier import Classifier
from tests.ml import training
from tests.ml.tiny import ColourRuntime, settings, write_dataset


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    """7 classes x 18 lesions, 168 photographs of 120 x 90 pixels."""
    return write_dataset(tmp_path_factory.mktemp("tiny"), lesions=18)


@pytest.fixture
def writable(tiny_dataset, tmp_path) -> Path:
    """A copy of the tiny data set that a test may change."""
    return shutil.copytree(tiny_dataset, tmp_path / "data")


@pytest.fixture(scope="session")
def tiny_manifests(tiny_dataset, tmp_path_factory) -> Path:
    """The split of the tiny data set."""
    folder = tmp_path_factory.mktemp("manifests")
    data.write_manifests(data.split_records(data.read_dataset(tiny_dataset)), folder, seed=0)
    return folder


@pytest.fixture(scope="session")
def killed(tiny_dataset, tiny_manifests, tmp_path_factory) -> dict:
    """A training that was killed by SIGKILL in its second epoch and resumed: its "run" folder, the "state" that
    it had saved when it was killed, and the "status" it ended with then."""
    run = tmp_path_factory.mktemp("trainings") / "killed"
    status = training.kill_after_first_epoch(training.start(run, tiny_dataset, tiny_manifests), run)
    state = training.read_state(run)
    training.finish(training.start(run, tiny_dataset, tiny_manifests), run)
    return {"run": run, "state": state, "status": status}


@pytest.fixture(scope="session")
def whole(tiny_dataset, tiny_manifests, tmp_path_factory) -> dict[str, Path]:
    """The run folders of the same training in one go: "plain", and "graph" with the step as TensorFlow compiles it."""
    folder = tmp_path_factory.mktemp("trainings")
    runs = {"plain": folder / "plain", "graph": folder / "graph"}
    started = {
        name: training.start(run, tiny_dataset, tiny_manifests, with_graph=name == "graph")
        for name, run in runs.items()
    }
    try:
        for name, process in started.items():
            training.finish(process, runs[name])
    finally:
        for process in started.values():
            process.kill()
            process.wait()
    return runs


@pytest.fixture
def classifier() -> Classifier:
    """A real Classifier on top of ColourRuntime, with no out-of-distribution detector."""
    return Classifier(ColourRuntime(), settings(), None)


@pytest.fixture(scope="session")
def shipped() -> Classifier:
    """The artefact in the package."""
    return Classifier.load()


@pytest.fixture
def stand_in(monkeypatch):
    """Every classifier that is loaded has the arithmetic network, and its usual answers as the prior: its
    balanced decisions differ from photograph to photograph, while its plain ones hardly do."""
    usual = [0.045, 0.865, 0.042, 0.038, 0.0001, 0.002, 0.002]

    def load(directory=None, *, threads=None, views=None):
        metadata = settings(prior=usual, **({"test_time_augmentation": views} if views else {}))
        return Classifier(ColourRuntime(), metadata, None)

    monkeypatch.setattr(observe.Classifier, "load", load)
