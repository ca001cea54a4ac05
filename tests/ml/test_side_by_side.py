"""Networks that answer side by side and come back out of the artefact, shown on one of a few layers."""

import json
import shlex

import keras
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs tensorflow: pip install -r requirements-train.txt")

from ml import card, export, model_json, preprocess, provenance, restore
from ml.config import TrainConfig
from ml.data import read_dataset, read_split
from ml.model import enlarging
from ml.runtime import Runtime

SIZE, PHOTOGRAPH = 32, 24


def build_small(input_size, dropout=0.0, weights=None, drop_connect=0.0):
    """ml.model.build_model, with one block of EfficientNetB3's kinds of layers under the names that are asked for."""
    layers = keras.layers
    photographs = keras.Input((input_size, input_size, 3))
    value = layers.Normalization(mean=[0.5] * 3, variance=[0.05] * 3)(layers.Rescaling(1 / 255)(photographs))
    value = layers.ZeroPadding2D(1)(value)
    for name, convolution in (
        ("stem", layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem_conv")),
        ("block", layers.DepthwiseConv2D(3, use_bias=False, name="block_dwconv")),
    ):
        value = layers.BatchNormalization(name=f"{name}_bn")(convolution(value))
        value = layers.Activation("swish")(value)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(value)
    gate = layers.Conv2D(8, 1, activation="sigmoid", name="block_se")(gate)
    value = layers.Multiply(name=export.MIDDLE)([value, gate])
    value = layers.BatchNormalization(name="top_bn")(layers.Conv2D(12, 1, use_bias=False, name="top_conv")(value))
    value = layers.Activation("swish", name="top_activation")(value)
    features = layers.GlobalAveragePooling2D(name="features")(value)
    logits = layers.Dense(7, name="logits")(features)
    model = keras.Model(photographs, {"logits": logits})
    if weights:
        model.load_weights(weights)
    return model


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for module in (export, restore):
        monkeypatch.setattr(module, "build_model", build_small)


@pytest.fixture
def runs(tmp_path):
    """Two run folders whose networks differ."""
    folders = []
    for seed, init in ((1, "random"), (2, "imagenet")):
        run = tmp_path / f"run{seed}"
        config = TrainConfig(init=init, seed=seed, input_size=SIZE, stages=((0.0, SIZE),), cache_size=PHOTOGRAPH)
        TrainConfig.from_dict(vars(config) | {"class_counts": (9, 8, 7, 6, 5, 40, 3)}).write(run)
        keras.utils.set_random_seed(seed)
        model, random = build_small(SIZE), np.random.default_rng(seed)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                ranges = ((0.5, 2), (-0.5, 0.5), (-0.1, 0.1), (0.05, 0.5))  # scale, shift, mean, variance
                layer.set_weights([random.uniform(*bounds, layer.gamma.shape) for bounds in ranges])
        model.save_weights(run / "best.weights.h5")
        folders.append(run)
    return folders


@pytest.fixture
def shared(tiny_dataset, tiny_manifests):
    return ["--data", str(tiny_dataset), "--manifests", str(tiny_manifests)]


@pytest.fixture
def artifact(runs, shared, tmp_path):
    assert export.main(["--run", *map(str, runs), "--out", str(tmp_path / "artifact"), *shared]) == 0
    return tmp_path / "artifact"


@pytest.fixture
def records(tiny_dataset, tiny_manifests):
    return read_split(read_dataset(tiny_dataset), "train", tiny_manifests)[:8]


def tensors_of(records):
    return [preprocess.to_tensor(preprocess.decode(one.path.read_bytes()), PHOTOGRAPH) for one in records]


def logits_of(run, tensors):
    model = enlarging(build_small(SIZE, weights=run / "best.weights.h5"), PHOTOGRAPH)
    return np.asarray(model(np.concatenate(tensors))["logits"])


def test_the_artefact_answers_with_the_mean_and_tells_of_both(artifact, runs, records):
    tensors = tensors_of(records)
    first, second = (logits_of(run, tensors) for run in runs)
    got = np.stack([Runtime(artifact / "model.tflite").run(tensor).logits for tensor in tensors])
    assert got == pytest.approx((first + second) / 2, rel=0.03, abs=0.15)  # in eight bits
    assert np.abs(first - second).max() > 0.2
    metadata = model_json.read(artifact)
    assert metadata["version"].startswith(f"b3x2-{SIZE}-") and metadata["kernels"] == "8 bits"
    assert [one["training"]["seed"] for one in model_json.networks(metadata)] == [1, 2]
    assert [step["command"].split()[2] for step in metadata["made_by"]] == ["ml.train", "ml.train", "ml.export"]
    assert metadata["weights_provenance"].startswith("random initial weights and ImageNet weights of EfficientNetB3")
    assert card.networks_note(2) == "the mean of 2 EfficientNetB3 side by side, each"


def test_each_network_comes_back_as_it_answered_with_what_is_its_own(artifact, runs, shared, records, tmp_path):
    tensors = tensors_of(records)
    for number, run in enumerate(runs, 1):
        back = tmp_path / f"back{number}"
        arguments = ["--artifact", str(artifact), "--out", str(back), "--network", str(number)]
        assert restore.main([*arguments, *shared]) == 0
        assert logits_of(back, tensors) == pytest.approx(logits_of(run, tensors), rel=0.03, abs=0.15)
        assert TrainConfig.read(back) == TrainConfig.read(run)
        assert provenance.first_weights(back) == provenance.first_weights(run)
        *before, step = provenance.training_steps(back)
        assert before == provenance.training_steps(run)
        assert step["command"] == shlex.join(["python", "-m", "ml.restore", *arguments, *shared])
        assert step["artifact"] == model_json.read(artifact)["version"]


def test_a_training_goes_on_from_a_restored_network_as_from_what_it_answers(artifact, records, tmp_path):
    restore.restore(artifact, tmp_path / "back", records)
    model = build_small(SIZE, weights=tmp_path / "back" / "best.weights.h5")
    photos = keras.ops.image.resize(np.concatenate(tensors_of(records)), (SIZE, SIZE))
    answered = np.asarray(model(photos, training=False)["logits"])
    # Of the photographs that the statistics were measured on, they are the batch's own.
    assert np.asarray(model(photos, training=True)["logits"]) == pytest.approx(answered, abs=0.01)
    assert np.ptp(answered, axis=0).max() > 0.05


def test_nothing_is_restored_that_is_not_there_or_over_a_run(artifact, runs, shared, tmp_path, capsys):
    arguments = ["--artifact", str(artifact), *shared]
    assert restore.main([*arguments, "--out", str(tmp_path / "back"), "--network", "3"]) == 1
    assert "2 network(s), no number 3" in capsys.readouterr().err
    assert not (tmp_path / "back").exists()
    before = (runs[0] / "config.json").read_bytes()
    assert restore.main([*arguments, "--out", str(runs[0])]) == 1
    assert "holds a run already" in capsys.readouterr().err
    assert (runs[0] / "config.json").read_bytes() == before


def test_runs_that_cannot_answer_side_by_side_are_refused(runs, shared, tmp_path, capsys):
    arguments = [*shared, "--out", str(tmp_path / "out")]
    assert export.main(["--run", str(runs[0]), str(runs[0]), *arguments]) == 1
    assert "one network" in capsys.readouterr().err
    config = json.loads((runs[1] / "config.json").read_text())
    (runs[1] / "config.json").write_text(json.dumps(config | {"class_counts": [10] * 7}))
    assert export.main(["--run", *map(str, runs), *arguments]) == 1
    assert "these runs differ" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
