"""A training that is stopped at any moment ends as if it had not been; and what an epoch leaves to the next."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from tests.ml import training

pytest.importorskip("tensorflow", reason="needs tensorflow: pip install -r requirements-train.txt")

import keras

from ml import data, fit, head
from ml import history as curves
from ml.config import TrainConfig
from ml.labels import CLASSES, INDEX

SIZE = 16


class Cut(Exception):
    """Where a crash is made."""


# --- the real command, killed -----------------------------------------------------------------------


@pytest.mark.slow
def test_killed_in_the_middle_of_an_epoch_it_ends_with_the_same_weights_to_the_bit(killed, whole):
    assert killed["status"] == -signal.SIGKILL
    assert killed["state"][0]["progress"]["epoch"] == 1
    (expected, in_one_go), (got, resumed) = (training.read_state(run) for run in (whole["plain"], killed["run"]))
    assert got["progress"]["epoch"] == expected["progress"]["epoch"] == 2
    assert resumed.keys() == in_one_go.keys()
    different = [name for name in in_one_go if not np.array_equal(in_one_go[name], resumed[name])]
    assert different == []
    assert training.history(killed["run"]) == training.history(whole["plain"])
    assert "resuming after epoch 1" in (killed["run"] / "train.log").read_text()


@pytest.mark.slow
def test_the_step_that_tensorflow_compiles_learns_the_same(whole):
    plain, graph = (training.history(whole[name])[1:] for name in ("plain", "graph"))
    for name in ("images", "rate"):
        assert [row[name] for row in graph] == [row[name] for row in plain]
    losses = [[float(row["loss"]) for row in rows] for rows in (plain, graph)]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)


@pytest.mark.slow
def test_the_killed_run_had_learnt_something_since(killed):
    _, before = killed["state"]
    _, after = training.read_state(killed["run"])
    weights = [name for name in after if name.startswith("weight_")]
    assert sum(not np.array_equal(before[name], after[name]) for name in weights) > len(weights) / 2


@pytest.mark.slow
def test_a_run_leaves_its_settings_curves_and_best_weights(killed):
    run = killed["run"]
    assert {"config.json", "history.csv", "curves.png", "best.weights.h5"} <= {path.name for path in run.iterdir()}
    assert sum(json.loads((run / "config.json").read_text())["class_prior"]) == pytest.approx(1, abs=1e-4)
    assert not list(run.rglob("*.part*"))


# --- the same loop around a small network -----------------------------------------------------------


def small_network(input_size, dropout=0.0, weights=None, drop_connect=0.0):
    """Named as build_model names its parts, with all that makes an epoch random or stateful."""
    pictures = keras.Input((input_size, input_size, 3))
    x = keras.layers.Conv2D(8, 3, name="first_conv")(pictures)
    x = keras.layers.BatchNormalization(name="first_norm")(x)
    x = keras.layers.Activation("swish")(x)
    x = keras.layers.Dropout(0.2)(x)
    features = keras.layers.GlobalAveragePooling2D(name="features")(x)
    logits = keras.layers.Dense(len(CLASSES), name="logits")(features)
    return keras.Model(pictures, {"logits": logits}, name="lesion_classifier")


@pytest.fixture
def begin(tiny_dataset, tiny_manifests, tmp_path, monkeypatch):
    """begin(name, **settings) -> Run on the tiny data set, around the small network."""
    for module in (fit, head):
        monkeypatch.setattr(module, "build_model", small_network)
    records = data.read_dataset(tiny_dataset)
    parts = {name: data.read_split(records, name, tiny_manifests) for name in ("train", "validation")}
    pixels = {name: data.load_pixels(part, SIZE) for name, part in parts.items()}
    labels = {name: np.array([INDEX[record.label] for record in part]) for name, part in parts.items()}
    small = {"input_size": SIZE, "cache_size": SIZE, "stages": ((0.0, SIZE),), "epoch_images": 24, "images": 72}

    def begin(name, **settings):
        config = TrainConfig.from_dict(training.CONFIG | small | settings)
        return fit.Run(tmp_path / name, config, pixels, labels)

    return begin


@pytest.fixture
def watched(monkeypatch) -> dict[str, list]:
    """The classifier's weights at the start of each epoch, and after its last step."""
    seen = {"start": [], "end": []}

    class Watched(fit._Pace):
        def on_train_begin(self, logs=None):
            super().on_train_begin(logs)
            seen["start"].append(self.model.get_layer("lesion_classifier").get_weights())

        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            self.last = self.model.get_layer("lesion_classifier").get_weights()

        def on_train_end(self, logs=None):
            super().on_train_end(logs)
            seen["end"].append(self.last)

    monkeypatch.setattr(fit, "_Pace", Watched)
    return seen


def same(first, second) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_the_next_epoch_starts_from_the_weights_that_learn_and_not_from_their_averages(begin, watched):
    run = begin("run", images=48)
    averages = []
    run.network.set_weights, set_weights = lambda w: averages.append(w) or set_weights(w), run.network.set_weights
    run.run()
    assert len(watched["start"]) == 2
    # averages[0] belong to the head; weight 0 is a kernel (the statistics of a norm have no average).
    assert not np.array_equal(watched["end"][0][0], averages[1][0])
    assert same(watched["start"][1], watched["end"][0])
    _, saved = training.read_state(run.out)
    assert same([saved[name] for name in sorted(saved) if name.startswith("weight_")], watched["end"][1])
    assert same([saved[name] for name in sorted(saved) if name.startswith("averaged_")], averages[2])


def test_the_averages_are_what_is_scored_and_kept(begin, monkeypatch):
    run = begin("run", images=24)
    monkeypatch.setattr(curves, "best", lambda rows: -1.0)  # every epoch is kept
    run.run()
    kept = small_network(SIZE)
    kept.load_weights(run.out / "best.weights.h5")
    assert not np.array_equal(kept.get_weights()[0], run.weights[0])
    assert same(kept.get_weights(), run.network.get_weights())


# A run writes its settings; then an epoch its best weights, if they are, its state, its history and
# its curves: here at the settings, at the state of the head, and at three writes of the epoch after it.
def test_cut_short_at_any_write_it_repeats_no_more_than_an_epoch(begin, monkeypatch):
    whole = begin("whole")
    whole.run()
    for write in (0, 2, 5, 6, 7):
        with monkeypatch.context() as patch, pytest.raises(Cut):
            patch.setattr(os, "replace", fails_after(write, os.replace))
            begin(f"cut_at_{write}").run()
        resumed = begin(f"cut_at_{write}")
        resumed.run()
        assert same(resumed.weights, whole.weights), write
        assert same(resumed.optimizer, whole.optimizer), write
        assert training.history(resumed.out) == training.history(whole.out), write
        assert same_best(resumed.out, whole.out), write


def fails_after(writes, replace):
    done = []

    def place(source, target):
        done.append(target)
        if len(done) == writes + 1:
            raise Cut
        replace(source, target)

    return place


def test_every_file_is_on_the_disk_before_it_takes_its_place(begin, monkeypatch):
    fsync, replace, safe, placed = os.fsync, os.replace, set(), {}
    monkeypatch.setattr(os, "fsync", lambda number: safe.add(os.fstat(number).st_ino) or fsync(number))

    def place(source, target):
        placed[target.name] = os.stat(source).st_ino in safe
        replace(source, target)

    monkeypatch.setattr(os, "replace", place)
    begin("run", images=24).run()
    names = {"config.json", "best.weights.h5", "epoch.npz", "history.csv", "curves.png"}
    assert placed == dict.fromkeys(names, True)


def same_best(first, second) -> bool:
    kept = []
    for run in (first, second):
        network = small_network(SIZE)
        network.load_weights(run / "best.weights.h5")
        kept.append(network.get_weights())
    return same(*kept)


def test_the_top_learns_first_with_its_batch_norm_frozen_then_all(begin, watched):
    run = begin("run", top_images=24, images=24, top_layers=80)
    run.run()
    assert [row["phase"] for row in run.rows] == ["head", "top", "whole"]
    names = [weight.path for weight in small_network(SIZE).weights]
    moved = [
        {name for name, a, b in zip(names, before, after, strict=True) if not np.array_equal(a, b)}
        for before, after in zip(watched["start"], watched["end"], strict=True)
    ]
    norm = {name for name in names if "norm" in name}
    assert len(norm) == 4
    assert moved == [set(names) - norm, set(names)]
    assert 0 < run.rows[1]["rate"] < run.config.top_rate


def test_it_stops_when_validation_gets_no_better(begin, monkeypatch):
    scores = iter([0.5, 0.9, *np.linspace(0.6, 0.8, 20)])
    monkeypatch.setattr(curves.metrics, "class_aucs", lambda labels, probabilities: np.array([next(scores)]))
    run = begin("run", images=24 * 20, patience=3)
    run.run()
    assert [row["macro_auc"] for row in run.rows][:2] == [0.5, 0.9]
    assert run.progress["epoch"] == 4  # the best, then three that are worse


def test_the_same_settings_give_the_same_run(begin):
    first, second = begin("first", images=24), begin("second", images=24)
    first.run()
    second.run()
    assert same(first.weights, second.weights)


def test_each_step_learns_at_the_rate_of_its_moment(begin):
    def kernel(rate):
        run = begin(str(rate), images=24)
        run.rate = lambda images, seconds: rate[min(images, 1)]
        run.run()
        return run.weights[0]

    never, first, always = kernel((0.0, 0.0)), kernel((1e-2, 0.0)), kernel((1e-2, 1e-2))
    # A step of Adam moves a weight by at most its rate, the first one by just that.
    assert np.abs(first - never).max() == pytest.approx(1e-2, rel=0.05)
    assert np.abs(always - never).max() > 2e-2


def test_mixup_mixes_the_labels_that_are_learnt_otherwise_in_every_epoch(begin, monkeypatch):
    learnt = []

    class Seen(fit.Batches):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            learnt.append(self[0][1])

    monkeypatch.setattr(fit, "Batches", Seen)
    begin("plain", images=24).run()
    assert set(np.unique(learnt[0])) == {0, 1}
    begin("mixed", images=48, mixup=0.4).run()
    _, first, second = (labels.max(axis=1) for labels in learnt)
    assert first.min() < 1
    assert not np.array_equal(first, second)


# --- what a run is given ----------------------------------------------------------------------------


def test_a_begun_run_keeps_where_it_began_and_what_it_draws_and_may_be_made_longer(begin):
    begin("run", images=24).run()
    before = (begin("run").out / "config.json").read_bytes()
    others = {"init": "imagenet", "seed": 1, "sampling": "natural", "oversample_to": 9, "class_counts": (1,) * 7}
    for name, value in others.items():
        other = begin("run", images=24)
        other.config = replace(other.config, **{name: value})
        with pytest.raises(data.DatasetError, match=f"begun with {name} "):
            other.run()
        assert (other.out / "config.json").read_bytes() == before
    run = begin("run", images=48)
    run.run()
    assert run.progress["images"] == 48
