"""Run the exported network over many photographs: what measuring and calibrating start from."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from PIL import Image
from tqdm import tqdm

from ml import preprocess, skin_tone
from ml.classifier import VIEWS, Classifier
from ml.labels import INDEX
from ml.light import has_colour
from ml.looks import Look, Looks


@dataclass(frozen=True)
class Observations:
    """Of N photographs: raw outputs, and what the slices need."""

    logits: np.ndarray  # (N, 7)
    features: np.ndarray  # (N, D)
    skin_angles: list[float | None]  # degrees
    has_colour: np.ndarray  # bool (N,)
    sizes: list[tuple[int, int]]  # width, height in pixels


def observe_paths(
    directory: Path,
    paths: list[Path],
    *,
    views: str | None = None,
    workers: int = 2,
    title: str = "",
    cache: Path | None = None,
) -> Observations:
    """Outputs of the artefact in `directory` for every file, in order.

    cache: a folder that keeps them for the next command.
    Raises preprocess.UnreadableImage, naming every file that cannot be read, before any result.
    """
    bad, looks = [], Looks(cache, directory)

    def look(classifier: Classifier, path: Path):
        try:
            content = Path(path).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            known = looks.get(digest)
            seen = _look(classifier, lambda: preprocess.decode(content), known)
        except (OSError, preprocess.UnreadableImage) as error:
            bad.append(f"{path}: {error}")
            return None
        if seen is not known:
            looks.put(digest, seen)
        return seen, VIEWS[classifier.test_time_augmentation]

    seen = _spread(directory, paths, look, views, workers, title)
    looks.save()
    if bad:
        raise preprocess.UnreadableImage("\n".join(sorted(bad)))
    return _stack(seen)


def observe_images(
    directory: Path, pictures: list[Callable[[], Image.Image]], *, views: str | None = None, workers: int = 2
) -> Observations:
    """The same for pictures that are made when their turn comes: only `workers` of them are there at once."""

    def look(classifier: Classifier, make: Callable[[], Image.Image]):
        return _look(classifier, lambda: make().convert("RGB")), VIEWS[classifier.test_time_augmentation]

    return _stack(_spread(directory, pictures, look, views, workers, ""))


def facts_of(record) -> dict:
    """The facts of a data.Record that the metadata fusion understands."""
    return {"age": record.age, "sex": record.sex, "site": record.site}


def labels_of(records) -> np.ndarray:
    """Class indices (N,)."""
    return np.array([INDEX[record.label] for record in records], dtype=int)


def _look(classifier: Classifier, decode: Callable[[], Image.Image], known: Look | None = None) -> Look:
    """What the classifier's views show; of what is known already nothing is computed again."""
    wanted = VIEWS[classifier.test_time_augmentation]
    missing = [view for view in wanted if known is None or view not in known.logits]
    if not missing:
        return known
    image = decode()
    tensor = preprocess.to_tensor(image, classifier.metadata["input_size"])
    seen = {view: classifier.look(tensor, view) for view in missing}
    logits = {view: one.logits for view, one in seen.items()}
    if known is not None:
        return replace(known, logits=known.logits | logits)
    # Every set of views begins with the plain one.
    angle, is_coloured = skin_tone.typology_angle(image), has_colour(tensor[0])
    return Look(image.size, angle, is_coloured, seen[wanted[0]].features, logits)


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


def _stack(seen: list[tuple[Look, tuple]]) -> Observations:
    return Observations(
        logits=np.stack([np.mean([look.logits[view] for view in views], axis=0) for look, views in seen]),
        features=np.stack([look.features for look, _ in seen]),
        skin_angles=[look.skin_angle for look, _ in seen],
        has_colour=np.array([look.has_colour for look, _ in seen], dtype=bool),
        sizes=[look.size for look, _ in seen],
    )
