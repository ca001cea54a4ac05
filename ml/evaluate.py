"""Measure the shipped artefact on a folder of labelled photographs.

    python -m ml.evaluate --data DIR [--split test] --json OUT [--plots PAGE.svg]

DIR holds images and HAM10000_metadata.csv, or images and an ISIC 2018 one-hot ground-truth CSV, which
ml.tables tells by their columns; where they have no age, sex or site, the metadata fusion drops out.
Of a whole folder the rows with a picture are measured and the others counted; a split must be there in full.
Everything goes through the LiteRT classifier itself, so what is measured is what ships. Intervals are
95 % bootstrap intervals that resample lesions, or photographs where no table names lesions.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ml import conformal, model_json
from ml.card_tables import figure
from ml.classifier import ARTIFACT, VIEWS, Classifier
from ml.data import MANIFESTS, Record, decoded, read_dataset, read_pictured, read_split
from ml.made_with import are_made_with, fingerprint
from ml.metadata import FACTS
from ml.observe import Observations, facts_of, labels_of, observe_paths
from ml.plots import check_page, draw_page
from ml.report import (
    RISK_BINS,
    Case,
    confidence_figures,
    confusion_matrix,
    differences,
    flagged_share,
    operating_points,
    reliability_bins,
    report,
)
from ml.slices import slices_of

LEAST_REPEATS = 100  # fewer leave nothing beyond the 95 %
LEAST_ROOM_BYTES = 2**20  # a report and a page of plots have about a quarter
MOST_FLAGGED = 0.05  # of the photographs; of those that a model is made for it flags 1 in 100
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


def evaluate(classifier: Classifier, records, seen: Observations, repeats: int = 1000) -> dict:
    """The whole report, as it is written to JSON."""
    labels, facts = labels_of(records), [facts_of(record) for record in records]
    lesions = np.array([record.lesion_id or record.image_id for record in records])
    has_lesions = any(record.lesion_id != record.image_id for record in records)
    case = judge(classifier, seen.logits, labels, facts, FACTS)

    def figures_of(case: Case, chosen=slice(None), with_details: bool = False) -> dict:
        figures = report(case.part(chosen), lesions[chosen], repeats, with_details)
        return figures if has_lesions else figures | {"n_lesions": None}

    result = {"resampled": "lesions" if has_lesions else "photographs", **figures_of(case, with_details=True)}
    thresholds = {"malignant": case.thresholds["malignancy"], "melanoma": case.thresholds["melanoma"]}
    for name, (is_true, said) in case.risks.items():
        place = result[name]
        place["threshold"] = thresholds[name]["sensitivity_95"]
        place |= operating_points(is_true, said, thresholds[name], lesions, repeats)
        names = ("n", "predicted", "share_true")
        place["reliability"] = reliability_bins(said, is_true, names, RISK_BINS, lesions, repeats)
    result |= confidence_figures(case, lesions, repeats)
    result["confusion_matrix"] = confusion_matrix(case, lesions, repeats)
    told = {"+".join(known) or "none": judge(classifier, seen.logits, labels, facts, known) for known in SUBSETS}
    result["metadata"] = {known: figures_of(judged) for known, judged in told.items()}
    untold = told.pop("none")
    result["metadata_differences"] = {
        known: differences(judged, untold, lesions, repeats) for known, judged in told.items()
    }
    result["slices"] = {
        kind: {str(group): figures_of(case, groups == group) for group in np.unique(groups)}
        for kind, groups in slices_of(records, seen).items()
    }
    is_flagged = classifier.is_strange(seen.features, seen.has_colour)
    result["out_of_distribution"] = flagged_share(is_flagged, lesions, repeats)
    # What the portal would judge; of no photographs there are no figures.
    result["out_of_distribution"]["unflagged"] = figures_of(case, ~is_flagged) if not is_flagged.all() else {"n": 0}
    return result


def count_seen_in_making(records: list[Record], classifier: Classifier, manifests: Path) -> int:
    """How many of the photographs the model was made of: its network, or what was fitted after it.

    Raises DatasetError, naming every file that cannot be read.
    """
    photographs = tqdm(decoded(records), "known photographs", len(records), disable=None, unit="photo")
    fingerprints = np.array([fingerprint(image) for _, image in photographs])
    image_ids = [record.image_id for record in records]
    is_known = are_made_with(image_ids, fingerprints, MANIFESTS)
    # Fitted to photographs of its own, a model names their manifests, and its network is still of ours.
    if classifier.metadata.get("manifest_sha256") == model_json.manifest_hashes(manifests):
        is_known |= are_made_with(image_ids, fingerprints, manifests)
    return int(is_known.sum())


def read_labelled(options: argparse.Namespace) -> tuple[list[Record], int]:
    """The photographs to measure, and how many rows have no picture. Raises ValueError where none has a label."""
    if options.split:
        records, without_picture = read_split(read_dataset(options.data), options.split, options.manifests), 0
    else:
        records, without_picture = read_pictured(options.data)
    if without_picture:
        of_all = f"{len(records):,} of {len(records) + without_picture:,} rows have a picture in {options.data}"
        print(f"{of_all}: these are measured; {without_picture:,} have none", file=sys.stderr)
    labelled = [record for record in records if record.label is not None]
    if not labelled:
        raise ValueError(f"no labelled photograph in {options.data}")
    if len(labelled) < len(records):
        print(f"{len(records) - len(labelled)} photographs without a label left out", file=sys.stderr)
    return labelled, without_picture


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", help="a split of ml/manifests; the whole folder when none is named")
    parser.add_argument("--manifests", type=Path, default=MANIFESTS)
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    parser.add_argument("--plots", type=Path, metavar="PAGE", help="a page of plots (.svg, .png, .pdf)")
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--views", choices=sorted(VIEWS), help="test-time augmentation to use instead")
    parser.add_argument("--repeats", type=_repeats, default=1000, help=f"of the bootstrap, {LEAST_REPEATS} or more")
    parser.add_argument("--workers", type=_workers, default=2, help="photographs looked at side by side")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the network's outputs there for other commands")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        _check_targets(options.json, options.plots)
    except (OSError, ValueError) as error:
        print(f"cannot evaluate: {error}", file=sys.stderr)
        return 2
    try:
        records, without_picture = read_labelled(options)
        classifier = Classifier.load(options.artifact, views=options.views)
        seen_in_making = count_seen_in_making(records, classifier, options.manifests)
        paths = [record.path for record in records]
        shared = {"views": options.views, "workers": options.workers, "cache": options.cache}
        seen = observe_paths(options.artifact, paths, title="evaluate", **shared)
    except (OSError, ValueError) as error:
        print(f"cannot evaluate: {error}", file=sys.stderr)
        return 1
    result = {
        "model_version": classifier.version,
        "split": options.split,
        "rows_without_picture": without_picture,
        "seen_in_making": seen_in_making,
        "views": classifier.test_time_augmentation,
        "decisions": {
            "accuracy": "argmax of p",
            "balanced, balanced_accuracy, per_class": "argmax of p/prior, which is balanced_class",
            "plain, sensitivity_plain, specificity_plain": "argmax of p, which is predicted_class",
            "malignant, melanoma": "at the shipped threshold",
        },
        "intervals": {
            "ece": "reverse percentile",
            "ece_by_chance": "what answers that are right as often as they say would show",
            "metadata_differences": "percentile, both resampled together",
            "shares in which all lesions agree": "Wilson, on lesions",
            "other figures that resampling cannot move": "none, as they rest on too few",
            "all others": "percentile",
        },
        **evaluate(classifier, records, seen, options.repeats),
        "made_by": model_json.step("ml.evaluate", arguments or sys.argv[1:], started),
    }
    written = _without_nan(result)
    status = 0
    try:
        options.json.write_text(json.dumps(written, indent=1) + "\n")
        if options.plots:
            draw_page(written, options.plots)
    except OSError as error:
        print(f"the report could not be written: {error}", file=sys.stderr)
        status = 2
    _say(written)
    return status


def _say(result: dict) -> None:
    n, seen, flagged = result["n"], result["seen_in_making"], result["out_of_distribution"]["n_flagged"]
    warnings = []
    if seen:
        warnings.append(f"{seen} of these photographs were used to make the model: the figures flatter it.")
    if flagged > MOST_FLAGGED * n:
        unlike = f"{flagged} of {n} photographs look unlike those that the model learnt from"
        warnings.append(f"{unlike}; the portal would not judge them.")
    for warning in warnings:
        print(warning, file=sys.stderr)
    melanoma = result["per_class"]["mel"]
    for title, place, name in (
        ("accuracy (predicted_class)", result, "accuracy"),
        ("balanced_accuracy (predicted_class)", result["plain"], "balanced_accuracy"),
        ("balanced_accuracy (balanced_class)", result, "balanced_accuracy"),
        ("melanoma_recall (predicted_class)", melanoma, "sensitivity_plain"),
        ("melanoma_recall (balanced_class)", melanoma, "sensitivity"),
        ("macro_auc", result, "macro_auc"),
        ("ece", result, "ece"),
    ):
        print(f"{title:40}{figure(place, name)}")


def _check_targets(report_path: Path, page: Path | None) -> None:
    """Raises OSError or ValueError where what will be measured could not be written."""
    for path in filter(None, (report_path, page)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(f"{path} cannot be written")
        if not path.exists():
            _check_room(path)
    if page:
        check_page(page)


def _check_room(path: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(LEAST_ROOM_BYTES))
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror}") from error


def _workers(text: str) -> int:
    workers = int(text)
    if workers < 1:
        raise argparse.ArgumentTypeError(f"{text} look at nothing: 1 or more do")
    return workers


def _repeats(text: str) -> int:
    repeats = int(text)
    if repeats < LEAST_REPEATS:
        raise argparse.ArgumentTypeError(f"{text} repeats give no 95 % interval: {LEAST_REPEATS} or more do")
    return repeats


def _without_nan(value):
    # JSON has no nan; a figure that cannot be had is null.
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
