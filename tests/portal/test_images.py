"""Hostile and odd files: each is cleaned or refused with words, quickly, and nothing but pixels is kept."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from portal.images import MAX_STORED_SIDE_PX, THUMBNAIL_SIDE_PX, UnusablePhoto, clean_photo
from tests.photos import lesion_image, lesion_photo

SECRETS = (
    b"SECRET-COMMENT",
    b"SECRET-XMP",
    b"SECRET-MAKER",
    b"GPSLatitude",
    b"Exif",
    b"http://ns.adobe.com",
    b"ICC_PROFILE",
)
GPS, ORIENTATION, MAKER = 0x8825, 0x0112, 0x010F
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET-XMP</x:xmpmeta>"


def encode(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_claiming(width, height):
    """A PNG of a few bytes whose header claims any size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def jpeg_with_many_scans():
    """A progressive JPEG whose last scan is repeated: little to send, very long to decode."""
    data = encode(Image.new("RGB", (400, 300)), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * 4000 + data[-2:]


HOSTILE = {
    "nothing": b"",
    "text": b"not a photo at all " * 50,
    "html named .jpg": b"<!doctype html><script>alert(1)</script>",
    "svg named .jpg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "gif": encode(lesion_image(width=400, height=300), "GIF"),
    "bmp": encode(lesion_image(width=400, height=300), "BMP"),
    "tiff": encode(lesion_image(width=400, height=300), "TIFF"),
    "pdf": b"%PDF-1.7\n" + lesion_photo(width=400, height=300),
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 500,
    "zip": b"PK\x03\x04" + b"\0" * 500,
    "nul bytes": b"\0" * 5000,
    "truncated jpeg": lesion_photo(width=800, height=600)[:9000],
    "jpeg header alone": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "truncated png": encode(lesion_image(width=400, height=300), "PNG")[:9000],
    "truncated webp": encode(lesion_image(width=400, height=300), "WEBP")[:3000],
    "png of 65,000 x 65,000": png_claiming(65_000, 65_000),
    "png of 7,000 x 7,000": png_claiming(7_000, 7_000),
    "png without pixels": png_claiming(0, 0),
    "png that ends early": png_claiming(500, 500),
    "tiny": encode(Image.new("RGB", (99, 500))),
    "11 MB": lesion_photo(width=400, height=300) + b"\0" * 11 * 1024 * 1024,
    "jpeg of 4,000 scans": jpeg_with_many_scans(),
}

USABLE = {
    "jpeg": lesion_photo(),
    "progressive jpeg": lesion_photo(progressive=True),
    "grey jpeg": encode(lesion_image().convert("L")),
    "cmyk jpeg": encode(lesion_image().convert("CMYK")),
    "png": encode(lesion_image(), "PNG"),
    "palette png": encode(lesion_image().quantize(64), "PNG"),
    "black and white png": encode(lesion_image().convert("1"), "PNG"),
    "transparent png": encode(lesion_image().convert("RGBA"), "PNG"),
    "transparent palette png": encode(lesion_image().quantize(64), "PNG", transparency=3),
    "grey png with alpha": encode(lesion_image().convert("LA"), "PNG"),
    "16-bit png": encode(Image.fromarray(np.full((300, 400), 40_000, np.uint16)), "PNG"),
    "webp": encode(lesion_image(), "WEBP"),
    "animated png": encode(lesion_image(1), "PNG", save_all=True, append_images=[lesion_image(2)]),
    "animated webp": encode(lesion_image(1), "WEBP", save_all=True, append_images=[lesion_image(2)]),
    "two pictures in one": encode(lesion_image(1), "MPO", save_all=True, append_images=[lesion_image(2)]),
    "jpeg with html behind it": lesion_photo() + b"<script>alert(1)</script>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_words_and_at_once(app, name):
    started = time.process_time()
    with app.test_request_context(), pytest.raises(UnusablePhoto) as refusal:
        clean_photo(HOSTILE[name])
    assert time.process_time() - started < 2
    assert len(str(refusal.value.message)) > 20


@pytest.mark.parametrize("name", USABLE)
def test_an_odd_photo_becomes_a_plain_jpeg(name):
    photo = clean_photo(USABLE[name])
    with Image.open(io.BytesIO(photo.content)) as stored:
        stored.load()
        assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (photo.width, photo.height))
        assert getattr(stored, "n_frames", 1) == 1
        assert not stored.getexif() and set(stored.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    with Image.open(io.BytesIO(photo.thumbnail)) as thumbnail:
        assert max(thumbnail.size) == THUMBNAIL_SIDE_PX


def test_the_first_frame_counts():
    first = clean_photo(encode(lesion_image(1), "WEBP", lossless=True))
    animated = encode(lesion_image(1), "WEBP", save_all=True, append_images=[lesion_image(2)], lossless=True)
    assert clean_photo(animated).sha256 == first.sha256


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_no_metadata_is_kept(kind):
    exif = Image.Exif()
    exif[MAKER] = "SECRET-MAKER"
    exif.get_ifd(GPS)[2] = (12.0, 34.0, 56.0)
    options = {"exif": exif, "icc_profile": srgb_profile()}
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", "SECRET-COMMENT")
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    else:
        options["xmp"] = XMP
    if kind == "JPEG":
        options["comment"] = b"SECRET-COMMENT"
    data = encode(lesion_image(), kind, **options)
    assert b"SECRET-XMP" in data and b"SECRET-MAKER" in data
    photo = clean_photo(data)
    for stored in (photo.content, photo.thumbnail):
        assert not [secret for secret in SECRETS if secret in stored]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_stands_upright(orientation):
    turned = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    upright = Image.new("RGB", (400, 300), "white")
    upright.paste("red", (0, 0, 100, 100))  # a mark at the top left
    # The camera stores the picture turned by the inverse of what the viewer does.
    stored = upright if turned is None else upright.transpose(Image.Transpose(turned))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    photo = clean_photo(encode(stored, exif=exif, quality=95))
    with Image.open(io.BytesIO(photo.content)) as image:
        assert image.size == (400, 300)
        assert image.getpixel((50, 50))[1] < 60  # red
        assert min(image.getpixel((350, 50)), image.getpixel((50, 250)))[1] > 200  # white


def test_a_large_photo_is_scaled_down_quickly():
    data = encode(Image.effect_noise((6000, 4000), 20).convert("RGB"), quality=60)
    started = time.process_time()
    photo = clean_photo(data)
    assert time.process_time() - started < 2
    assert (photo.width, photo.height) == (MAX_STORED_SIDE_PX, 1365)


def test_transparent_is_white():
    photo = clean_photo(encode(Image.new("RGBA", (300, 300), (255, 0, 0, 0)), "PNG"))
    with Image.open(io.BytesIO(photo.content)) as image:
        assert image.getpixel((150, 150)) == (255, 255, 255)


def test_sixteen_bits_keep_their_brightness():
    photo = clean_photo(USABLE["16-bit png"])
    with Image.open(io.BytesIO(photo.content)) as image:
        assert image.getpixel((150, 150))[0] == pytest.approx(40_000 >> 8, abs=1)


SEEDS = [data for data in USABLE.values() if len(data) < 200_000]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused_never_worse(data):
    seed = bytearray(data.draw(st.sampled_from(SEEDS)))
    for place in data.draw(st.lists(st.integers(0, len(seed) - 1), max_size=20)):
        seed[place] = data.draw(st.integers(0, 255))
    try:
        photo = clean_photo(bytes(seed[: data.draw(st.integers(1, len(seed)))]))
    except UnusablePhoto:
        return
    assert photo.content.startswith(b"\xff\xd8") and max(photo.width, photo.height) <= MAX_STORED_SIDE_PX


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
