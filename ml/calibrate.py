"""Fit everything after the network: calibration, thresholds, conformal sets, fusion, strangeness.

    python -m ml.calibrate --data DIR [--artifact ml/artifact]

Reads the exported network, runs it over the committed splits and rewrites model.json. Which split
gives what:
- training: class prior, terms of the metadata fusion, subspace of the out-of-distribution score;
- calibration: temperature, class offsets, weight of the fusion and a temperature after it, level of
  the out-of-distribution score;
- validation and calibration together: decision thresholds and conformal quantiles. A threshold at
  95 % sensitivity rests on the lowest 5 % of the positives, and validation alone has too few.
The test split is not read.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ml import conformal, metrics, model_json
from ml.classifier import ARTIFACT, VIEWS, Classifier
from ml.data import MANIFESTS, read_dataset, read_split
from ml.evaluate import SUBSETS
from ml.labels import CLASSES, INDEX, MALIGNANT_INDICES
from ml.made_with import PARTS
from ml.metadata import FACTS, Fusion, fit_fusion, softmax
from ml.observe import Observations, facts_of, labels_of, observe_paths
from ml.out_of_distribution import NAME
from ml.strangers import EXPOSURES, PASSED, fit_strangeness, measure_changed, measure_strangers, readable_pictures

LEVEL = 0.9
FUSION_WEIGHTS = tuple(np.round(np.arange(0, 1.01, 0.05), 2))
OFFSET_PULLS = (80.0, 20.0, 5.0)  # in photographs, towards the offsets that the sampling implies
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


def folds_of(groups: np.ndarray) -> np.ndarray:
    """A fold number (N,) for every photograph; a lesion is in one fold."""
    _, lesion = np.unique(groups, return_inverse=True)
    return np.random.default_rng(0).integers(0, _FOLDS, lesion.max() + 1)[lesion]


def choose_calibration(logits: np.ndarray, labels: np.ndarray, fold: np.ndarray, start: np.ndarray) -> dict:
    """Temperature alone, or with class offsets under a strong to a weak pull: whichever has the lowest
    log loss on held-out folds.

    Returns the fit on all the data, the cross-validated losses in nats, and the probabilities
    (N, 7) that each photograph gets from a fit without its fold.
    """
    penalties = {"temperature": None} | {f"temperature and offsets, pull {pull:g}": pull for pull in OFFSET_PULLS}
    losses, held_out = {}, {}
    for name, penalty in penalties.items():
        held_out[name] = np.full((len(labels), len(start)), np.nan)
        for out in _held_out(fold):
            temperature, offsets = fit_temperature(logits[~out], labels[~out], start, penalty)
            held_out[name][out] = softmax(logits[out] / temperature + offsets)
        losses[name] = metrics.negative_log_likelihood(labels, held_out[name])
    method = min(losses, key=losses.get)
    temperature, offsets = fit_temperature(logits, labels, start, penalties[method])
    return {
        "method": method,
        "losses": losses,
        "temperature": temperature,
        "offsets": offsets,
        "held_out": held_out[method],
    }


def fuse_all(fusion: Fusion, from_image: np.ndarray, facts: list[dict], known) -> np.ndarray:
    """Fused probabilities (N, 7) when only the facts in `known` are told."""
    told = [{name: one.get(name) for name in known} for one in facts]
    return np.stack([fusion.fuse(p, one) for p, one in zip(from_image, told, strict=True)])


def choose_fusion(fusion: Fusion, from_image, facts, labels, fold) -> tuple[Fusion, dict]:
    """The fusion with the weight of the lowest log loss with all facts told, and with a temperature
    after it where that lowers the loss on held-out folds; and every loss, in nats.

    from_image: what the photographs say by a calibration fitted without them: one fitted to them
    is too sure of itself, and a temperature after it would not notice.
    """
    losses = {}
    for weight in FUSION_WEIGHTS:
        fused = fuse_all(replace(fusion, weight=float(weight)), from_image, facts, FACTS)
        losses[f"{weight:g}"] = metrics.negative_log_likelihood(labels, fused)
    fusion = replace(fusion, weight=float(min(losses, key=losses.get)))
    logits = np.log(np.maximum(fuse_all(fusion, from_image, facts, FACTS), 1e-12))
    nothing = np.zeros(logits.shape[1])
    softened = np.full(logits.shape, np.nan)
    for out in _held_out(fold):
        temperature, _ = fit_temperature(logits[~out], labels[~out], nothing, None)
        softened[out] = softmax(logits[out] / temperature)
    after = {
        "without": metrics.negative_log_likelihood(labels, softmax(logits)),
        "with": metrics.negative_log_likelihood(labels, softened),
    }
    if after["with"] < after["without"]:
        fusion = replace(fusion, temperature=fit_temperature(logits, labels, nothing, None)[0])
    return fusion, {"log_loss_by_weight": losses, "log_loss_of_temperature": after}


def _held_out(fold: np.ndarray) -> Iterator[np.ndarray]:
    """For each fold, bool (N,): the photographs in it."""
    for one in np.unique(fold):
        yield fold == one


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
    and the one that 95 % of the negatives stay under.

    Raises ValueError where there is no positive or no negative to find one on.
    """
    risk = probabilities[:, list(MALIGNANT_INDICES)].sum(axis=1)
    targets = {
        "malignancy": (np.isin(labels, MALIGNANT_INDICES), risk),
        "melanoma": (labels == INDEX["mel"], probabilities[:, INDEX["mel"]]),
    }
    for name, (is_positive, _) in targets.items():
        if is_positive.all() or not is_positive.any():
            raise ValueError(f"validation and calibration need photographs with and without {name} for its thresholds")
    return {
        name: {
            "sensitivity_95": metrics.threshold_at_sensitivity(is_positive, scores, 0.95),
            "specificity_95": metrics.threshold_at_specificity(is_positive, scores, 0.95),
        }
        for name, (is_positive, scores) in targets.items()
    }


def calibrate(
    artifact: Path,
    parts: dict[str, list],
    views: str | None,
    *,
    workers: int = 2,
    others: Sequence[Path] = (),
    cache: Path | None = None,
) -> dict:
    """Fit all of it and return the new model.json; writes out_of_distribution.npz beside it.

    parts: the records of "train", "validation" and "calibration"; views: a key of VIEWS, or None
    for the artefact's own.
    """
    metadata = model_json.read(artifact)
    seen = {}
    for name in ("validation", "calibration"):
        paths = [record.path for record in parts[name]]
        seen[name] = observe_paths(artifact, paths, views=views, workers=workers, title=name, cache=cache)
    fitted = fit_decision(metadata, parts, seen)
    usual = seen["calibration"].features
    detector, threshold = fit_strangeness(artifact, parts["train"], usual, workers=workers, cache=cache)
    fitted["test_time_augmentation"] = views or metadata["test_time_augmentation"]
    fitted["out_of_distribution"] = {
        "measure": "Mahalanobis distance of the channel means of a middle block",
        "threshold": threshold,
        "passed_calibration": PASSED,
        "exposures": list(EXPOSURES),
        "stopped": measure_strangers(artifact, detector, threshold, others),
        "stopped_when_changed": measure_changed(artifact, parts["validation"][::2], detector, threshold, fitted),
    }
    # Last: whatever fails before must not leave a new detector beside the old threshold.
    fitted["out_of_distribution"]["sha256"] = detector.save(artifact / NAME)
    return model_json.recalibrated(metadata, fitted)


def fit_decision(metadata: dict, parts: dict, seen: dict[str, Observations]) -> dict:
    """The part of model.json that turns logits and facts into probabilities, sets and decisions."""
    labels = {name: labels_of(part) for name, part in parts.items()}
    facts = {name: [facts_of(record) for record in part] for name, part in parts.items()}
    counts = np.bincount(labels["train"], minlength=len(CLASSES))
    prior = (counts + 0.5) / (counts + 0.5).sum()
    # Softmax over examples drawn in proportion to s(y) learns p(y|x) s(y) / p(y): undo it.
    sampled = np.asarray(metadata["training"]["class_prior"], dtype=float)
    start = np.log(prior) - np.log(sampled)
    fold = folds_of(np.array([record.lesion_id for record in parts["calibration"]]))
    chosen = choose_calibration(seen["calibration"].logits, labels["calibration"], fold, start)
    temperature, offsets = chosen["temperature"], chosen["offsets"]

    fusion = fit_fusion(facts["train"], labels["train"], prior)
    alone = losses_alone(fusion, facts, labels, prior)
    fusion, losses = choose_fusion(fusion, chosen["held_out"], facts["calibration"], labels["calibration"], fold)
    held_out = ("validation", "calibration")
    # Of the calibration photographs, too, what a fit without them says: as of a photograph to come.
    both = np.concatenate([softmax(seen["validation"].logits / temperature + offsets), chosen["held_out"]])
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
        "metadata_fusion": fusion.to_json() | losses | {"log_loss_alone": alone},
        "thresholds": decision_thresholds(fuse_all(fusion, both, both_facts, FACTS), both_labels),
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
    parser.add_argument("--views", choices=sorted(VIEWS), help="test-time augmentation (default: the artefact's)")
    parser.add_argument("--others", type=Path, metavar="DIR", help="more pictures of other things, to be stopped")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the network's outputs there for other commands")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        others = readable_pictures(options.others) if options.others else ()
        records = read_dataset(options.data)
        parts = {name: read_split(records, name, options.manifests) for name in PARTS}
        shared = {"workers": options.workers, "others": others, "cache": options.cache}
        fitted = calibrate(options.artifact, parts, options.views, **shared)
    except (OSError, ValueError) as error:
        print(f"cannot calibrate: {error}", file=sys.stderr)
        return 1
    fitted["manifest_sha256"] = model_json.manifest_hashes(options.manifests)  # of whose photographs it all is
    model_json.add_step(fitted, "ml.calibrate", arguments or sys.argv[1:], started)
    model_json.write(options.artifact, fitted)
    Classifier.load(options.artifact)
    print(f"temperature {fitted['temperature']:.3f}, {fitted['calibration']['method']}")
    fusion = fitted["metadata_fusion"]
    print(f"fusion weight {fusion['weight']:g}, temperature after it {fusion['temperature']:.3f}")
    print(f"thresholds {json.dumps(fitted['thresholds'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
