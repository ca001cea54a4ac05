"""The first phase: initial weights, and the dense layer on a frozen base."""

import logging
from pathlib import Path

import keras
import numpy as np

from ml.batches import draw
from ml.config import TrainConfig
from ml.labels import CLASSES
from ml.model import build_model, load_imagenet

log = logging.getLogger("ml.train")


def first_model(config: TrainConfig, pixels: np.ndarray, labels: np.ndarray) -> keras.Model:
    """The network that `config.init` names, for pictures of the first stage's size, its dense layer
    fitted where `config.head_images` are set."""
    keras.utils.set_random_seed(config.seed)  # of the weights that nothing else gives
    model = build_model(config.stages[0][1], 0.0, drop_connect=0.0)
    initialise(model, config, pixels)
    if config.head_images:
        fit_head(model, config, pixels, labels)
    return model


def initialise(model: keras.Model, config: TrainConfig, pixels: np.ndarray) -> None:
    """Give `model` the weights that `config.init` names: "imagenet", "warm", "random" (those it
    has) or a weights file."""
    if config.init == "imagenet":
        load_imagenet(model)
    elif config.init == "warm":
        from ml.warm_start import load_lite2, reestimate_batch_norm, widen

        widen(model, load_lite2(), config.seed)
        random = np.random.default_rng(config.seed)
        chosen = random.permutation(len(pixels))[: config.norm_batches * config.batch_size]
        log.info("measuring BatchNorm statistics on %d images", len(chosen))
        reestimate_batch_norm(model, _batches(model, pixels[chosen], config.batch_size))
    elif config.init != "random":
        model.load_weights(Path(config.init))


def fit_head(model: keras.Model, config: TrainConfig, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Fit the dense layer by regularised logistic regression on the frozen features.

    A random dense layer would send random gradients into the base and undo its weights.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    positions = np.unique(draw(labels, config.class_prior(), config.head_images, (config.seed, 0)))
    log.info("fitting the dense layer on %d images", len(positions))
    extractor = keras.Model(model.input, model.get_layer("features").output)
    features = np.concatenate(
        [
            keras.ops.convert_to_numpy(extractor(batch, training=False))
            for batch in _batches(model, pixels[positions], config.batch_size)
        ]
    )
    scaler = StandardScaler().fit(features)
    # Repeats of rare classes carry no new information: their weight does the same.
    prior = config.class_prior()
    counts = np.bincount(labels[positions], minlength=len(CLASSES))
    weight = prior[labels[positions]] / counts[labels[positions]] * len(positions)
    regression = LogisticRegression(C=1 / config.head_penalty, max_iter=500)
    regression.fit(scaler.transform(features), labels[positions], sample_weight=weight)
    kernel = np.zeros((features.shape[1], len(CLASSES)), np.float32)
    # A class without an image stays out of the way.
    bias = np.full(len(CLASSES), -10.0, np.float32)
    coefficients = regression.coef_ / scaler.scale_
    if len(regression.classes_) == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        regression.intercept_ = np.concatenate([-regression.intercept_, regression.intercept_]) / 2
    kernel[:, regression.classes_] = coefficients.T
    bias[regression.classes_] = regression.intercept_ - coefficients @ scaler.mean_
    model.get_layer("logits").set_weights([kernel, bias])


def _batches(model: keras.Model, pixels: np.ndarray, batch_size: int):
    size = model.input_shape[1]
    for start in range(0, len(pixels), batch_size):
        batch = keras.ops.cast(pixels[start : start + batch_size], "float32")
        if batch.shape[1] != size:
            batch = keras.ops.image.resize(batch, (size, size), antialias=True)
        yield batch
