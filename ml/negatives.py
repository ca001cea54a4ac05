"""Pictures that are plainly no dermoscopic lesion, to test the out-of-distribution score.

Some are generated; the photographs are those that scientific Python packages ship as examples.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = (600, 450)
PACKAGES = {
    "skimage": ("data",),
    "sklearn": ("datasets/images",),
    "matplotlib": ("mpl-data/sample_data",),
    "imageio": ("resources/images",),
}
CHANGES = {
    "none": lambda image: image,
    "half as bright": lambda image: image.point(lambda level: level * 0.5),
    "a third as bright": lambda image: image.point(lambda level: level / 3),
    "30 % brighter": lambda image: image.point(lambda level: level * 1.3),
    "warmer light": lambda image: Image.fromarray(np.uint8(np.asarray(image) * (1.0, 0.9, 0.75))),
    "without colour": lambda image: image.convert("L").convert("RGB"),
    # What a camera gives: the data set's photographs are smaller copies, and softer.
    "at 600 x 450": lambda image: image.resize(SIZE, Image.Resampling.LANCZOS),
    "the same, sharpened": lambda image: image.resize(SIZE, Image.Resampling.LANCZOS).filter(
        ImageFilter.UnsharpMask(radius=2, percent=80, threshold=0)
    ),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(image.width / 100)),
    "quarter turn": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "through a dark tube": lambda image: through_a_tube(image.resize(SIZE, Image.Resampling.BICUBIC)),
}
_WORDS = ("patient", "name", "date", "birth", "clinic", "invoice", "total", "amount", "received", "report")


def generated(each: int, seed: int = 0) -> dict[str, list[Image.Image]]:
    """`each` pictures of every kind, RGB, 600 x 450 pixels."""
    random = np.random.default_rng(seed)
    return {kind: [draw(random) for _ in range(each)] for kind, draw in _KINDS.items()}


def packaged_photographs(crops: int = 4, seed: int = 0) -> list[Image.Image]:
    """Every example photograph that is installed, whole and in `crops` random 4:3 parts."""
    random = np.random.default_rng(seed)
    pictures = []
    for path in packaged_paths():
        with Image.open(path) as image:
            whole = image.convert("RGB")
        pictures.append(whole)
        for _ in range(crops):
            width = int(min(whole.width, whole.height * 4 / 3) * random.uniform(0.4, 0.8))
            height = int(width * 3 / 4)
            left = int(random.integers(0, whole.width - width + 1))
            top = int(random.integers(0, whole.height - height + 1))
            pictures.append(whole.crop((left, top, left + width, top + height)))
    return pictures


def packaged_paths() -> Iterator[Path]:
    """The files of example photographs at least 200 pixels wide and high."""
    for package, folders in PACKAGES.items():
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            continue
        for folder in folders:
            for path in sorted((Path(found.origin).parent / folder).glob("*")):
                if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
                    continue
                with Image.open(path) as image:
                    if min(image.size) >= 200:
                        yield path


def through_a_tube(image: Image.Image) -> Image.Image:
    """The middle of a wide picture as the round view that a phone in front of a dermatoscope takes, in its tube."""
    width, height = image.size
    view = Image.new("L", image.size, 0)
    ImageDraw.Draw(view).ellipse(((width - height) // 2, 0, (width + height) // 2, height), fill=255)
    tube = Image.new("RGB", image.size, (6, 6, 6))
    return Image.composite(image, tube, view.filter(ImageFilter.GaussianBlur(2)))


def _flat(random) -> Image.Image:
    return Image.new("RGB", SIZE, tuple(int(level) for level in random.integers(0, 256, 3)))


def _black(random) -> Image.Image:
    noise = random.normal(random.uniform(0, 8), 3, (SIZE[1], SIZE[0], 3))
    return _from_array(noise)


def _noise(random) -> Image.Image:
    cell = int(random.choice((1, 2, 4, 8, 16)))
    channels = int(random.choice((1, 3)))
    shape = (SIZE[1] // cell + 1, SIZE[0] // cell + 1, channels)
    noise = np.broadcast_to(random.uniform(0, 255, shape), (*shape[:2], 3))
    return _from_array(noise).resize(SIZE, Image.Resampling.NEAREST)


def _gradient(random) -> Image.Image:
    corners = random.uniform(0, 255, (2, 2, 3))
    return _from_array(corners).resize(SIZE, Image.Resampling.BILINEAR)


def _text(random) -> Image.Image:
    page, draw = _paper(random)
    size = int(random.integers(12, 40))
    font = ImageFont.load_default(size)
    for y in range(10, SIZE[1], int(size * 1.4)):
        draw.text((12, y), " ".join(random.choice(_WORDS, 14)), fill=_ink(random), font=font)
    return page


def _document(random) -> Image.Image:
    page, draw = _paper(random)
    draw.text((30, 20), str(random.choice(_WORDS)).upper(), fill="black", font=ImageFont.load_default(36))
    for y in range(80, SIZE[1] - 30, 28):
        draw.line((30, y, SIZE[0] - 30, y), fill="gray")
        for x in range(36, SIZE[0] - 100, 130):
            draw.text((x, y + 6), str(random.integers(10**6)), fill="black", font=ImageFont.load_default(16))
    return page.rotate(random.uniform(-8, 8), fillcolor=(90, 80, 70)).filter(
        ImageFilter.GaussianBlur(random.uniform(0, 1.2))
    )


def _chart(random) -> Image.Image:
    page, draw = _paper(random)
    draw.line((50, 20, 50, 410, 580, 410), fill="black", width=2)
    if random.random() < 0.5:
        for x in range(70, 560, 50):
            draw.rectangle((x, int(random.integers(40, 400)), x + 34, 410), fill=_colour(random))
    else:
        for _ in range(4):
            heights = random.uniform(40, 400, 27)
            points = [(50 + 20 * step, height) for step, height in enumerate(heights)]
            draw.line(points, fill=_colour(random), width=3)
    return page


def _screenshot(random) -> Image.Image:
    dark = random.random() < 0.5
    page = Image.new("RGB", SIZE, "#1e1e24" if dark else "#f4f5f7")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, SIZE[0], 40), fill=_colour(random))
    draw.rectangle((0, 40, 140, SIZE[1]), fill="#2b2b33" if dark else "#e2e5ea")
    for row in range(6):
        y = 60 + row * 62
        draw.text((14, y), str(random.choice(_WORDS)), fill="gray", font=ImageFont.load_default(15))
        box = (160, y, SIZE[0] - 20, y + 50)
        draw.rounded_rectangle(box, 8, fill="#33333d" if dark else "white", outline="gray")
        label = " ".join(random.choice(_WORDS, 5))
        draw.text((176, y + 16), label, fill="white" if dark else "black", font=ImageFont.load_default(16))
    return page


def _shapes(random) -> Image.Image:
    page = _flat(random)
    draw = ImageDraw.Draw(page)
    for _ in range(int(random.integers(3, 20))):
        x, y, w, h = random.integers(0, 400, 4)
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((int(x), int(y), int(x + w // 2 + 20), int(y + h // 2 + 20)), fill=_colour(random))
    return page


def _stripes(random) -> Image.Image:
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    angle, period = random.uniform(0, np.pi), random.uniform(6, 80)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period) > 0
    return _from_array(np.where(wave[..., None], random.uniform(0, 255, 3), random.uniform(0, 255, 3)))


_KINDS = {
    "flat colour": _flat,
    "black": _black,
    "noise": _noise,
    "gradient": _gradient,
    "text": _text,
    "document": _document,
    "chart": _chart,
    "screenshot": _screenshot,
    "shapes": _shapes,
    "stripes": _stripes,
}


def _paper(random) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    level = int(random.integers(225, 256))
    page = Image.new("RGB", SIZE, (level, level, int(level * random.uniform(0.9, 1))))
    return page, ImageDraw.Draw(page)


def _ink(random) -> tuple[int, int, int]:
    return tuple(int(level) for level in random.integers(0, 90, 3))


def _colour(random) -> tuple[int, int, int]:
    return tuple(int(level) for level in random.integers(0, 256, 3))


def _from_array(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
