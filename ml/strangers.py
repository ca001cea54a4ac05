"""Fit the out-of-distribution score, and measure what its threshold stops.

Half of the photographs it is fitted to are shown darker or brighter than they were taken, so that
a lamp, a camera or dark skin alone makes no stranger.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ml import negatives, preprocess
from ml.data import shortened
from ml.files import files_below
from ml.labels import CLASSES, MALIGNANT_INDICES
from ml.metadata import softmax
from ml.observe import labels_of, observe_images, observe_paths
from ml.out_of_distribution import Detector, fit_detector, is_strange
from ml.tables import PICTURE_SUFFIXES

PASSED = 0.99
LARGEST_CLASS = 500
# Every level of every pixel is multiplied by a factor drawn from here, evenly in its logarithm.
EXPOSURES = (0.45, 1.4)


def fit_strangeness(artifact: Path, train: list, usual: np.ndarray, *, workers: int = 2, cache: Path | None = None):
    """(Detector, threshold) from records of the training split and the features (N, D) of the
    calibration photographs, of which the threshold passes PASSED."""
    few = at_most(train, LARGEST_CLASS)  # a few hundred of a class show how they vary
    # `at_most` mixes the classes, so every other one is a fair half.
    as_taken, exposed = few[0::2], few[1::2]
    random = np.random.default_rng(0)
    factors = np.exp(random.uniform(*np.log(EXPOSURES), len(exposed)))
    pictures = [
        partial(_changed, record.path, partial(expose, factor=factor))
        for record, factor in zip(exposed, factors, strict=True)
    ]
    paths = [record.path for record in as_taken]
    seen = observe_paths(artifact, paths, views="none", workers=workers, title="train", cache=cache)
    shifted = observe_images(artifact, pictures, views="none", workers=workers)
    detector = fit_detector(np.concatenate([seen.features, shifted.features]))
    return detector, float(np.quantile(detector.score(usual), PASSED))


def expose(image: Image.Image, factor: float) -> Image.Image:
    """The picture with every level multiplied by `factor`."""
    return image.point(lambda level: level * factor)


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


def measure_strangers(artifact: Path, detector: Detector, threshold: float, others: Sequence[Path] = ()) -> dict:
    """The share of pictures of other things that the threshold stops, a kind.

    others: files of further pictures (see readable_pictures).
    """
    kinds = negatives.generated(each=20, seed=1)
    kinds["photograph of something else"] = negatives.packaged_photographs(seed=1)
    kinds = {kind: [partial(Image.Image.copy, picture) for picture in pictures] for kind, pictures in kinds.items()}
    kinds["other pictures"] = [partial(_decode, path) for path in others]
    result = {}
    for kind, pictures in kinds.items():
        if pictures:
            seen = observe_images(artifact, pictures, views="none")
            is_stopped = is_strange(detector.score(seen.features), threshold, seen.has_colour)
            result[kind] = {"n": len(pictures), "stopped": float(is_stopped.mean())}
    return result


def readable_pictures(directory: Path) -> list[Path]:
    """The pictures of a folder. Raises preprocess.UnreadableImage for those that cannot be read."""
    paths, faults = files_below(directory, PICTURE_SUFFIXES), []
    for path in paths:
        try:
            _decode(path)
        except (preprocess.UnreadableImage, OSError) as error:
            faults.append(str(error))
    if faults:
        raise preprocess.UnreadableImage("\n".join([f"{len(faults)} unreadable files:", shortened(faults, "\n")]))
    return paths


def _decode(path: Path) -> Image.Image:
    try:
        return preprocess.decode(path.read_bytes())
    except preprocess.UnreadableImage as error:
        raise preprocess.UnreadableImage(f"{path}: {error}") from error


def measure_changed(artifact: Path, records: list, detector: Detector, threshold: float, fitted: dict) -> dict:
    """What becomes of real photographs once they are changed, a change: the shares 0..1 that are stopped, of
    the cancers those "missed", neither stopped nor marked, and of the others those "marked", from one view
    and no facts.

    fitted: temperature, logit_adjustment and thresholds of model.json. Darkening stands in, poorly, for
    dark skin, of which the data hold next to none.
    """
    is_cancer = np.isin(labels_of(records), MALIGNANT_INDICES)
    marked_from = fitted["thresholds"]["malignancy"]["sensitivity_95"]
    result = {}
    for name, change in negatives.CHANGES.items():
        seen = observe_images(artifact, [partial(_changed, record.path, change) for record in records], views="none")
        probabilities = softmax(seen.logits / fitted["temperature"] + np.asarray(fitted["logit_adjustment"]))
        is_stopped = is_strange(detector.score(seen.features), threshold, seen.has_colour)
        is_marked = probabilities[:, list(MALIGNANT_INDICES)].sum(axis=1) >= marked_from
        result[name] = {
            "n": len(records),
            "n_malignant": int(is_cancer.sum()),
            "stopped": float(is_stopped.mean()),
            "missed": float((~is_stopped & ~is_marked)[is_cancer].mean()),
            "marked": float((~is_stopped & is_marked)[~is_cancer].mean()),
        }
    return result


def _changed(path: Path, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    return change(_decode(path))
