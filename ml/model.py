"""EfficientNetB3 with one dense layer, whose class activation maps come for free.

The logits are the spatial mean of seven maps plus a bias (B. Zhou et al., "Learning deep
features for discriminative localization", CVPR 2016), so one forward pass gives both.
"""

from pathlib import Path

import keras

from ml.labels import CLASSES

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def build_model(
    input_size: int,
    dropout: float = 0.3,
    weights: Path | None = None,
    drop_connect: float = 0.2,
) -> keras.Model:
    """The classifier: (B, input_size, input_size, 3) RGB 0..255 to {"logits": (B, 7)}.

    `weights` is a file written by `save_weights`; without one they are random. They do not
    depend on the input size.
    """
    base = keras.applications.EfficientNetB3(
        include_top=False,
        weights=None,
        input_shape=(input_size, input_size, 3),
        name="efficientnetb3",
    )
    _set_drop_connect(base, drop_connect)
    features = keras.layers.GlobalAveragePooling2D(name="features")(base.output)
    dropped = keras.layers.Dropout(dropout, name="dropout")(features)
    # float32 even under mixed precision: a softmax of half-precision logits is coarse.
    logits = keras.layers.Dense(len(CLASSES), dtype="float32", name="logits")(dropped)
    model = keras.Model(base.input, {"logits": logits}, name="lesion_classifier")
    normalise(model)
    if weights:
        model.load_weights(weights)
    return model


def enlarging(model: keras.Model, side: int) -> keras.Model:
    """`model`, at inference, for photographs of `side` pixels, which are enlarged bilinearly as in training.

    A network sees in another enlargement other structure than it learnt from.
    """
    size = model.input_shape[1]
    if side == size:
        return model
    photographs = keras.Input((side, side, 3))
    enlarged = keras.layers.Resizing(size, size, interpolation="bilinear", name="enlargement")(photographs)
    return keras.Model(photographs, model(enlarged, training=False), name=f"{model.name}_enlarging")


def serving_model(model: keras.Model) -> keras.Model:
    """The same weights with three outputs: logits (B, 7), activation_maps (B, h, w, 7),
    features (B, 1536). The spatial mean of the maps plus the dense bias is the logits.
    """
    maps = model.get_layer("top_activation").output
    features = model.get_layer("features").output
    dense = model.get_layer("logits")
    channels = features.shape[-1]
    projection = keras.layers.Conv2D(len(CLASSES), 1, use_bias=False, dtype="float32", name="activation_maps")
    outputs = {
        "logits": dense(features),
        "activation_maps": projection(maps),
        "features": features,
    }
    served = keras.Model(model.input, outputs, name="lesion_classifier_serving")
    kernel = keras.ops.reshape(dense.kernel, (1, 1, channels, len(CLASSES)))
    projection.kernel.assign(kernel)
    return served


def base_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The EfficientNetB3 layers, from the input on, without the pooling and the head."""
    names = [layer.name for layer in model.layers]
    return model.layers[: names.index("features")]


def norms_behind(model: keras.Model) -> dict[keras.layers.Layer, keras.layers.BatchNormalization]:
    """The BatchNormalization behind each layer that has one."""
    norms = (layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    return {norm.input._keras_history.operation: norm for norm in norms}


def set_trainable(model: keras.Model, top_layers: int | None, batch_norm: bool, large_depthwise: bool = True) -> None:
    """Let the last `top_layers` layers of the base learn (None: all of them; 0: none).

    With `batch_norm` false every BatchNormalization keeps its statistics and its scale; with
    `large_depthwise` false the 5 x 5 depthwise kernels keep their values. The dense layer
    always learns. Compile after this call.
    """
    layers = base_layers(model)
    first = 0 if top_layers is None else len(layers) - top_layers
    for position, layer in enumerate(layers):
        if isinstance(layer, keras.layers.BatchNormalization):
            learns = batch_norm
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            learns = large_depthwise or max(layer.kernel_size) < 5
        else:
            learns = True
        layer.trainable = learns and position >= first


def normalise(model: keras.Model) -> None:
    """Set the model's own input normalisation to ImageNet's mean and deviation, which a
    B3 built without weights leaves at 0 and 1."""
    layer = next(x for x in model.layers if isinstance(x, keras.layers.Normalization))
    layer.adapt_mean.assign(IMAGENET_MEAN)
    layer.adapt_variance.assign([deviation**2 for deviation in IMAGENET_STD])
    layer.finalize_state()


def load_imagenet(model: keras.Model) -> None:
    """Copy Keras's ImageNet weights into the base. Raises OSError when they cannot be
    downloaded."""
    try:
        source = keras.applications.EfficientNetB3(include_top=False, weights="imagenet")
    except Exception as error:
        raise OSError(
            f"Keras's ImageNet weights could not be downloaded ({error}); use --init warm, a weights file or random"
        ) from error
    named = {layer.name: layer for layer in source.layers}
    for layer in base_layers(model):
        if layer.weights and not isinstance(layer, keras.layers.Normalization):
            layer.set_weights(named[layer.name].get_weights())


def _set_drop_connect(base: keras.Model, rate: float) -> None:
    # keras.applications fixes the rate at 0.2, growing over the blocks; scale it.
    for layer in base.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate *= rate / 0.2
