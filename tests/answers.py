"""What a model might answer: for tests of what becomes of an answer, not of the model."""

import numpy as np

from ml.classifier import Factor, Prediction
from ml.labels import CLASSES

THRESHOLDS = {"malignancy": {"sensitivity_95": 0.2}, "melanoma": {"sensitivity_95": 0.1, "specificity_95": 0.4}}


def made_up_answer(melanoma=0.02, **values):
    """An ml.classifier.Prediction of a mole, with this melanoma probability."""
    probabilities = {name: (1 - melanoma) / 6 for name in CLASSES} | {"mel": melanoma}
    defaults = {
        "model_version": "made-up-1",
        "probabilities": probabilities,
        "image_probabilities": probabilities,
        "predicted_class": "nv",
        "confidence": 0.9,
        "malignancy_risk": melanoma + 0.01,
        "melanoma_probability": melanoma,
        "prediction_set": ("nv",),
        "out_of_distribution": False,
        "out_of_distribution_score": 0.1,
        "factors": (Factor("image", None, 0.2, melanoma + 0.01),),
        "activation_map": np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8),
        "latency_ms": 40.0,
    }
    return Prediction(**{**defaults, **values})
