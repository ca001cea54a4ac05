"""Image bytes to the model's input: the one contract shared by training and serving.

HAM10000 photographs are 4:3 and were squashed, not cropped, to a square. A new
photograph is treated alike: its middle 4:3 part is squashed to the input square;
of one that shows the dark tube of a dermatoscope, the 4:3 part inside of it. One taken
in too little light is brightened.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from ml.field_of_view import find_circle, inside_of
from ml.light import brightened

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
NONE_OF_THESE = "no JPEG, PNG, WebP, BMP or TIFF picture"
WIDEST = 4 / 3

EXIF_ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableImage(ValueError):
    """The bytes do not hold a photograph that can be decoded."""


def decode(data: bytes) -> Image.Image:
    """Decode the first frame as sRGB, turned upright by its EXIF orientation.

    Raises UnreadableImage for anything Pillow cannot decode whole: other formats, truncated files,
    sizes Pillow takes for a decompression bomb, and grey levels of 32 bits, whose range nobody knows.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return upright_rgb(image)
    except Exception as error:
        # On damaged bytes decoders raise whatever comes up: struct.error, TypeError, IndexError, zlib.error, ...
        # Pillow's own words for a file of no known format name an object of ours by its address.
        reason = NONE_OF_THESE if isinstance(error, UnidentifiedImageError) else error
        raise UnreadableImage(f"not a readable photograph: {reason}") from error


def upright_rgb(image: Image.Image) -> Image.Image:
    """An opened picture as sRGB in three channels of eight bits, turned upright by its EXIF orientation.

    Raises UnreadableImage for grey levels of 32 bits, whose range nobody knows.
    """
    image.load()  # a TIFF turns itself here, and then has no turn left
    turn, profile = turn_of(image), image.info.get("icc_profile")
    return to_srgb(to_rgb(image if turn is None else image.transpose(turn)), profile)


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """What turns an opened picture upright by its EXIF; None where nothing does.

    Only this one tag is read: ImageOps.exif_transpose writes all of them anew, and fails on one
    that is damaged.
    """
    try:
        return TURNS.get(image.getexif().get(EXIF_ORIENTATION))
    except Exception:  # a photograph with broken metadata is still a photograph
        return None


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in three channels of eight bits. Raises UnreadableImage for grey levels of 32 bits."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise UnreadableImage("32 bits a grey level")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        # A transparent pixel hides an arbitrary colour; white is what a viewer shows.
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    return image.convert("RGB")


def to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The same colours without the profile: phones store wider colours than a plain picture is read with."""
    if not profile:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture  # a profile of another colour space, or a broken one


def to_square(image: Image.Image, size: int) -> Image.Image:
    """Scale the picture to size x size pixels with antialiasing.

    A picture wider than 4:3 (or taller than 3:4) loses its ends first, and one with a dark tube
    what lies outside of the view; every other one is squashed whole, so that no skin at the edge is lost.
    """
    return image.resize((size, size), Image.Resampling.BICUBIC, box=square_box(image))


def square_box(image: Image.Image) -> tuple[float, float, float, float]:
    """The part (left, top, right, bottom), in pixels, that `to_square` keeps of an RGB picture."""
    if circle := find_circle(image):
        return inside_of(circle, image.size)
    width, height = image.size
    kept_width = min(width, height * WIDEST)
    kept_height = min(height, width * WIDEST)
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    return left, top, left + kept_width, top + kept_height


def to_tensor(image: Image.Image, size: int) -> np.ndarray:
    """The model's input: float32 (1, size, size, 3), RGB, 0..255."""
    return brightened(np.asarray(to_square(image, size), dtype=np.float32))[np.newaxis]
