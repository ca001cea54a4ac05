"""A fingerprint of fine detail that near-identical pictures share.

A sign-only difference hash was tried first: the dark round edge that a dermatoscope leaves
made hundreds of unlike pictures agree. Without the coarse light and shade they do not.
"""

import numpy as np
from PIL import Image, ImageFilter

SIDE = 32
# Measured on HAM10000 across lesion ids: one pair at 0.99, the next, unlike, at 0.95.
MIN_CORRELATION = 0.97


def perceptual_hash(image: Image.Image) -> np.ndarray:
    """Unit vector, float32 (1024,): grey 32 x 32 without its low frequencies. Blind to
    size, compression, brightness and contrast; zero for a picture without detail.
    """
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    shade = grey.filter(ImageFilter.GaussianBlur(2.5))
    detail = np.asarray(grey, np.float32) - np.asarray(shade, np.float32)
    detail = (detail - detail.mean()).ravel()
    length = np.linalg.norm(detail)
    return detail / length if length > 1 else np.zeros_like(detail)


def near_identical(hashes: np.ndarray, min_correlation: float = MIN_CORRELATION) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of rows of `hashes` (N, 1024) that correlate at least so much."""
    pairs = []
    for start in range(0, len(hashes), 1024):
        block = hashes[start : start + 1024]
        rows, columns = np.nonzero(block @ hashes[start:].T >= min_correlation)
        pairs += [(start + int(i), start + int(j)) for i, j in zip(rows, columns, strict=True)]
    return [(i, j) for i, j in pairs if i < j]
