"""Is test-time augmentation worth its time? Gain on the validation split, and cost.

    python -m ml.views --data DIR [--artifact ml/artifact]

Writes the comparison into model.json; `python -m ml.calibrate --views NAME` then switches one on.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from ml import metrics, model_json, preprocess
from ml.classifier import ARTIFACT, VIEWS, Classifier
from ml.data import MANIFESTS, read_dataset, read_split
from ml.labels import INDEX, MALIGNANT_INDICES
from ml.observe import labels_of, observe_paths


def compare_views(artifact: Path, records: list, workers: int = 2, cache: Path | None = None) -> dict[str, dict]:
    """For each key of VIEWS: rank measures from the photograph alone, and milliseconds a photograph.

    Probabilities use the artefact's temperature, which the ranks hardly depend on.
    """
    labels, paths = labels_of(records), [record.path for record in records]
    image = preprocess.decode(records[0].path.read_bytes())
    result = {}
    for views in VIEWS:
        classifier = Classifier.load(artifact, views=views)
        seen = observe_paths(artifact, paths, views=views, workers=workers, title=views, cache=cache)
        probabilities = classifier.calibrate(seen.logits)
        decided = metrics.confusion(labels, (probabilities / classifier.prior).argmax(axis=1), probabilities.shape[1])
        risk = probabilities[:, list(MALIGNANT_INDICES)].sum(axis=1)
        result[views] = {
            "n": len(labels),
            "macro_auc": metrics.mean_known(metrics.class_aucs(labels, probabilities)),
            "melanoma_auc": metrics.auc(labels == INDEX["mel"], probabilities[:, INDEX["mel"]]),
            "malignant_auc": metrics.auc(np.isin(labels, MALIGNANT_INDICES), risk),
            "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
            "balanced_accuracy": metrics.balanced_accuracy(decided),
            "log_loss": metrics.negative_log_likelihood(labels, probabilities),
            "latency_ms": _latency(classifier, image),
        }
    return result


def _latency(classifier: Classifier, image, repeats: int = 15) -> float:
    spent = []
    for _ in range(repeats):
        started = time.perf_counter()
        classifier.predict(image)
        spent.append((time.perf_counter() - started) * 1000)
    return round(float(np.median(spent)), 1)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.views", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--manifests", type=Path, default=MANIFESTS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the network's outputs there for other commands")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        records = read_split(read_dataset(options.data), "validation", options.manifests)
        compared = compare_views(options.artifact, records, options.workers, options.cache)
    except (OSError, ValueError) as error:
        print(f"cannot compare: {error}", file=sys.stderr)
        return 1
    metadata = model_json.read(options.artifact) | {"views_compared": compared}
    model_json.add_step(metadata, "ml.views", arguments or sys.argv[1:], started)
    model_json.write(options.artifact, metadata)
    for views, figures in compared.items():
        print(views, " ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
