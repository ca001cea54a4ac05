"""Measure the shipped artefact on a folder of labelled photographs.

    python -m ml.evaluate --data DIR [--split test] --json OUT [--plots PAGE.svg]

DIR holds images and HAM10000_metadata.csv, or images and an ISIC 2018 one-hot ground-truth CSV, which
ml.tables tells by their columns; where they have no age, sex or site, the metadata fusion drops out.
Everything goes through the LiteRT classifier itself, so what is measured is what ships. Intervals are
95 % bootstrap intervals that resample lesions, or photographs where no table names lesions.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from ml import conformal, metrics, model_json, skin_tone
from ml.classifier import ARTIFACT, VIEWS, Classifier
from ml.data import MANIFESTS, Record, ids_made_with, read_dataset, read_split
from ml.labels import CLASSES, INDEX
from ml.metadata import FACTS
from ml.observe import Observations, facts_of, labels_of, observe_paths
from ml.plots import draw_page
from ml.preprocess import UnreadableImage
from ml.report import Case, report, with_intervals

SUBSETS = tuple(
    tuple(fact for position, fact in enumerate(FACTS) if number >> position & 1) for number in range(2 ** len(FACTS))
)


def judge(classifier: Classifier, logits: np.ndarray, labels, facts: list[dict], known) -> Case:
    """Calibrated, fused probabilities and conformal sets when only the facts in `known` are told."""
    told = [{name: value for name, value in one.items() if name in known} for one in facts]
    from_image = classifier.calibrate(logits)
    fused = np.stack([classifier.fusion.fuse(p, one) for p, one in zip(from_image, told, strict=True)])
    quantiles = np.stack([classifier.quantiles(one) for one in told])
    members = conformal.set_members(fused, quantiles)
    return Case(labels, fused, members, classifier.prior, classifier.thresholds)


def operating_points(is_positive, scores, thresholds: dict, lesions: np.ndarray, repeats: int) -> dict:
    """The ROC of this very data, and what each shipped threshold gives on it, with intervals."""

    def measure(weights):
        figures = {}
        for name, threshold in thresholds.items():
            rates = metrics.rates(is_positive, scores, threshold, weights)
            figures[name, "sensitivity"], figures[name, "specificity"] = rates
        return figures

    def counted(path):
        return is_positive if path[-1] == "sensitivity" else ~is_positive

    figures = with_intervals(measure, counted, lesions, repeats)
    false, true = metrics.roc(is_positive, scores)
    kept = np.unique(np.linspace(0, len(false) - 1, 101).astype(int))
    return {
        "operating_points": {name: {"threshold": value, **figures[name]} for name, value in thresholds.items()},
        "roc": {"false_positive_rate": false[kept].tolist(), "sensitivity": true[kept].tolist()},
    }


def slices_of(records, seen: Observations) -> dict[str, np.ndarray]:
    """(N,) group names for every way of cutting the data up."""
    return {
        "age": np.array([_age_band(record.age) for record in records]),
        "sex": np.array([record.sex or "unknown" for record in records]),
        "site": np.array([record.site or "unknown" for record in records]),
        "source": np.array([record.source or "unknown" for record in records]),
        "reference": np.array([record.dx_type or "unknown" for record in records]),
        "image_size": np.array([f"{width}x{height}" for width, height in seen.sizes]),
        "skin_tone": np.array([skin_tone.group(angle) for angle in seen.skin_angles]),
    }


def evaluate(classifier: Classifier, records, seen: Observations, repeats: int = 1000) -> dict:
    """The whole report, as it is written to JSON."""
    labels, facts = labels_of(records), [facts_of(record) for record in records]
    lesions = np.array([record.lesion_id or record.image_id for record in records])
    case = judge(classifier, seen.logits, labels, facts, FACTS)
    has_lesions = any(record.lesion_id != record.image_id for record in records)
    result = {"resampled": "lesions" if has_lesions else "photographs", **report(case, lesions, repeats)}
    malignancy, melanoma = case.thresholds["malignancy"], case.thresholds["melanoma"]
    p_melanoma = case.probabilities[:, INDEX["mel"]]
    result["malignant"]["threshold"] = malignancy["sensitivity_95"]
    result["melanoma"]["threshold"] = melanoma["sensitivity_95"]
    result["malignant"] |= operating_points(case.malignant, case.risk, malignancy, lesions, repeats)
    result["melanoma"] |= operating_points(labels == INDEX["mel"], p_melanoma, melanoma, lesions, repeats)
    confidence, right = case.probabilities.max(axis=1), case.plain_decisions == labels
    result["ece_by_chance"] = metrics.chance_calibration_error(confidence)
    result["reliability"] = [
        {"n": int(n), "confidence": mean, "accuracy": share}
        for n, mean, share in metrics.reliability(confidence, right)
    ]
    result["confusion_matrix"] = {
        "labels": list(CLASSES),
        "balanced": metrics.confusion(labels, case.balanced_decisions, len(CLASSES)).astype(int).tolist(),
        "plain": metrics.confusion(labels, case.plain_decisions, len(CLASSES)).astype(int).tolist(),
    }
    result["metadata"] = {}
    for known in SUBSETS:
        told = judge(classifier, seen.logits, labels, facts, known)
        result["metadata"]["+".join(known) or "none"] = report(told, lesions, repeats, False)
    result["slices"] = {}
    for name, groups in slices_of(records, seen).items():
        result["slices"][name] = {
            str(group): report(case.part(groups == group), lesions[groups == group], repeats, False)
            for group in np.unique(groups)
        }
    result["out_of_distribution"] = flagged_share(classifier, seen, lesions, repeats)
    return result


def flagged_share(classifier: Classifier, seen: Observations, lesions: np.ndarray, repeats: int) -> dict:
    """The share of photographs that are taken for something else, with its interval."""
    flagged = classifier.strangeness(seen.features) > classifier.metadata["out_of_distribution"]["threshold"]

    def measure(weights):
        return {("flagged_share",): metrics.mean(flagged, weights)}

    return with_intervals(measure, lambda _: np.full(len(flagged), True), lesions, repeats)


def count_seen_in_making(records: list[Record], classifier: Classifier, manifests: Path) -> int:
    """How many of the photographs the model was made of: its network, or what was fitted after it."""
    made_with = ids_made_with(MANIFESTS)
    # Fitted to photographs of its own, a model names their manifests, and its network is still of ours.
    if classifier.metadata.get("manifest_sha256") == model_json.manifest_hashes(manifests):
        made_with |= ids_made_with(manifests)
    return sum(record.image_id in made_with for record in records)


def read_labelled(options: argparse.Namespace) -> list[Record]:
    """The photographs to measure. Raises ValueError where none has a label."""
    records = read_dataset(options.data)
    if options.split:
        records = read_split(records, options.split, options.manifests)
    labelled = [record for record in records if record.label is not None]
    if not labelled:
        raise ValueError(f"no labelled photograph in {options.data}")
    if len(labelled) < len(records):
        print(f"{len(records) - len(labelled)} photographs without a label left out", file=sys.stderr)
    return labelled


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", help="a split of ml/manifests; the whole folder when none is named")
    parser.add_argument("--manifests", type=Path, default=MANIFESTS)
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    parser.add_argument("--plots", type=Path, metavar="PAGE", help="a page of plots (.svg, .png, .pdf)")
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--views", choices=sorted(VIEWS), help="test-time augmentation to use instead")
    parser.add_argument("--repeats", type=int, default=1000, help="bootstrap repeats")
    parser.add_argument("--workers", type=int, default=2, help="photographs looked at side by side")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the network's outputs there for other commands")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        for out in filter(None, (options.json, options.plots)):
            out.parent.mkdir(parents=True, exist_ok=True)
        records = read_labelled(options)
        classifier = Classifier.load(options.artifact, views=options.views)
        seen_in_making = count_seen_in_making(records, classifier, options.manifests)
        paths = [record.path for record in records]
        shared = {"views": options.views, "workers": options.workers, "cache": options.cache}
        seen = observe_paths(options.artifact, paths, title="evaluate", **shared)
    except (OSError, ValueError) as error:
        label = "unreadable" if isinstance(error, UnreadableImage) else "cannot evaluate"
        print(f"{label}: {error}", file=sys.stderr)
        return 1
    result = {
        "model_version": classifier.version,
        "split": options.split,
        "seen_in_making": seen_in_making,
        "views": classifier.test_time_augmentation,
        "decisions": {
            "accuracy": "argmax of p",
            "balanced_accuracy, per_class": "argmax of p/prior",
            "malignant, melanoma": "at the shipped threshold",
        },
        "intervals": {
            "ece": "reverse percentile",
            "shares in which all lesions agree": "Wilson, on lesions",
            "all others": "percentile",
        },
        **evaluate(classifier, records, seen, options.repeats),
        "seconds": round(time.perf_counter() - started, 1),
    }
    written = _without_nan(result)
    options.json.write_text(json.dumps(written, indent=1) + "\n")
    if options.plots:
        draw_page(written, options.plots)
    if seen_in_making:
        print(
            f"{seen_in_making} of these photographs were used to make the model: the figures flatter it.",
            file=sys.stderr,
        )
    for name in ("accuracy", "balanced_accuracy", "macro_auc", "ece"):
        low, high = result[f"{name}_interval"]
        print(f"{name:18} {result[name]:.3f}  ({low:.3f} to {high:.3f})")
    return 0


def _age_band(age: float | None) -> str:
    if age is None or not np.isfinite(age):
        return "unknown"
    return "under 30" if age < 30 else "30-49" if age < 50 else "50-69" if age < 70 else "70 and over"


def _without_nan(value):
    # JSON has no nan; a figure that cannot be had is null.
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
