"""EfficientNetB3 and its activation maps."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs requirements-train.txt: tensorflow is not installed")

import keras

from ml.augmentation import Augmentation
from ml.model import base_layers, build_model, enlarging, load_imagenet, serving_model, set_trainable

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return build_model(64)


@pytest.fixture
def pictures():
    return np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)


def run(model, pictures):
    return {name: keras.ops.convert_to_numpy(value) for name, value in model(pictures).items()}


def test_logits_are_the_mean_of_the_activation_maps_plus_the_bias(model, pictures):
    dense = model.get_layer("logits")
    dense.bias.assign(np.linspace(-1, 1, 7))
    outputs = run(serving_model(model), pictures)
    assert outputs["logits"].shape == (2, 7)
    assert outputs["activation_maps"].shape == (2, 2, 2, 7)
    assert outputs["features"].shape == (2, 1536)
    mean = outputs["activation_maps"].mean(axis=(1, 2)) + np.linspace(-1, 1, 7)
    np.testing.assert_allclose(mean, outputs["logits"], atol=1e-4)
    np.testing.assert_allclose(run(model, pictures)["logits"], outputs["logits"], atol=1e-4)


def test_the_input_is_normalised_inside_by_imagenet_mean_and_deviation(model):
    layer = next(x for x in model.layers if isinstance(x, keras.layers.Normalization))
    grey = np.full((1, 8, 8, 3), 0.5, np.float32)
    expected = (0.5 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    normal = keras.ops.convert_to_numpy(layer(grey))[0, 0, 0]
    np.testing.assert_allclose(normal, expected, rtol=1e-5)


def test_weights_go_through_a_file_to_another_input_size(model, pictures, tmp_path):
    path = tmp_path / "w.weights.h5"
    model.save_weights(path)
    larger = build_model(96, weights=path)
    for ours, theirs in zip(model.get_weights(), larger.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_small_photographs_are_enlarged_as_in_training(model):
    small = np.random.default_rng(1).uniform(0, 255, (2, 48, 48, 3)).astype(np.float32)
    assert enlarging(model, 64) is model
    expected = run(model, keras.ops.convert_to_numpy(Augmentation(64)(small)))["logits"]
    np.testing.assert_allclose(run(enlarging(model, 48), small)["logits"], expected, atol=1e-5)


def test_blocks_can_be_frozen_from_the_input_on(model):
    layers = base_layers(model)
    set_trainable(model, top_layers=0, batch_norm=False)
    assert [w.path for w in model.trainable_weights] == ["logits/kernel", "logits/bias"]
    set_trainable(model, top_layers=80, batch_norm=False)
    learning = [layer for layer in layers if layer.trainable]
    assert set(learning) <= set(layers[-80:])
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in learning)
    set_trainable(model, top_layers=None, batch_norm=True, large_depthwise=False)
    frozen = {layer.name for layer in layers if not layer.trainable}
    assert frozen
    assert all(name.endswith("dwconv") and name[5] in "356" for name in frozen)
    set_trainable(model, top_layers=None, batch_norm=True)
    assert all(layer.trainable for layer in layers)


def test_a_frozen_batch_norm_keeps_its_statistics(model, pictures):
    set_trainable(model, top_layers=None, batch_norm=False)
    before = model.get_layer("stem_bn").get_weights()
    model(pictures, training=True)
    for one, other in zip(before, model.get_layer("stem_bn").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_imagenet_weights_that_cannot_be_had_say_what_to_do(model, monkeypatch):
    def offline(**_):
        raise ConnectionError("no route")

    monkeypatch.setattr(keras.applications, "EfficientNetB3", offline)
    with pytest.raises(OSError, match="--init warm"):
        load_imagenet(model)
