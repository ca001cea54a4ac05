"""Image bytes to the model's input: the one contract shared by training and serving.

HAM10000 photographs are 4:3 and were squashed, not cropped, to a square. A new
photograph is treated alike: its middle 4:3 part is squashed to the input square.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
WIDEST = 4 / 3


class UnreadableImage(ValueError):
    """The bytes do not hold a photograph that can be decoded."""


def decode(data: bytes) -> Image.Image:
    """Decode the first frame as RGB, turned upright by its EXIF orientation.

    Raises UnreadableImage for anything Pillow cannot decode whole: other formats,
    truncated files, and sizes Pillow takes for a decompression bomb.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                upright = ImageOps.exif_transpose(image)
                return _to_rgb(upright)
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise UnreadableImage(f"not a readable photograph: {error}") from error


def to_square(image: Image.Image, size: int) -> Image.Image:
    """Scale the picture to size x size pixels with antialiasing.

    A picture wider than 4:3 (or taller than 3:4) loses its ends first; every other
    one is squashed whole, so that no skin at the edge is lost.
    """
    return image.resize((size, size), Image.Resampling.BICUBIC, box=square_box(image.size))


def square_box(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The part (left, top, right, bottom), in pixels, that `to_square` keeps of a picture
    of (width, height) pixels."""
    width, height = size
    kept_width = min(width, height * WIDEST)
    kept_height = min(height, width * WIDEST)
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    return left, top, left + kept_width, top + kept_height


def to_tensor(image: Image.Image, size: int) -> np.ndarray:
    """The model's input: float32 (1, size, size, 3), RGB, 0..255."""
    return np.asarray(to_square(image, size), dtype=np.float32)[np.newaxis]


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        # A transparent pixel hides an arbitrary colour; white is what a viewer shows.
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")
