"""Which photographs a model was made with: known by their ids, and under other names by what they show.

Beside the manifests of a split lie the signs of these photographs' fingerprints, 128 bytes each. A
copy in another size or compression is known by them; one of under 64 pixels, turned or cut is not.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from ml.perceptual_hash import SIDE, perceptual_hash
from ml.tables import read_rows

PARTS = ("train", "validation", "calibration")  # the parts of a split that a model is made of
SIGNS = "made_with.npy"
MIDDLE = 0.8  # of the width and height: dark round edges make unlike photographs agree
# Measured on HAM10000: with its own signs a photograph agrees by at least 0.90, at 64 to 224 pixels and
# compressed hard, with those of another lesion by at most 0.80.
LEAST_AGREEMENT = 0.85
_BLOCK = 1000  # photographs compared at a time: bounds the memory


def fingerprint(image: Image.Image) -> np.ndarray:
    """The perceptual hash, float32 (1024,), of a picture's middle."""
    margins = [(1 - MIDDLE) / 2 * side for side in image.size]
    box = (*margins, *(side - margin for side, margin in zip(image.size, margins, strict=True)))
    return perceptual_hash(image.resize((SIDE, SIDE), Image.Resampling.BOX, box=box))


def write_signs(manifests: Path, fingerprints: list[np.ndarray]) -> None:
    """Keep beside the manifests what the photographs of PARTS look like."""
    np.save(manifests / SIGNS, np.packbits(np.array(fingerprints) > 0, axis=-1))


def ids_made_with(manifests: Path) -> set[str]:
    """The image ids that a model of these manifests is made of."""
    return {row["image_id"] for name in PARTS for row in read_rows(manifests / f"{name}.csv")}


def are_made_with(image_ids: list[str], fingerprints: np.ndarray, manifests: Path) -> np.ndarray:
    """bool (N,): which photographs a model of these manifests is made of, by id or by fingerprint (N, 1024).

    A split from before signs were kept knows its photographs by their ids alone.
    """
    ids, signs = ids_made_with(manifests), manifests / SIGNS
    by_id = np.array([one in ids for one in image_ids])
    return by_id | _are_known(fingerprints, np.load(signs)) if signs.exists() else by_id


def _are_known(fingerprints: np.ndarray, signs: np.ndarray) -> np.ndarray:
    known = 2 * np.unpackbits(signs, axis=-1).astype(np.float32).T - 1
    blocks = [fingerprints[start : start + _BLOCK] for start in range(0, len(fingerprints), _BLOCK)]
    best = np.concatenate([(block @ known).max(axis=1) for block in blocks])
    # Of a picture without detail nothing can be said: all that it holds is 0, and 0 is not enough.
    return best > LEAST_AGREEMENT * np.abs(fingerprints).sum(axis=1)
