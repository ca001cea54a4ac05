"""Files that mean harm, or are merely broken: each must be refused as a photo, quickly and in words."""

import gzip
import io
import struct
import zlib

from PIL import Image

from tests.photos import lesion_image, lesion_photo

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"
LAUGHS = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><svg>&c;</svg>'
SPYING = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><svg>&b;</svg>'

# What a program would take the file for by its first bytes; none of them is a photo the portal reads.
FIRST_BYTES = {
    "windows program": b"MZ\x90\0",
    "linux program": b"\x7fELF\x02\x01\x01",
    "shell script": b"#!/bin/sh\nid\n",
    "php": b"<?php system($_GET['c']); ?>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
    "photoshop": b"8BPS\0\x01",
    "icon": b"\0\0\1\0\1\0",
    "dicom": b"\0" * 128 + b"DICM",
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "jpeg xl": b"\0\0\0\x0cJXL \r\n\x87\n",
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1",
    "zip": b"PK\x03\x04",
    "rar": b"Rar!\x1a\x07\0",
    "portable pixmap": b"P6 100000 100000 255\n",
    "xcf": b"gimp xcf v011\0",
    "fits": b"SIMPLE  =                    T",
    "font": b"wOFF\0\x01\0\0",
    "sqlite": b"SQLite format 3\0",
    "pickle": b"\x80\x04cos\nsystem\n(S'id'\ntR.",
}


def encode(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


IEND = chunk(b"IEND", b"")


def png(width=500, height=500, *, bits=8, colour=2, before=b"", pixels=b"\0" * 100, end=IEND):
    """A PNG of a few bytes whose header claims any size; ``pixels`` None leaves the picture out."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    data = b"" if pixels is None else chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + header + before + data + end


def whole_png(before):
    """A PNG with all its pixels, and ``before`` in front of them."""
    return png(before=before, pixels=(b"\0" + b"\x80" * 1500) * 500)


def jpeg_with_many_scans():
    """A progressive JPEG whose last scan is repeated: little to send, very long to decode."""
    data = encode(Image.new("RGB", (400, 300)), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * 4000 + data[-2:]


def jpeg_of_kind(frame, *, size=None, precision=None, components=None):
    """A small JPEG whose frame header says something else."""
    data = bytearray(encode(Image.new("RGB", (400, 300), "red")))
    place = data.index(b"\xff\xc0")
    data[place + 1] = frame
    if size:
        data[place + 5 : place + 9] = struct.pack(">HH", *size)
    if precision:
        data[place + 4] = precision
    if components is not None:
        data[place + 9] = components
    return bytes(data)


def webp(body, *, claimed=None):
    return b"RIFF" + struct.pack("<I", claimed or len(body) + 4) + b"WEBP" + body


SMALL_PNG = encode(lesion_image(width=400, height=300), "PNG")
SMALL_WEBP = encode(lesion_image(width=400, height=300), "WEBP")
SMALL_JPEG = lesion_photo(width=400, height=300)

HOSTILE = {
    "nothing": b"",
    "one byte": b"\xff",
    "text": b"not a photo at all " * 50,
    "nul bytes": b"\0" * 5000,
    "html": HTML,
    "html with the first bytes of a jpeg": b"\xff\xd8\xff\xe0" + HTML,
    "html with the first bytes of a png": b"\x89PNG\r\n\x1a\n" + HTML,
    "html with the first bytes of a webp": webp(HTML),
    "svg": SVG,
    "packed svg": gzip.compress(SVG),
    "svg that grows": LAUGHS,
    "svg that reads files": SPYING,
    "gif": encode(lesion_image(width=400, height=300), "GIF"),
    "gif and javascript in one": b"GIF89a/*" + b"\0" * 20 + b"*/=alert(1)",
    "bmp": encode(lesion_image(width=400, height=300), "BMP"),
    "tiff": encode(lesion_image(width=400, height=300), "TIFF"),
    "pdf around a jpeg": b"%PDF-1.7\n" + SMALL_JPEG,
    "zip around a jpeg": b"PK\x03\x04" + SMALL_JPEG,
    **{name: start + b"\0" * 500 for name, start in FIRST_BYTES.items()},
    "11 MB": SMALL_JPEG + b"\0" * 11 * 1024 * 1024,
    "tiny": encode(Image.new("RGB", (99, 500))),
    "jpeg cut off": lesion_photo(width=800, height=600)[:9000],
    "jpeg header alone": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "jpeg of 4,000 scans": jpeg_with_many_scans(),
    "jpeg of 65,000 x 65,000": jpeg_of_kind(0xC0, size=(65_000, 65_000)),
    "jpeg of no height": jpeg_of_kind(0xC0, size=(0, 400)),
    "jpeg of 12 bits": jpeg_of_kind(0xC0, precision=12),
    "jpeg of 255 components": jpeg_of_kind(0xC0, components=255),
    "jpeg without loss": jpeg_of_kind(0xC3),
    "jpeg of hierarchical kind": jpeg_of_kind(0xC5),
    "jpeg without its tables": SMALL_JPEG[:20] + SMALL_JPEG[SMALL_JPEG.index(b"\xff\xc0") :],
    "png cut off": SMALL_PNG[:9000],
    "png with a wrong checksum": SMALL_PNG[:29] + b"\0\0\0\0" + SMALL_PNG[33:],
    "png of 65,000 x 65,000": png(65_000, 65_000),
    "png of 7,000 x 7,000": png(7_000, 7_000),
    "png of no size": png(0, 0),
    "png that ends early": png(500, 500),
    "png without pixels": png(pixels=None),
    "png of 3 bits": png(bits=3),
    "png without its palette, cut off": png(colour=3, end=b""),
    "png with 100 MB of text": whole_png(chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 100_000_000, 1))),
    "webp cut off": SMALL_WEBP[:3000],
    "webp of 16,383 x 16,383": webp(b"VP8X" + struct.pack("<II", 10, 0) + b"\xfe\x3f\0" * 2 + SMALL_WEBP[12:]),
    "webp without a picture": webp(b"VP8X" + struct.pack("<II", 10, 0) + b"\x8f\x01\0\x2b\x01\0"),
    "webp of noise": webp(b"VP8L" + struct.pack("<I", 400) + b"\x2f" + bytes(range(256)) + b"\xff" * 143),
    "webp that claims 4 GB": webp(b"VP8 " + b"\xff" * 400, claimed=0xFFFFFFF0),
}
