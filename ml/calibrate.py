"""Fit everything after the network: calibration, thresholds, conformal sets, fusion, strangeness.

    python -m ml.calibrate --data DIR [--artifact ml/artifact]

Reads the exported network, runs it over the committed splits and rewrites model.json. Which split
gives what:
- training: class prior, terms of the metadata fusion, subspace of the out-of-distribution score;
- calibration: temperature, class offsets, weight of the fusion, level of the out-of-distribution score;
- validation and calibration together: decision thresholds and conformal quantiles. A threshold at
  95 % sensitivity rests on the lowest 5 % of the positives, and validation alone has too few.
The test split is not read.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from ml import conformal, metrics, model_json, negatives, preprocess
from ml.classifier import ARTIFACT, VIEWS, Classifier
from ml.data import MANIFESTS, read_dataset, read_split
from ml.evaluate import SUBSETS
from ml.labels import CLASSES, INDEX, MALIGNANT_INDICES
from ml.metadata import FACTS, Fusion, fit_fusion, softmax
from ml.observe import Observations, facts_of, labels_of, observe_images, observe_paths
from ml.out_of_distribution import Detector, fit_detector

SPLITS = ("train", "validation", "calibration")
LEVEL = 0.9
PASSED = 0.99
LARGEST_CLASS = 500
FUSION_WEIGHTS = tuple(np.round(np.arange(0, 1.01, 0.05), 2))
_FOLDS = 5


def fit_temperature(
    logits: np.ndarray, labels: np.ndarray, start: np.ndarray, penalty: float | None
) -> tuple[float, np.ndarray]:
    """Temperature and class offsets (7,) that minimise the log loss of softmax(logits / T + offsets).

    start: offsets that the sampling of the training implies; penalty: pull of the offsets towards
    it, in photographs; None keeps them there and fits the temperature alone.
    """
    from scipy.optimize import minimize

    one_hot = np.eye(len(start))[labels]

    def objective(flat):
        inverse, shift = np.exp(flat[0]), flat[1:]
        probabilities = softmax(logits * inverse + start + shift)
        picked = probabilities[np.arange(len(labels)), labels]
        loss = -np.log(np.maximum(picked, 1e-12)).sum()
        error = probabilities - one_hot
        gradient = np.concatenate([[(error * logits).sum() * inverse], error.sum(axis=0)])
        if penalty is None:
            gradient[1:] = 0
        else:
            loss += penalty / 2 * (shift**2).sum()
            gradient[1:] += penalty * shift
        return loss, gradient

    fitted = minimize(objective, np.zeros(len(start) + 1), jac=True, method="L-BFGS-B").x
    return float(np.exp(-fitted[0])), start + fitted[1:]


def choose_calibration(logits: np.ndarray, labels: np.ndarray, groups: np.ndarray, start: np.ndarray) -> dict:
    """Temperature alone, or with class offsets: whichever has the lower log loss on held-out folds
    of lesions. Returns the fit on all the data and the cross-validated losses, in nats."""
    _, lesion = np.unique(groups, return_inverse=True)
    fold = np.random.default_rng(0).integers(0, _FOLDS, lesion.max() + 1)[lesion]
    penalties = {"temperature": None, "temperature and offsets": 5.0}
    losses = {}
    for name, penalty in penalties.items():
        held_out = np.zeros((len(labels), len(start)))
        for one in range(_FOLDS):
            out = fold == one
            if not out.any() or out.all():
                continue
            temperature, offsets = fit_temperature(logits[~out], labels[~out], start, penalty)
            held_out[out] = softmax(logits[out] / temperature + offsets)
        losses[name] = metrics.negative_log_likelihood(labels, np.maximum(held_out, 1e-12))
    method = min(losses, key=losses.get)
    temperature, offsets = fit_temperature(logits, labels, start, penalties[method])
    return {"method": method, "losses": losses, "temperature": temperature, "offsets": offsets}


def fuse_all(fusion: Fusion, from_image: np.ndarray, facts: list[dict], known) -> np.ndarray:
    """Fused probabilities (N, 7) when only the facts in `known` are told."""
    told = [{name: one.get(name) for name in known} for one in facts]
    return np.stack([fusion.fuse(p, one) for p, one in zip(from_image, told, strict=True)])


def choose_fusion_weight(fusion: Fusion, from_image, facts, labels) -> tuple[float, dict]:
    """The weight with the lowest log loss with all facts told; and the loss of every weight."""
    losses = {}
    for weight in FUSION_WEIGHTS:
        damped = Fusion(fusion.age, fusion.sex, fusion.site, float(weight))
        fused = fuse_all(damped, from_image, facts, FACTS)
        losses[f"{weight:g}"] = metrics.negative_log_likelihood(labels, fused)
    return float(min(losses, key=losses.get)), losses


def losses_alone(fusion: Fusion, facts: dict, labels: dict, prior: np.ndarray) -> dict[str, float]:
    """Log loss on calibration photographs of what the facts say without the photograph: nothing
    told, the joint terms, and terms fitted one fact at a time as if facts were independent."""
    apart = {
        name: fit_fusion([{name: one.get(name)} for one in facts["train"]], labels["train"], prior) for name in FACTS
    }
    naive = Fusion(apart["age"].age, apart["sex"].sex, apart["site"].site)
    even = np.tile(prior, (len(labels["calibration"]), 1))

    def loss(model, known):
        return metrics.negative_log_likelihood(
            labels["calibration"], fuse_all(model, even, facts["calibration"], known)
        )

    return {"nothing": loss(fusion, ()), "joint terms": loss(fusion, FACTS), "separate terms": loss(naive, FACTS)}


def decision_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> dict:
    """Thresholds on the malignancy risk and on p(mel): the one that finds 95 % of the positives,
    and the one that 95 % of the negatives stay under."""
    risk = probabilities[:, list(MALIGNANT_INDICES)].sum(axis=1)
    targets = {
        "malignancy": (np.isin(labels, MALIGNANT_INDICES), risk),
        "melanoma": (labels == INDEX["mel"], probabilities[:, INDEX["mel"]]),
    }
    return {
        name: {
            "sensitivity_95": metrics.threshold_at_sensitivity(is_positive, scores, 0.95),
            "specificity_95": metrics.threshold_at_specificity(is_positive, scores, 0.95),
        }
        for name, (is_positive, scores) in targets.items()
    }


def at_most(records: list, count: int) -> list:
    """The first `count` records of each class in an order drawn once for all."""
    order = np.random.default_rng(0).permutation(len(records))
    taken, chosen = dict.fromkeys(CLASSES, 0), []
    for position in order:
        label = records[position].label
        taken[label] += 1
        if taken[label] <= count:
            chosen.append(records[position])
    return chosen


def measure_strangers(artifact: Path, detector: Detector, threshold: float, others: Path | None = None) -> dict:
    """The share of pictures of other things that the threshold stops, a kind.

    others: a folder of further pictures, if there is one.
    """
    kinds = negatives.generated(each=20, seed=1)
    kinds["photograph of something else"] = negatives.packaged_photographs(seed=1)
    if others:
        kinds["other pictures"] = [preprocess.decode(path.read_bytes()) for path in sorted(others.glob("*.*"))]
    stopped = {}
    for kind, pictures in kinds.items():
        if pictures:
            seen = observe_images(artifact, pictures, views="none")
            scores = detector.score(seen.features)
            stopped[kind] = {"n": len(pictures), "stopped": float((scores > threshold).mean())}
    return stopped


def measure_changed(artifact: Path, records: list, detector: Detector, threshold: float) -> dict:
    """The share of real photographs that the threshold stops once they are changed, a change.

    Darkening stands in, poorly, for dark skin, of which the data hold next to none.
    """
    photographs = [preprocess.decode(record.path.read_bytes()) for record in records]
    stopped = {}
    for name, change in negatives.CHANGES.items():
        seen = observe_images(artifact, [change(photograph) for photograph in photographs], views="none")
        share = float((detector.score(seen.features) > threshold).mean())
        stopped[name] = {"n": len(photographs), "stopped": share}
    return stopped


def calibrate(artifact: Path, parts: dict[str, list], views: str, workers: int = 2, others: Path | None = None) -> dict:
    """Fit all of it and return the new model.json; writes out_of_distribution.npz beside it.

    parts: the records of "train", "validation" and "calibration".
    """
    metadata = model_json.read(artifact)

    def observe(name, chosen, views):
        paths = [record.path for record in chosen]
        return observe_paths(artifact, paths, views=views, workers=workers, title=name)

    seen = {name: observe(name, parts[name], views) for name in ("validation", "calibration")}
    fitted = fit_decision(metadata, parts, seen)
    # Features come from the plain view, and a few hundred of a class show how they vary.
    few = at_most(parts["train"], LARGEST_CLASS)
    training, usual = observe("train", few, "none"), seen["calibration"]
    detector = fit_detector(training.features)
    threshold = float(np.quantile(detector.score(usual.features), PASSED))
    detector.save(artifact / "out_of_distribution.npz")
    fitted["test_time_augmentation"] = views
    fitted["out_of_distribution"] = {
        "measure": "Mahalanobis distance of the channel means of a middle block",
        "threshold": threshold,
        "passed_calibration": PASSED,
        "stopped": measure_strangers(artifact, detector, threshold, others),
        "stopped_when_changed": measure_changed(artifact, parts["validation"][::6], detector, threshold),
    }
    return metadata | fitted


def fit_decision(metadata: dict, parts: dict, seen: dict[str, Observations]) -> dict:
    """The part of model.json that turns logits and facts into probabilities, sets and decisions."""
    labels = {name: labels_of(part) for name, part in parts.items()}
    facts = {name: [facts_of(record) for record in part] for name, part in parts.items()}
    counts = np.bincount(labels["train"], minlength=len(CLASSES))
    prior = (counts + 0.5) / (counts + 0.5).sum()
    # Softmax over examples drawn in proportion to s(y) learns p(y|x) s(y) / p(y): undo it.
    sampled = np.asarray(metadata["training"]["class_prior"], dtype=float)
    start = np.log(prior) - np.log(sampled)
    groups = np.array([record.lesion_id for record in parts["calibration"]])
    chosen = choose_calibration(seen["calibration"].logits, labels["calibration"], groups, start)
    temperature, offsets = chosen["temperature"], chosen["offsets"]

    def from_image(name):
        return softmax(seen[name].logits / temperature + offsets)

    fusion = fit_fusion(facts["train"], labels["train"], prior)
    alone = losses_alone(fusion, facts, labels, prior)
    weight, losses = choose_fusion_weight(
        fusion, from_image("calibration"), facts["calibration"], labels["calibration"]
    )
    fusion = Fusion(fusion.age, fusion.sex, fusion.site, weight)
    held_out = ("validation", "calibration")
    both = np.concatenate([from_image(name) for name in held_out])
    both_labels = np.concatenate([labels[name] for name in held_out])
    both_facts = [one for name in held_out for one in facts[name]]
    quantiles = {}
    for known in SUBSETS:
        fused = fuse_all(fusion, both, both_facts, known)
        values = conformal.class_quantiles(fused, both_labels, LEVEL)
        quantiles["+".join(known) or "none"] = dict(zip(CLASSES, values.tolist(), strict=True))
    return {
        "prior": prior.tolist(),
        "temperature": temperature,
        "logit_adjustment": offsets.tolist(),
        "calibration": {"method": chosen["method"], "log_loss_cross_validated": chosen["losses"]},
        "metadata_fusion": fusion.to_json() | {"log_loss_by_weight": losses, "log_loss_alone": alone},
        "thresholds": decision_thresholds(fused, both_labels),
        "conformal": {
            "level": LEVEL,
            "quantiles": quantiles,
            "n": dict(zip(CLASSES, np.bincount(both_labels, minlength=7).tolist(), strict=True)),
        },
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.calibrate", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--manifests", type=Path, default=MANIFESTS)
    parser.add_argument("--views", choices=sorted(VIEWS), default="none", help="test-time augmentation")
    parser.add_argument("--others", type=Path, metavar="DIR", help="more pictures of other things, to be stopped")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        records = read_dataset(options.data)
        parts = {name: read_split(records, name, options.manifests) for name in SPLITS}
        fitted = calibrate(options.artifact, parts, options.views, options.workers, options.others)
    except (OSError, ValueError) as error:
        print(f"cannot calibrate: {error}", file=sys.stderr)
        return 1
    model_json.add_step(fitted, "ml.calibrate", arguments or sys.argv[1:], started)
    model_json.write(options.artifact, fitted)
    Classifier.load(options.artifact)
    print(f"temperature {fitted['temperature']:.3f}, {fitted['calibration']['method']}")
    print(f"fusion weight {fitted['metadata_fusion']['weight']:g}")
    print(f"thresholds {json.dumps(fitted['thresholds'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
