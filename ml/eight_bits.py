"""Kernels stored as eight bits: a quarter of float32's size at nearly the same answers.

Only the storage is small: LiteRT's XNNPACK turns the kernels into float32 when it loads the network,
so that a forward pass takes as long as with float32 and activations are never rounded.
"""

import keras
import numpy as np

from ml.model import norms_behind

LEVELS = 127  # on either side of zero


def round_to_eight_bits(model: keras.Model) -> None:
    """Move every kernel, in place, to where storing it as eight bits changes nothing.

    The conversion multiplies a convolution's kernel by the scale of the BatchNormalization behind
    it; so it is the product that must lie on the eight bits' grid here, not the kernel.
    """
    scales = _scales_behind(model)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            kernel = np.asarray(layer.kernel, np.float64)
            axis = 2 if isinstance(layer, keras.layers.DepthwiseConv2D) else kernel.ndim - 1
            shape = [-1 if position == axis else 1 for position in range(kernel.ndim)]
            scale = scales.get(layer, np.ones(kernel.shape[axis])).reshape(shape)
            safe = np.where(scale == 0, 1, scale)
            layer.kernel.assign(np.where(scale == 0, 0, _on_grid(kernel * scale, axis) / safe))


def store_as_eight_bits(flat: bytes) -> bytes:
    """A LiteRT flat buffer with float32 weights to one whose kernels have eight bits and a scale for
    each output channel."""
    from ai_edge_quantizer import qtyping, quantizer

    weights = qtyping.TensorQuantizationConfig(num_bits=8, granularity=qtyping.QuantGranularity.CHANNELWISE)
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.FLOAT, explicit_dequantize=True
    )
    operations = qtyping.TFLOperationName
    quantization = quantizer.Quantizer(flat)
    for operation in (operations.CONV_2D, operations.DEPTHWISE_CONV_2D, operations.FULLY_CONNECTED):
        quantization.update_quantization_recipe(".*", operation, config)
    return bytes(quantization.quantize(enable_progress_report=False).quantized_model)


def _scales_behind(model: keras.Model) -> dict[keras.layers.Layer, np.ndarray]:
    """What the BatchNormalization behind a layer multiplies each of its channels by."""
    scales = {}
    for layer, norm in norms_behind(model).items():
        gamma, _, _, variance = (value.astype(np.float64) for value in norm.get_weights())
        scales[layer] = gamma / np.sqrt(variance + norm.epsilon)
    return scales


def _on_grid(kernel: np.ndarray, axis: int) -> np.ndarray:
    others = tuple(position for position in range(kernel.ndim) if position != axis)
    step = np.abs(kernel).max(axis=others, keepdims=True) / LEVELS
    safe = np.where(step == 0, 1, step)
    return np.rint(kernel / safe) * step
