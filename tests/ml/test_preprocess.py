"""Image bytes to the model's input."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from ml.preprocess import FORMATS, NONE_OF_THESE, UnreadableImage, decode, square_box, to_square, to_tensor


def encode(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((600, 450), (0, 0, 600, 450)),
        ((400, 400), (0, 0, 400, 400)),
        ((450, 600), (0, 0, 450, 600)),
        ((600, 300), (100, 0, 500, 300)),
        ((300, 600), (0, 100, 300, 500)),
    ],
)
def test_pictures_up_to_4_by_3_are_kept_whole_and_longer_ones_lose_their_ends(size, box):
    assert square_box(Image.new("RGB", size, "white")) == box


def test_a_4_by_3_picture_is_squashed_and_not_cropped():
    image = Image.new("RGB", (400, 300), "black")
    image.paste("white", (0, 0, 200, 300))
    square = np.asarray(to_square(image, 100))
    assert square.shape == (100, 100, 3)
    assert (square[:, 5] > 250).all()
    assert (square[:, 95] < 5).all()
    assert square[50, :50].mean() > 245


def test_scaling_down_averages_instead_of_picking_single_pixels():
    stripes = np.zeros((300, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    square = np.asarray(to_square(Image.fromarray(stripes), 50), float)
    assert np.abs(square - 127.5).max() < 15


def test_the_tensor_is_float32_in_0_to_255_with_a_batch_axis():
    tensor = to_tensor(Image.new("RGB", (64, 48), (255, 128, 0)), 32)
    assert tensor.shape == (1, 32, 32, 3)
    assert tensor.dtype == np.float32
    assert tensor[0, 3, 4].tolist() == [255, 128, 0]


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("LA", "PNG"),
        ("I;16", "PNG"),
        ("1", "PNG"),
        ("RGB", "WEBP"),
        ("RGB", "BMP"),
        ("RGB", "TIFF"),
    ],
)
def test_every_common_mode_becomes_rgb(mode, form):
    decoded = decode(encode(Image.new(mode, (20, 10)), form))
    assert decoded.mode == "RGB"
    assert decoded.size == (20, 10)


def test_a_transparent_pixel_is_white_and_not_its_hidden_colour():
    image = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    assert decode(encode(image)).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bit_grey_keeps_its_brightness():
    image = Image.fromarray(np.full((8, 8), 128 * 256, np.uint16))
    assert decode(encode(image)).getpixel((0, 0)) == (128, 128, 128)


def test_sixteen_bit_grey_keeps_its_brightness_beside_a_transparent_level():
    image = Image.fromarray(np.full((8, 8), 128 * 256, np.uint16))
    assert decode(encode(image, transparency=3)).getpixel((0, 0)) == (128, 128, 128)


def test_grey_levels_of_unknown_range_are_refused():
    for kind in (np.int32, np.float32):
        with pytest.raises(UnreadableImage, match="32 bits"):
            decode(encode(Image.fromarray(np.full((8, 8), 1000, kind)), "TIFF"))


def test_colours_are_those_that_the_profile_means():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    red = Image.new("RGB", (200, 200), (255, 0, 0))
    for profile, meant in ((srgb, (255, 0, 0)), (swapped, (0, 0, 255)), (b"no profile", (255, 0, 0))):
        photo = encode(red, "JPEG", quality=95, icc_profile=profile)
        assert np.allclose(decode(photo).getpixel((100, 100)), meant, atol=6)


def test_a_phone_photo_is_turned_upright():
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 20, 20))
    exif = image.getexif()
    exif[0x0112] = 6  # shown after a quarter turn to the right
    upright = decode(encode(image, "JPEG", exif=exif))
    assert upright.size == (20, 40)
    assert upright.getpixel((10, 5))[0] > 200
    assert upright.getpixel((10, 35))[0] < 50


def damaged_exif(tag):
    """Orientation 6, and a numeric tag that holds a letter."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHII", tag, 2, 2, ord("A"))
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)


@pytest.mark.parametrize("tag", [0x011A, 0x0128, 0x0213])
def test_a_damaged_tag_beside_the_orientation_does_no_harm(tag):
    assert decode(encode(Image.new("RGB", (40, 20)), "JPEG", exif=damaged_exif(tag))).size == (20, 40)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_each_form_is_turned_once(form):
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 20, 20))
    exif = image.getexif()
    exif[0x0112] = 3
    upside_down = decode(encode(image, form, exif=exif))
    assert upside_down.getpixel((5, 10))[0] < 50
    assert upside_down.getpixel((35, 10))[0] > 200


def test_whatever_pillow_fails_with_is_unreadable():
    whole = encode(Image.new("RGB", (40, 20)), "TIFF")
    # Where the strips lie, told as letters instead of a number: a TypeError in Pillow.
    number, letters = struct.pack("<HH", 0x0111, 4), struct.pack("<HH", 0x0111, 2)
    assert whole.count(number) == 1
    with pytest.raises(UnreadableImage):
        decode(whole.replace(number, letters))


def test_only_the_first_frame_counts():
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    data = encode(first, "TIFF", save_all=True, append_images=[second])
    assert decode(data).getpixel((0, 0)) == (255, 0, 0)


def test_what_is_not_a_whole_photograph_is_unreadable():
    whole = encode(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
    gif = encode(Image.new("P", (8, 8)), "GIF")
    for data in (b"", b"not a picture", whole[: len(whole) // 2], gif, b"<svg xmlns=''/>"):
        with pytest.raises(UnreadableImage):
            decode(data)


def test_what_is_no_picture_is_told_which_forms_would_be_one():
    words = NONE_OF_THESE.upper().replace(",", "").split()
    assert set(FORMATS) == set(words) - {"NO", "OR", "PICTURE"}
    for data in (b"", b"not a picture", encode(Image.new("P", (8, 8)), "GIF")):
        with pytest.raises(UnreadableImage, match=f"^not a readable photograph: {NONE_OF_THESE}$"):
            decode(data)


def test_a_decompression_bomb_is_unreadable():
    with pytest.raises(UnreadableImage):
        decode(encode(Image.new("1", (12_000, 12_000))))
