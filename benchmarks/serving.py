"""One pass of the network: LiteRT, as a worker runs it, against the same network in Keras."""

import importlib.util

import numpy as np

from benchmarks.timing import compare
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
    # Imported here: the other benchmarks need neither.
    from ml.model import build_model, serving_model

    runtime = Runtime(model)
    size = runtime.input_size
    served = serving_model(build_model(size, dropout=0.0, weights=None))
    tensor = np.random.default_rng(1).uniform(0, 255, (1, size, size, 3)).astype(np.float32)
    name = f"one photo at {size} px in LiteRT"
    yield compare(
        name, lambda: runtime.run(tensor), lambda: served.predict_on_batch(tensor), alternative_name="in Keras"
    )
