"""One pass of the network: LiteRT, as a worker runs it, against the same network in Keras."""

import importlib.util

import numpy as np

from benchmarks.timing import compare
from ml import model_json
from ml.classifier import ARTIFACT
from ml.runtime import Runtime


def measure():
    model = ARTIFACT / "model.tflite"
    if not model.exists():
        yield f"serving: skipped, there is no {model}"
        return
    if importlib.util.find_spec("tensorflow") is None:
        yield "serving: skipped, TensorFlow is not installed"
        return
    runtime = Runtime(model)
    size = runtime.input_size
    network = in_keras(size)
    tensor = np.random.default_rng(1).uniform(0, 255, (1, size, size, 3)).astype(np.float32)
    name = f"one photo at {size} px in LiteRT"
    yield compare(
        name, lambda: runtime.run(tensor), lambda: network.predict_on_batch(tensor), alternative_name="in Keras"
    )


def in_keras(size):
    """The shipped graph for photographs of ``size`` pixels, enlarged like them; the weights are random."""
    # Imported here: the other benchmarks need no TensorFlow.
    from ml.export import side_by_side, with_middle_features
    from ml.model import build_model, enlarging, serving_model

    sides = [one["training"]["input_size"] for one in model_json.networks(model_json.read(ARTIFACT))]
    networks = [serving_model(build_model(side, dropout=0.0, weights=None)) for side in sides]
    named = [with_middle_features(network, f"network_{number}") for number, network in enumerate(networks, 1)]
    return enlarging(side_by_side(named), size)
