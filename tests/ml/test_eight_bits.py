"""Kernels of eight bits, and networks that answer side by side, on networks small enough to see through."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs tensorflow: pip install -r requirements-train.txt")

import keras

from ml import export
from ml.eight_bits import LEVELS, round_to_eight_bits
from ml.runtime import Runtime

SIDE = 16


def small_network(seed: int) -> keras.Model:
    """The layers that EfficientNetB3 is made of, with the outputs of the serving model."""
    keras.utils.set_random_seed(seed)
    photographs = keras.Input((SIDE, SIDE, 3))
    value = keras.layers.Rescaling(1 / 255)(photographs)
    for position, kind in enumerate((keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
        filters = {"filters": 8} if kind is keras.layers.Conv2D else {}
        value = kind(kernel_size=3, use_bias=False, name=f"convolution_{position}", **filters)(value)
        value = keras.layers.BatchNormalization(name=f"norm_{position}")(value)
        value = keras.layers.Activation("swish")(value)
    features = keras.layers.GlobalAveragePooling2D()(value)
    outputs = {
        "logits": keras.layers.Dense(7, bias_initializer="normal")(features),
        "activation_maps": keras.layers.Conv2D(7, 1, use_bias=False)(value),
        "features": features,
    }
    model = keras.Model(photographs, outputs, name=f"small_{seed}")
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            gamma = random.uniform(-2, 2, gamma.shape)
            gamma[0] = 0  # a channel that training switched off
            layer.set_weights([gamma, beta + 0.3, mean + 0.1, random.uniform(0.2, 3, variance.shape)])
    return model


def photograph(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, (1, SIDE, SIDE, 3)).astype(np.float32)


def test_products_of_kernel_and_scale_lie_on_a_grid_of_eight_bits():
    model = small_network(1)
    before = model.get_layer("convolution_0").get_weights()[0]
    round_to_eight_bits(model)
    gamma, _, _, variance = model.get_layer("norm_0").get_weights()
    scale = gamma / np.sqrt(variance + model.get_layer("norm_0").epsilon)
    product = (model.get_layer("convolution_0").get_weights()[0] * scale)[..., 1:]
    steps = product / (np.abs(product).max(axis=(0, 1, 2)) / LEVELS)
    assert steps == pytest.approx(np.rint(steps), abs=1e-3)
    assert np.unique(np.rint(steps)).size > 20
    assert product == pytest.approx((before * scale)[..., 1:], abs=float(np.abs(product).max()) / LEVELS)


def test_two_networks_are_stored_in_eight_bits_and_answer_with_the_mean(tmp_path):
    networks = [small_network(1), small_network(2)]
    for network in networks:
        round_to_eight_bits(network)
    pair = export.side_by_side(networks)
    (tmp_path / "model.tflite").write_bytes(export.to_tflite(pair))
    worst, logits = export.agreement(pair, Runtime(tmp_path / "model.tflite"), [photograph(3), photograph(4)])
    assert max(worst.values()) < 1e-4
    first, second = ([np.asarray(network(photograph(seed))["logits"])[0] for seed in (3, 4)] for network in networks)
    assert logits == pytest.approx(np.mean([first, second], axis=0), abs=1e-4)
    assert np.abs(np.subtract(first, second)).max() > 0.01
    features = np.asarray(networks[0](photograph(3))["features"])
    assert np.asarray(pair(photograph(3))["features"]) == pytest.approx(features)


def test_without_the_rounding_storage_changes_the_answers(tmp_path):
    network = small_network(1)
    (tmp_path / "model.tflite").write_bytes(export.to_tflite(network))
    worst, _ = export.agreement(network, Runtime(tmp_path / "model.tflite"), [photograph(3)])
    assert worst["features"] > 1e-4


def test_one_network_needs_no_other():
    network = small_network(1)
    assert export.side_by_side([network]) is network
