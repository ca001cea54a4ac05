"""``python -m tests.abuse.fuzz_photos SECONDS [SEED]``: damaged photos against the whole path from bytes to pixels.

Every photo is read or refused in words; anything else ends the process with status 1, and a crash of a decoder
ends it by a signal. One line at the end says how many were tried and what the dearest one cost.
"""

import resource
import struct
import sys
import time
import zlib

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from config import TestingConfig
from portal import create_app
from portal.images import MAX_STORED_SIDE_PX, UnusablePhoto, clean_photo
from tests.hostile import HOSTILE, encode
from tests.photos import lesion_image, lesion_photo

ROUND = 500  # photos between two looks at the clock
MAX_SECONDS, MAX_GROWTH_MB = 2, 300

PICTURE = lesion_image(width=240, height=180)
GOOD = [
    lesion_photo(width=240, height=180),
    lesion_photo(width=240, height=180, progressive=True),
    encode(PICTURE.convert("CMYK")),
    encode(PICTURE, "MPO", save_all=True, append_images=[PICTURE]),
    encode(PICTURE, "PNG"),
    encode(PICTURE.quantize(64), "PNG", transparency=3),
    encode(PICTURE.convert("LA"), "PNG"),
    encode(PICTURE, "PNG", save_all=True, append_images=[PICTURE]),
    encode(PICTURE, "WEBP"),
    encode(PICTURE.convert("RGBA"), "WEBP", lossless=True),
    encode(PICTURE, "WEBP", save_all=True, append_images=[PICTURE]),
]
SEEDS = 6 * GOOD + [data for data in HOSTILE.values() if 10 < len(data) < 100_000]

places = st.floats(0, 1, exclude_max=True)
odd_bytes = st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"]))
CHANGES = st.one_of(
    st.tuples(st.just("overwrite"), places, odd_bytes),
    st.tuples(st.just("insert"), places, odd_bytes),
    st.tuples(st.just("remove"), places, st.integers(1, 400)),
    st.tuples(st.just("repeat"), places, st.integers(1, 2000)),
    st.tuples(st.just("splice"), places, st.sampled_from(SEEDS)),
    st.tuples(st.just("cut"), places, st.none()),
)


def change(data, kind, place, what):
    at = int(place * len(data))
    if kind == "overwrite":
        return data[:at] + what + data[at + len(what) :]
    if kind == "insert":
        return data[:at] + what + data[at:]
    if kind == "remove":
        return data[:at] + data[at + what :]
    if kind == "repeat":
        return data[: at + what] + data[at : at + what] * 3 + data[at + what :]
    if kind == "splice":
        return data[:at] + what[int(place * len(what)) :]
    return data[:at]


def with_true_checksums(data):
    """A PNG whose checksums fit again: else a decoder looks no further than the first damage."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    done, rest = data[:8], data[8:]
    while len(rest) >= 12:
        end = 8 + struct.unpack(">I", rest[:4])[0]
        if end + 4 > len(rest):
            break
        done, rest = done + rest[:end] + struct.pack(">I", zlib.crc32(rest[4:end])), rest[end + 4 :]
    return done + rest


class Fuzzer:
    def __init__(self):
        self.tried = self.read = 0
        self.slowest = 0.0

    def run_round(self, number):
        @seed(number)
        @settings(max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(SEEDS), st.lists(CHANGES, min_size=1, max_size=8), st.booleans())
        def one_round(data, changes, is_repaired):
            for one in changes:
                data = change(data, *one)
            self.try_photo(with_true_checksums(data) if is_repaired else data)

        one_round()

    def try_photo(self, data):
        started = time.process_time()
        try:
            photo = clean_photo(data)
        except UnusablePhoto:
            pass
        else:
            self.read += 1
            assert photo.content.startswith(b"\xff\xd8") and max(photo.width, photo.height) <= MAX_STORED_SIDE_PX
        self.tried += 1
        self.slowest = max(self.slowest, time.process_time() - started)
        assert self.slowest < MAX_SECONDS


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(seconds, number=0):
    fuzzer = Fuzzer()
    app = create_app(TestingConfig({"DATABASE_URL": "sqlite://"}))
    with app.test_request_context():
        for data in GOOD:
            clean_photo(data)
        before = peak_mb()
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            fuzzer.run_round(number)
            number += 1
    growth = peak_mb() - before
    print(
        f"{fuzzer.tried} damaged photos, {fuzzer.read} of them still readable; "
        f"the slowest took {fuzzer.slowest:.2f} s, memory grew by {growth:.0f} MB"
    )
    return 0 if growth < MAX_GROWTH_MB else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())))
