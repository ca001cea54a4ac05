"""Can this photo be judged? Cheap measures at one small working size, and what to do about each problem.

The thresholds were set on 1,000 photos of HAM10000 and tried on 1,000 others; benchmarks/quality_gate.py
prints how often they raise a false alarm and what they catch. static/js/quality.js measures the first
five problems in the browser in the same way. At the working size only coarse blur shows: about what the
network can see, not all that a person can.
"""

import numpy as np
from flask_babel import lazy_gettext as _
from PIL import Image, ImageFilter

from ml.field_of_view import CLEAR_WIDTH, find_circle, inside_of
from ml.light import LEAST_COLOUR, LUMA, brightness, colour
from ml.skin_tone import otsu_threshold, typology_angle

PROBLEMS = ("blurred", "dark", "overexposed", "small", "colourless", "touches_border")
HINTS = ("hair", "ruler")

WORKING_SIDE = 200  # the longer side, in pixels
OUTLINE_SIDE = 96

# In per cent of the photo's own brightness; a hundredth of the sharpest photos' value.
LEAST_SHARPNESS = 2.5
# 0..255. Next to every photo of HAM10000 lies above 128; far lower, so that dark skin is not called a dark photo.
LEAST_BRIGHTNESS = 85
MOST_CLIPPED = 0.2
# Below this even the network, which looks at a small copy, misses detail.
LEAST_SHORT_SIDE_PX = 140
MOST_BORDER = 0.2
MOST_HAIR = 0.04

# On what the browser measures, too, while the photo can still be taken again.
ADVICE = {
    "blurred": _("The photo is blurred. Rest your hand and hold still. If it stays blurred, wipe the lens."),
    "dark": _("The photo is dark. Turn on more light or go near a window."),
    "overexposed": _("The photo is too bright. Turn off the flash or step out of the sun."),
    "small": _("The photo has too few pixels. Move closer instead of cutting it, and send the full photo."),
    "colourless": _("The photo has no colour. Turn off the camera's filter and take it again."),
}


def measure_quality(image: Image.Image) -> dict:
    """Measures of an upright RGB photo, JSON-able, with the PROBLEMS and HINTS they amount to.

    Of a photo that shows the dark tube of a dermatoscope, those of the round view.

    sharpness: per cent of brightness; brightness: 95th percentile of luma, 0..255; clipped_share:
    of channel values at 250 or more, 0..1; colour: see ml.light; border_share: of the side that the
    lesion touches most, 0..1; hair_share: 0..1; typology_angle: degrees or None, see ml.skin_tone.
    """
    whole, circle = image, find_circle(image)
    if circle:
        # The tube's edge is sharp however soft the skin is.
        image = image.crop([round(edge) for edge in inside_of(circle, image.size, CLEAR_WIDTH)])
    small = fit_within(image, WORKING_SIDE)
    pixels = np.asarray(small, dtype=float)
    luma = pixels @ LUMA
    lesion, border_share = outline_lesion(image)
    if circle:
        _, border_share = outline_lesion(whole)  # where the clear part ends, the view does not
    lines = thin_dark_lines(small)
    measures = {
        "sharpness": sharpness(luma),
        "brightness": brightness(pixels),
        "clipped_share": float((pixels >= 250).mean()),
        "short_side_px": min(image.size),
        "colour": colour(pixels),
        "border_share": border_share,
        "hair_share": hair_share(lines, lesion),
    }
    rounded = {name: round(value, 4) for name, value in measures.items()}
    angle = typology_angle(image)
    return rounded | {
        "typology_angle": None if angle is None else round(angle, 1),
        "problems": find_problems(measures),
        "hints": find_hints(measures, lines),
    }


def find_problems(measures: dict) -> list[str]:
    is_dark = measures["brightness"] < LEAST_BRIGHTNESS
    found = {
        # Noise and rounding rule a very dark photo: only light can tell whether it is sharp.
        "blurred": measures["sharpness"] < LEAST_SHARPNESS and not is_dark,
        "dark": is_dark,
        "overexposed": measures["clipped_share"] > MOST_CLIPPED,
        "small": measures["short_side_px"] < LEAST_SHORT_SIDE_PX,
        "colourless": measures["colour"] < LEAST_COLOUR and not is_dark,
        "touches_border": measures["border_share"] > MOST_BORDER,
    }
    return [problem for problem in PROBLEMS if found[problem]]


def find_hints(measures: dict, lines: np.ndarray) -> list[str]:
    found = {"hair": measures["hair_share"] > MOST_HAIR, "ruler": has_ruler(lines)}
    return [hint for hint in HINTS if found[hint]]


def fit_within(image: Image.Image, side: int) -> Image.Image:
    """The photo with its longer side at `side` pixels, each pixel the mean of those it stands for."""
    scale = side / max(image.size)
    size = tuple(max(1, round(length * scale)) for length in image.size)
    return image.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)


def sharpness(luma: np.ndarray) -> float:
    """How strong the finest edges are in the direction where they are weakest, in per cent of brightness.

    The 99th percentile of the second difference along rows, columns and both diagonals: defocus
    weakens all four, a shaken hand the one it moved along. Dividing by the brightness keeps an
    under-exposed photo from passing for a blurred one.
    """
    middle = 2 * luma[1:-1, 1:-1]
    neighbours = (
        luma[1:-1, :-2] + luma[1:-1, 2:],
        luma[:-2, 1:-1] + luma[2:, 1:-1],
        # A diagonal step is longer; halving makes white noise count alike in all four.
        (luma[:-2, :-2] + luma[2:, 2:] + middle) / 2,
        (luma[:-2, 2:] + luma[2:, :-2] + middle) / 2,
    )
    weakest = min(np.percentile(np.abs(pair - middle), 99) for pair in neighbours)
    return float(100 * weakest / max(np.percentile(luma, 90), 1))


def outline_lesion(image: Image.Image) -> tuple[np.ndarray, float]:
    """The lesion as a mask (h, w) at OUTLINE_SIDE, and the share 0..1 of a picture side that it covers at most.

    Everything darker than Otsu's threshold and connected to the middle; corners do not count, since
    a dermatoscope's tube darkens them. Where light and dark do not part clearly the share is 0.
    """
    tiny = fit_within(image, OUTLINE_SIDE).filter(ImageFilter.BoxBlur(2))
    luma = np.asarray(tiny, dtype=float) @ LUMA
    usable = luma > 30
    if usable.sum() < 100 or np.ptp(luma[usable]) < 1:
        return np.zeros(luma.shape, dtype=bool), 0.0
    is_darker = (luma < otsu_threshold(luma[usable])) & usable
    lesion = connected_to(is_darker & _middle(luma.shape), is_darker)
    if not _parts_clearly(luma[usable], is_darker[usable]):
        return lesion, 0.0
    y, x = (round(length / 5) for length in lesion.shape)
    sides = (lesion[0, x:-x], lesion[-1, x:-x], lesion[y:-y, 0], lesion[y:-y, -1])
    return lesion, float(max(side.mean() for side in sides))


def connected_to(seed: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The part of a mask (h, w) that can be reached from the seed without leaving it."""
    reached, count = seed, -1
    while reached.sum() > count:
        count = reached.sum()
        around = np.pad(reached, 1)
        reached = mask & (
            around[1:-1, 1:-1] | around[:-2, 1:-1] | around[2:, 1:-1] | around[1:-1, :-2] | around[1:-1, 2:]
        )
    return reached


def thin_dark_lines(small: Image.Image) -> np.ndarray:
    """Where a line thinner than 7 pixels is darker than what is beside it: bool (h, w) (black top-hat)."""
    grey = small.convert("L")
    closed = grey.filter(ImageFilter.MaxFilter(7)).filter(ImageFilter.MinFilter(7))
    return np.asarray(closed, dtype=int) - np.asarray(grey, dtype=int) > 25


def hair_share(lines: np.ndarray, lesion: np.ndarray) -> float:
    """The share 0..1 of the skin around the lesion that thin dark lines cover."""
    height, width = lines.shape
    skin = ~np.asarray(Image.fromarray(lesion).resize((width, height)))
    return float(lines[skin].mean()) if skin.any() else 0.0


def has_ruler(lines: np.ndarray) -> bool:
    """Whether thin dark marks stand in a row at even distances near one edge."""
    return any(_has_even_marks(np.rot90(lines, turns)) for turns in range(4))


def _has_even_marks(lines):
    depth = max(6, len(lines) // 12)
    for top in range(0, 2 * depth, depth // 2):
        is_mark = lines[top : top + depth].mean(axis=0) > 0.5
        starts = np.flatnonzero(np.diff(is_mark.astype(int)) == 1)
        gaps = np.diff(starts)
        if len(gaps) >= 6 and gaps.std() < 0.15 * gaps.mean():
            return True
    return False


def _middle(shape):
    height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    return ((x / (width - 1) - 0.5) / 0.25) ** 2 + ((y / (height - 1) - 0.5) / 0.25) ** 2 < 1


def _parts_clearly(luma, is_darker):
    """Whether two groups of luma explain most of its variance and differ by more than shading does."""
    if is_darker.all() or not is_darker.any():
        return False
    gap = luma[~is_darker].mean() - luma[is_darker].mean()
    share = is_darker.mean()
    return gap > 35 and share * (1 - share) * gap**2 > 0.72 * luma.var()
