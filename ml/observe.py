"""Run the exported network over many photographs: what measuring and calibrating start from."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from PIL import Image

from ml import preprocess, skin_tone
from ml.classifier import Classifier
from ml.labels import INDEX

try:
    from tqdm import tqdm
except ImportError:  # a serving install has no progress bar

    def tqdm(iterable, **_):
        return iterable


@dataclass(frozen=True)
class Observations:
    """Of N photographs: raw outputs, and what the slices need."""

    logits: np.ndarray  # (N, 7)
    features: np.ndarray  # (N, D)
    skin_angles: list[float | None]  # degrees
    sizes: list[tuple[int, int]]  # width, height in pixels


def observe_paths(
    directory: Path, paths: list[Path], *, views: str | None = None, workers: int = 2, title: str = ""
) -> Observations:
    """Outputs of the artefact in `directory` for every file, in order.

    Raises preprocess.UnreadableImage, naming every file that cannot be read, before any result.
    """
    bad = []

    def look(classifier: Classifier, path: Path):
        try:
            image = preprocess.decode(Path(path).read_bytes())
        except (OSError, preprocess.UnreadableImage) as error:
            bad.append(f"{path}: {error}")
            return None
        return _one(classifier, image)

    seen = _spread(directory, paths, look, views, workers, title)
    if bad:
        raise preprocess.UnreadableImage("\n".join(sorted(bad)))
    return _stack(seen)


def observe_images(
    directory: Path, images: list[Image.Image], *, views: str | None = None, workers: int = 2
) -> Observations:
    """The same for photographs that are already decoded."""
    return _stack(_spread(directory, images, _one, views, workers, ""))


def facts_of(record) -> dict:
    """The facts of a data.Record that the metadata fusion understands."""
    return {"age": record.age, "sex": record.sex, "site": record.site}


def labels_of(records) -> np.ndarray:
    """Class indices (N,)."""
    return np.array([INDEX[record.label] for record in records], dtype=int)


def _one(classifier: Classifier, image: Image.Image):
    image = image.convert("RGB")
    seen = classifier.observe(image)
    return seen.logits, seen.features, skin_tone.typology_angle(image), image.size


def _spread(directory, items, look, views, workers, title) -> list:
    # One thread a network on each core beats two threads in one: a forward pass is short.
    idle = SimpleQueue()
    for _ in range(workers):
        idle.put(Classifier.load(directory, threads=1, views=views))

    def task(item):
        classifier = idle.get()
        try:
            return look(classifier, item)
        finally:
            idle.put(classifier)

    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(task, items)
        return list(tqdm(results, total=len(items), desc=title, disable=None, unit="photo"))


def _stack(seen: list) -> Observations:
    logits, features, angles, sizes = zip(*seen, strict=True)
    return Observations(np.stack(logits), np.stack(features), list(angles), list(sizes))
