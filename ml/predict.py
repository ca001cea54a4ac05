"""Classify photographs from the command line: one JSON object a line.

    python -m ml.predict photo.jpg other.png --age 62 --sex male --site back

A file that cannot be read gives one line on stderr and, at the end, exit status 1; the others
still run.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

from ml.classifier import ARTIFACT, VIEWS, Classifier, Prediction
from ml.facts import OLDEST_YEARS
from ml.labels import CLASSES, SEXES, SITES
from ml.preprocess import UnreadableImage

UNKNOWN = "unknown"  # HAM10000's own word; to the fusion it is a fact not told, as any word that it has no term for

EPILOG = (
    "predicted_class is the most probable class; balanced_class is the one most above its usual share of the "
    "photographs, which finds more melanomas and calls more moles something else. prediction_set is every class "
    "that cannot be ruled out; it may leave out predicted_class."
)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return predict_all(options)
    except BrokenPipeError:
        # Who reads has seen enough, as `head` has; Python would write once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def predict_all(options: argparse.Namespace) -> int:
    """Print each photograph's line. The exit status."""
    try:
        classifier = Classifier.load(options.artifact, views=options.views)
    except (OSError, ValueError) as error:
        print(f"no usable model in {options.artifact}: {error}", file=sys.stderr)
        return 1
    failures = 0
    for path in options.images:
        try:
            prediction = classifier.predict(
                path.read_bytes(),
                age=options.age,
                sex=options.sex,
                site=options.site,
                with_maps=False,
            )
        except (OSError, UnreadableImage) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            print(f"{path}: {reason}", file=sys.stderr)
            failures += 1
        else:
            print(json.dumps(as_json(path, prediction, classifier.prior)), flush=True)
    return 1 if failures else 0


def as_json(path: Path, prediction: Prediction, prior: np.ndarray) -> dict:
    """The line printed for one photograph; probabilities and risk are 0..1.

    predicted_class is the most probable one; balanced_class (argmax of p/prior) the one that is most above
    its share (7,) of the photographs, by which ml.evaluate measures recall.
    """
    probabilities = np.array([prediction.probabilities[name] for name in CLASSES])
    return {
        "file": str(path),
        "model_version": prediction.model_version,
        "predicted_class": prediction.predicted_class,
        "balanced_class": CLASSES[(probabilities / prior).argmax()],
        "confidence": round(prediction.confidence, 6),
        "probabilities": {name: round(p, 6) for name, p in prediction.probabilities.items()},
        "malignancy_risk": round(prediction.malignancy_risk, 6),
        "prediction_set": list(prediction.prediction_set),
        "out_of_distribution": prediction.out_of_distribution,
        "latency_ms": round(prediction.latency_ms, 1),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ml.predict", description=__doc__.split("\n")[0], epilog=EPILOG)
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument("--age", type=_age, help=f"years, 0 to {OLDEST_YEARS}")
    parser.add_argument("--sex", type=str.lower, choices=(*SEXES, UNKNOWN))
    parser.add_argument("--site", type=str.lower, choices=(*SITES, UNKNOWN), help="place on the body")
    parser.add_argument("--json", action="store_true", help="JSON lines: the default, and all there is")
    parser.add_argument("--artifact", type=Path, default=ARTIFACT, help="folder of model.json")
    parser.add_argument("--views", choices=sorted(VIEWS), help="test-time augmentation to use instead")
    return parser


def _age(text: str) -> float:
    age = float(text)
    if not 0 <= age <= OLDEST_YEARS:
        raise argparse.ArgumentTypeError(f"{text} is not an age in years from 0 to {OLDEST_YEARS}")
    return age


if __name__ == "__main__":
    sys.exit(main())
