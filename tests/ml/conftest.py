"""Fixtures of the model's tests. They need neither the portal nor, most of them, tensorflow."""

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


@pytest.fixture(scope="session")
def tiny_manifests(tiny_dataset, tmp_path_factory) -> Path:
    """The split of the tiny data set."""
    folder = tmp_path_factory.mktemp("manifests")
    data.write_manifests(data.split_records(data.read_dataset(tiny_dataset)), folder, seed=0)
    return folder


@pytest.fixture(scope="session")
def trainings(tiny_dataset, tiny_manifests, tmp_path_factory) -> dict:
    """The same training twice: "whole", and "killed" by SIGKILL in its second epoch and resumed.

    "state" is what the killed one had saved by then, "status" how it ended.
    """
    folder = tmp_path_factory.mktemp("trainings")
    whole, killed = folder / "whole", folder / "killed"
    beside = training.start(whole, tiny_dataset, tiny_manifests)
    try:
        status = training.kill_after_first_epoch(training.start(killed, tiny_dataset, tiny_manifests), killed)
        state = training.read_state(killed)
        training.finish(training.start(killed, tiny_dataset, tiny_manifests), killed)
        training.finish(beside, whole)
    finally:
        beside.kill()
        beside.wait()
    return {"whole": whole, "killed": killed, "state": state, "status": status}


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
