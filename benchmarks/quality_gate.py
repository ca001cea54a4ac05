"""How often the quality gate is wrong on good photos, and what it catches of spoilt ones.

    python -m benchmarks.quality_gate ../shared/ham10000/images

Takes 1,000 photos that no threshold was set on, measures them as they are, then spoils the first
300 in known ways and measures those. "small" is left out: the copies of HAM10000 at hand are shrunk.
"""

import argparse
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from portal.quality import HINTS, measure_quality
from portal.triage import UNUSABLE

SEED = 7
FITTED = 1000  # the first so many of the shuffled photos set the thresholds
SPOILT = 300
MEASURED = tuple(code for code in UNUSABLE if code != "small")  # the data hold small photos alone


def in_stops(photo, stops):
    """Exposure changed by so many stops, in linear light (IEC 61966-2-1)."""
    encoded = np.asarray(photo, dtype=float) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    exposed = np.clip(linear * 2.0**stops, 0, 1)
    encoded = np.where(exposed <= 0.0031308, 12.92 * exposed, 1.055 * exposed ** (1 / 2.4) - 0.055)
    return Image.fromarray((255 * encoded).round().astype(np.uint8))


def defocused(photo, share):
    """Blurred by a Gaussian whose standard deviation is a share of the longer side."""
    return photo.filter(ImageFilter.GaussianBlur(share * max(photo.size)))


def shaken(photo, share, angle):
    """The mean of the photo moved along a line as long as a share of the longer side; angle in radians."""
    length = share * max(photo.size)
    margin = math.ceil(length) + 1
    wide = np.pad(np.asarray(photo, dtype=float), ((margin, margin), (margin, margin), (0, 0)), "reflect")
    height, width = photo.height, photo.width
    steps = np.linspace(-length / 2, length / 2, max(5, int(4 * length)))
    total = np.zeros((height, width, 3))
    for step in steps:
        top, left = round(margin + step * math.sin(angle)), round(margin + step * math.cos(angle))
        total += wide[top : top + height, left : left + width]
    return Image.fromarray((total / len(steps)).round().astype(np.uint8))


def hairy(photo, rng):
    """Forty dark curved hairs across the picture, each about a hundredth of its width wide."""
    drawn = photo.copy()
    pen = ImageDraw.Draw(drawn)
    for _ in range(40):
        points = [(rng.uniform(-0.2, 1.2) * photo.width, rng.uniform(-0.2, 1.2) * photo.height) for _ in range(3)]
        curve = [quadratic(points, step / 24) for step in range(25)]
        pen.line(curve, (45, 30, 25), max(1, photo.width // 100))
    return drawn


def quadratic(points, t):
    """A point of the quadratic Bezier curve through (first, control, last), t in 0..1."""
    (x0, y0), (x1, y1), (x2, y2) = points
    weights = (1 - t) ** 2, 2 * t * (1 - t), t**2
    return weights[0] * x0 + weights[1] * x1 + weights[2] * x2, weights[0] * y0 + weights[1] * y1 + weights[2] * y2


def with_ruler(photo):
    """Black millimetre marks along the lower edge."""
    drawn = photo.copy()
    pen = ImageDraw.Draw(drawn)
    step, top = photo.width / 20, photo.height * 0.9
    for mark in range(1, 20):
        pen.line((mark * step, top, mark * step, photo.height), (20, 20, 20), max(1, photo.width // 100))
    return drawn


def spoilings(rng):
    """(name, what the gate should say, how to spoil a photo)."""
    yield from (
        (f"defocus, {100 * s:g} % of the side", "blurred", lambda p, s=s: defocused(p, s)) for s in (0.01, 0.02)
    )
    yield from (
        (f"shaken, {100 * s:g} % of the side", "blurred", lambda p, s=s: shaken(p, s, rng.random() * math.pi))
        for s in (0.02, 0.03, 0.05)
    )
    yield from ((f"{s} stops under", "dark", lambda p, s=s: in_stops(p, -s)) for s in (2, 3, 4))
    yield from ((f"{s:g} stops over", "overexposed", lambda p, s=s: in_stops(p, s)) for s in (1, 1.5, 2))
    yield "without colour", "colourless", lambda p: p.convert("L").convert("RGB")
    yield "40 hairs drawn in", "hair", lambda p: hairy(p, rng)
    yield "a ruler drawn in", "ruler", with_ruler


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of .jpg photos, HAM10000's")
    paths = sorted(parser.parse_args().photos.glob("*.jpg"))
    random.Random(SEED).shuffle(paths)
    photos = [Image.open(path).convert("RGB") for path in paths[FITTED : FITTED + 1000]]
    if len(photos) < 1000:
        parser.error(f"too few .jpg photos in the folder: {len(paths)}, and {FITTED + 1000} are wanted")

    found = [measure_quality(photo) for photo in photos]
    said = Counter(code for quality in found for code in quality["problems"] + quality["hints"])
    wrong = sum(any(code in MEASURED for code in quality["problems"]) for quality in found)
    print(f"{len(photos)} photos as they are")
    for code in (*MEASURED, "touches_border", *HINTS):
        print(f"  {code:28} {said[code] / len(photos):7.1%}  n={said[code]}")
    print(f"  {'any of the first four':28} {wrong / len(photos):7.1%}  n={wrong}")

    print(f"{SPOILT} of them, spoilt")
    rng = random.Random(SEED)
    for name, code, spoil in spoilings(rng):
        caught = [measure_quality(spoil(photo)) for photo in photos[:SPOILT]]
        hits = sum(code in quality["problems"] + quality["hints"] for quality in caught)
        print(f"  {name:28} {hits / SPOILT:7.1%}  said {code}")


if __name__ == "__main__":
    main()
