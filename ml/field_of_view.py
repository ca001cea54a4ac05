"""The round view through a dermatoscope, where a photograph shows the dark tube around it.

Phones in front of a dermatoscope often take the whole circle. HAM10000's photographs were cut from
inside of it, so a network that learnt from them has hardly seen the tube.
"""

import numpy as np
from PIL import Image, ImageFilter

LONG_SIDE = 128  # the circle is looked for on so small a copy
DARK = 40  # of 255: no channel of the tube is brighter
LEAST_DARK = 0.13  # of the picture: dark corners are usual in the data
AGREEMENT = 0.96  # of the pixels have to be lit inside of the circle and dark outside
# Of the diameter: a 4:3 part so wide has corners as dark as HAM10000's darkest; and one that holds none of the tube.
KEPT_WIDTH = 0.875
CLEAR_WIDTH = 0.78


def find_circle(image: Image.Image) -> tuple[float, float, float] | None:
    """(x, y, radius), in pixels, of the round view in an RGB picture; None where no tube is seen."""
    scale = LONG_SIDE / max(image.size)
    small = image.resize([max(8, round(side * scale)) for side in image.size], Image.Resampling.BOX)
    brightest = Image.fromarray(np.asarray(small).max(axis=2)).filter(ImageFilter.MedianFilter(5))
    lit = _filled(np.asarray(brightest) > DARK)
    if not lit.any() or 1 - lit.mean() < LEAST_DARK:
        return None
    edge = _edge(lit)
    if len(edge) < LONG_SIDE / 4:
        return None
    x, y, radius = _fitted(edge)
    rows, columns = np.mgrid[: lit.shape[0], : lit.shape[1]]
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    if (inside == lit).mean() < AGREEMENT:
        return None
    return (x + 0.5) / scale, (y + 0.5) / scale, radius / scale


def inside_of(
    circle: tuple[float, float, float], size: tuple[int, int], width: float = KEPT_WIDTH
) -> tuple[float, float, float, float]:
    """The 4:3 part (left, top, right, bottom) around the middle of the circle that a picture of (width,
    height) holds; `width` is its share of the diameter."""
    x, y, radius = circle
    half_width = width * radius
    half_height = half_width * 3 / 4
    return max(0, x - half_width), max(0, y - half_height), min(size[0], x + half_width), min(size[1], y + half_height)


def _filled(lit: np.ndarray) -> np.ndarray:
    """Each row lit from its first to its last lit pixel: a lesion may be as dark as the tube."""
    from_left = np.logical_or.accumulate(lit, axis=1)
    from_right = np.logical_or.accumulate(lit[:, ::-1], axis=1)[:, ::-1]
    return from_left & from_right


def _edge(lit: np.ndarray) -> np.ndarray:
    """(N, 2) x and y of each row's first and last lit pixel, without those where the picture ends."""
    rows = np.flatnonzero(lit.any(axis=1))
    first, last = lit.argmax(axis=1)[rows], lit.shape[1] - 1 - lit[:, ::-1].argmax(axis=1)[rows]
    left = np.stack([first, rows], axis=1)[first > 0]
    right = np.stack([last, rows], axis=1)[last < lit.shape[1] - 1]
    return np.concatenate([left, right]).astype(float)


def _fitted(points: np.ndarray) -> tuple[float, float, float]:
    """The circle (x, y, radius) nearest to the points in least squares (Kåsa's fit)."""
    system = np.column_stack([2 * points, np.ones(len(points))])
    x, y, rest = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return x, y, float(np.sqrt(max(0.0, rest + x**2 + y**2)))
