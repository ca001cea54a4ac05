"""Cleaning a phone's photo, against turning and saving it again whole, which also keeps its comments."""

import io

from PIL import Image, ImageOps

from benchmarks.timing import compare
from portal.images import clean_photo
from tests.photos import lesion_photo


def measure():
    photo = lesion_photo(width=4000, height=3000)

    def save_again():
        buffer = io.BytesIO()
        ImageOps.exif_transpose(Image.open(io.BytesIO(photo))).save(buffer, "JPEG", quality=92)

    name = f"cleaning a photo of 12 megapixels ({len(photo) / 2**20:.1f} MB), thumbnail and hash included"
    yield compare(name, lambda: clean_photo(photo), save_again, alternative_name="saving it again whole", rounds=5)
