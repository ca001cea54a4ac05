"""Photo bytes in, safe pixels out.

Nothing of an uploaded file is kept but its picture: it is decoded within limits, turned upright and
written anew, so whatever else the file carried (place, time, device, comments, a second file) is gone.
"""

import hashlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
from flask_babel import lazy_gettext as _
from PIL import Image

from config import Config
from ml.preprocess import to_rgb, to_srgb, turn_of
from portal.errors import DomainError

FORMATS = ("JPEG", "PNG", "WEBP")  # phones' MPO files open as JPEG
# What decoding may take is 300 MB and 2 s; a WebP needs 15 bytes a pixel, a PNG 9, a JPEG 2 to 7.
MAX_PIXELS = {"JPEG": 40_000_000, "MPO": 40_000_000, "CMYK": 24_000_000, "PNG": 24_000_000, "WEBP": 16_000_000}
MAX_STORED_SIDE_PX = 2048
MIN_SHORT_SIDE_PX = 100
THUMBNAIL_SIDE_PX = 288
JPEG_QUALITY = 92

# A progressive JPEG is decoded in about ten passes over all its pixels, but a few kilobytes can ask for thousands.
MAX_SCANNED_PIXELS = 400_000_000
JPEG_SCAN_MARKER = b"\xff\xda"

HEIF_BRANDS = (b"heic", b"heix", b"heif", b"hevc", b"mif1", b"msf1", b"avif")


class UnusablePhoto(DomainError):
    """The bytes are no photo the portal can use; the message says what to do instead."""


@dataclass(frozen=True)
class CleanPhoto:
    content: bytes  # JPEG, RGB, no metadata, longer side at most MAX_STORED_SIDE_PX
    thumbnail: bytes  # JPEG, longer side at most THUMBNAIL_SIDE_PX
    width: int  # of content, in pixels
    height: int
    sha256: str  # of content, 64 hexadecimal digits


def clean_photo(data: bytes) -> CleanPhoto:
    """The picture in ``data`` (JPEG, PNG or WebP; the first frame), upright, scaled down and written anew.

    Raises UnusablePhoto, with words for the person who sent it.
    """
    picture = _decode(data)
    if min(picture.size) < MIN_SHORT_SIDE_PX:
        raise UnusablePhoto(
            _("This photo is too small to judge. Each side must be at least %(px)s pixels.", px=MIN_SHORT_SIDE_PX)
        )
    content = _encode(picture)
    thumbnail = picture.copy()
    thumbnail.thumbnail((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), Image.Resampling.LANCZOS)
    return CleanPhoto(content, _encode(thumbnail), *picture.size, hashlib.sha256(content).hexdigest())


def _decode(data):
    """RGB picture made of nothing but pixels."""
    _refuse_by_first_look(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata and large sizes, which are judged below
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _refuse_by_size(image, data)
                return _rebuild(image)
    except UnusablePhoto:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except Exception as error:
        # On hostile bytes decoders raise whatever comes up: struct.error, IndexError, zlib.error, SyntaxError, ...
        raise UnusablePhoto(
            _("This file cannot be read as a photo. Send a JPEG, PNG or WebP photo, or take it again.")
        ) from error


def _refuse_by_first_look(data):
    if not data:
        raise UnusablePhoto(_("The file is empty. Choose the photo again."))
    if len(data) > Config.MAX_PHOTO_BYTES:
        raise UnusablePhoto(_("The photo is larger than 10 MB. Take it at a lower resolution and try again."))
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        raise UnusablePhoto(
            _("This photo is in the HEIC format. Set the camera to “Most compatible” (JPEG), or take a screenshot.")
        )


def _refuse_by_size(image, data):
    pixels = image.width * image.height
    if pixels > MAX_PIXELS["CMYK" if image.mode == "CMYK" else image.format]:
        raise _too_many_pixels()
    if data.startswith(b"\xff\xd8") and pixels * data.count(JPEG_SCAN_MARKER) > MAX_SCANNED_PIXELS:
        raise UnusablePhoto(_("This photo is stored in an unusual way and cannot be read. Take it again."))


def _too_many_pixels():
    return UnusablePhoto(_("The photo has too many pixels. Take it at a lower resolution and try again."))


def _rebuild(image):
    turn = turn_of(image)
    # Lets the JPEG decoder leave out detail that scaling would throw away; others ignore it.
    image.draft(None, (MAX_STORED_SIDE_PX, MAX_STORED_SIDE_PX))
    image.load()
    profile = image.info.get("icc_profile")
    # Scaled before anything else is done to it: every further copy is then a small one.
    picture = _to_eight_bit_channels(image)
    picture.thumbnail((MAX_STORED_SIDE_PX, MAX_STORED_SIDE_PX), Image.Resampling.LANCZOS)
    picture = to_srgb(to_rgb(picture), profile)
    if turn is not None:
        picture = picture.transpose(turn)
    return Image.frombytes("RGB", picture.size, picture.tobytes())


def _to_eight_bit_channels(image):
    """A mode that can be scaled smoothly: 16-bit grey loses its lower byte, a palette becomes colours."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in ("P", "1", "PA"):
        return image.convert("RGBA")
    return image


def _encode(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
