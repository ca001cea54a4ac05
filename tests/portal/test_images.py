"""Hostile and odd files: each is cleaned or refused with words, quickly, and nothing but pixels is kept."""

import io
import time

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from portal.images import MAX_STORED_SIDE_PX, THUMBNAIL_SIDE_PX, UnusablePhoto, clean_photo
from tests.hostile import HOSTILE, encode
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


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
