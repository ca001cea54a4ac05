"""What is checked with Keras on PyTorch, one function a process: python -m tests.ml.on_torch NAME FOLDER"""

import sys
from pathlib import Path

import keras
import numpy as np
import torch

from ml.augmentation import Augmentation
from ml.model import build_model
from ml.torch_augmentation import TorchAugmentation
from ml.torch_network import LesionNetwork, get_weights, set_weights

SIZE = 64


def same_answers(folder: Path) -> None:
    """The network answers as Keras's, and gives its weights back as they were."""
    model, images = _model(), np.random.default_rng(1).uniform(0, 255, (3, SIZE, SIZE, 3)).astype(np.float32)
    network = LesionNetwork().eval()
    set_weights(network, model)
    with torch.no_grad():
        answers = network(torch.from_numpy(images)).numpy()
    expected = keras.ops.convert_to_numpy(model(images, training=False)["logits"])
    np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert np.ptp(expected, axis=0).max() > 1e-3  # it tells the pictures apart
    back = build_model(SIZE)
    get_weights(network, back)
    for before, after in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def same_warp(folder: Path) -> None:
    """A warped picture is Keras's, over the edge too; other draws change it."""
    images = torch.arange(2 * 12 * 12 * 3, dtype=torch.float32).reshape(2, 12, 12, 3)
    turns = torch.tensor([[0.8, 0.3, 1.5, -0.3, 0.8, 2.0, 0.0, 0.0], [-1.1, 0.0, 9.0, 0.2, 0.9, -3.0, 0.0, 0.0]])
    expected = Augmentation(12)._sample(images, turns.clone())
    torch.testing.assert_close(TorchAugmentation(12)._sample(images, turns), expected, rtol=1e-4, atol=1e-3)
    changed = TorchAugmentation(12)(images.to(torch.uint8), training=True)
    assert changed.shape == images.shape and not torch.equal(changed[0], changed[1])


def _model() -> keras.Model:
    """Random weights, each BatchNormalization with statistics of its own."""
    keras.utils.set_random_seed(0)
    model, random = build_model(SIZE), np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shapes = [value.shape for value in layer.get_weights()]
            layer.set_weights(
                [random.uniform(low, 1.5, shape) for low, shape in zip((0.5, -1, -1, 0.5), shapes, strict=True)]
            )
    return model


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
