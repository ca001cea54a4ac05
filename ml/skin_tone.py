"""Individual typology angle (ITA) of the skin around a lesion, and its usual six groups.

ITA = atan((L* - 50) / b*) in degrees; high is light (Chardon et al., Int. J. Cosmet. Sci. 1991;
groups as used on dermoscopy by Kinyanjui et al., MICCAI 2020).

Limits: a dermatoscope's lamp, polarisation, white balance and contact pressure change the angle by
more than the width of a group, and no HAM10000 photograph comes with a measured skin type. A group
says how light the skin looks in the photograph, not which skin type the person has.
"""

import numpy as np
from PIL import Image

GROUPS = ("very light", "light", "intermediate", "tan", "brown", "dark")
_LOWEST_ANGLES = (55.0, 41.0, 28.0, 10.0, -30.0)  # of all groups but the last, in degrees
_WORKING_SIZE = (96, 72)
_LEAST_SHARE = 0.05


def typology_angle(photo: Image.Image) -> float | None:
    """ITA in degrees of an RGB photograph, or None where too little plain skin shows."""
    small = photo.resize(_WORKING_SIZE, Image.Resampling.BILINEAR)
    lab = srgb_to_lab(np.asarray(small, dtype=float) / 255)
    lightness = lab[..., 0]
    usable = lightness > 15  # the dark corners of a dermatoscope's tube
    if usable.mean() < _LEAST_SHARE:
        return None
    skin = usable & ~_centre() & (lightness >= otsu_threshold(lightness[usable]))
    if skin.mean() < _LEAST_SHARE:
        return None
    low, high = np.percentile(lightness[skin], (10, 90))  # hairs below, glare above
    plain = lab[skin & (lightness >= low) & (lightness <= high)]
    l_star, _, b_star = np.median(plain, axis=0)
    return float(np.degrees(np.arctan2(l_star - 50, max(b_star, 1e-6))))


def group(angle: float | None) -> str:
    """The group of an angle in degrees; "unknown" for None."""
    if angle is None:
        return "unknown"
    for name, lowest in zip(GROUPS, _LOWEST_ANGLES, strict=False):
        if angle > lowest:
            return name
    return GROUPS[-1]


def srgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* under D65, (..., 3), from sRGB (..., 3) in 0..1 (IEC 61966-2-1)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    relative = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    root = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def otsu_threshold(values: np.ndarray, bins: int = 64) -> float:
    """The value that splits `values` into the two groups most unlike each other (Otsu, 1979)."""
    counts, edges = np.histogram(values, bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums / below - (sums[-1] - sums) / above
    between = np.nan_to_num(below * above * gap**2)
    return float(edges[between.argmax() + 1])


def _centre() -> np.ndarray:
    """Where the lesion mostly lies: an ellipse of half the photograph's width and height."""
    width, height = _WORKING_SIZE
    y, x = np.mgrid[0:height, 0:width]
    return ((x / (width - 1) - 0.5) / 0.25) ** 2 + ((y / (height - 1) - 0.5) / 0.25) ** 2 < 1
