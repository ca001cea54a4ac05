"""EfficientNetB3 of Keras as the same network of timm, and back.

On a GPU, PyTorch runs timm's network several times faster than Keras's own layers: its batch
normalisation is one operation there, and its depthwise convolutions have kernels of their own.
The two networks have the same layers in the same order, so their weights change places.
"""

import keras
import numpy as np
import timm
import torch
from torch import nn

from ml.labels import CLASSES
from ml.model import IMAGENET_MEAN, IMAGENET_STD

TIMM_NAME = "tf_efficientnet_b3"  # with the padding and the epsilon that Keras has
NORM_MOMENTUM = 0.01  # Keras's 0.99
LAYOUT = torch.channels_last  # in which a GPU's convolutions are fastest


class LesionNetwork(nn.Module):
    """float (B, S, S, 3), RGB 0..255, to logits (B, 7), float32."""

    def __init__(self, dropout: float = 0.0, drop_connect: float = 0.0):
        super().__init__()
        self.network = timm.create_model(
            TIMM_NAME, num_classes=len(CLASSES), drop_rate=dropout, drop_path_rate=drop_connect
        )
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = NORM_MOMENTUM
        for name, values in (("mean", IMAGENET_MEAN), ("deviation", IMAGENET_STD)):
            self.register_buffer(name, 255 * torch.tensor(values), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        normal = ((images - self.mean) / self.deviation).permute(0, 3, 1, 2)
        maps = self.network.forward_features(normal.contiguous(memory_format=LAYOUT))
        features = self.network.forward_head(maps, pre_logits=True)
        with torch.autocast(images.device.type, enabled=False):  # a softmax of half-precision logits is coarse
            return self.network.classifier(features.float())


def set_weights(network: LesionNetwork, model: keras.Model) -> None:
    """Give the network the weights of `model` (ml.model.build_model)."""
    for layer, module in _pairs(model, network):
        values = [torch.tensor(np.array(value)) for value in layer.get_weights()]
        if isinstance(module, nn.BatchNorm2d):
            targets = (module.weight, module.bias, module.running_mean, module.running_var)
        else:
            values[0] = values[0].permute(_axes_for_torch(layer))
            targets = (module.weight, module.bias)
        with torch.no_grad():
            for target, value in zip(targets, values, strict=False):
                target.copy_(value)


def get_weights(network: LesionNetwork, model: keras.Model) -> None:
    """Give `model` the weights of the network."""
    for layer, module in _pairs(model, network):
        if isinstance(module, nn.BatchNorm2d):
            values = [module.weight, module.bias, module.running_mean, module.running_var]
        else:
            values = [module.weight.permute(tuple(np.argsort(_axes_for_torch(layer)))), module.bias]
        layer.set_weights([value.detach().float().cpu().numpy() for value in values if value is not None])


def _pairs(model: keras.Model, network: LesionNetwork) -> list[tuple]:
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    others = [layer for layer in model.layers if hasattr(layer, "kernel")]
    modules = list(network.modules())
    theirs = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    kernels = [module for module in modules if isinstance(module, nn.Conv2d | nn.Linear)]
    return [*zip(norms, theirs, strict=True), *zip(others, kernels, strict=True)]


def _axes_for_torch(layer) -> tuple[int, ...]:
    """Which axes of a Keras kernel make torch's: (h, w, in, out) to (out, in, h, w)."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return 2, 3, 0, 1
    return (3, 2, 0, 1) if layer.kernel.ndim == 4 else (1, 0)
