"""Pictures made by code: lesion-like photos for tests, the demo and the screenshots. No patient's photo is in here."""

import io

import numpy as np
from PIL import Image


def lesion_photo(seed=0, width=800, height=600, **save):
    """JPEG bytes of an irregular brown spot on skin; the same seed gives the same picture."""
    buffer = io.BytesIO()
    lesion_image(seed, width, height).save(buffer, **{"format": "JPEG", "quality": 92, **save})
    return buffer.getvalue()


def lesion_image(seed=0, width=800, height=600):
    """RGB PIL image, width x height."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = (x / width - 0.5) * width / height, y / height - 0.5
    skin = np.array([226, 178, 158], np.float32) + 10 * _clouds(rng, height, width, 40)[..., None]
    skin *= (1.04 - 0.35 * (u**2 + v**2))[..., None]  # the lens lights the middle

    angle, distance = np.arctan2(v, u), np.hypot(u, v)
    edge = np.full_like(angle, rng.uniform(0.2, 0.27))
    for wave in range(2, 7):
        edge += rng.uniform(0.004, 0.022) * np.cos(wave * angle + rng.uniform(0, 6.28))
    inside = 1 / (1 + np.exp((distance - edge) / 0.012))

    tan, dark = np.array([150, 98, 68], np.float32), np.array([84, 50, 38], np.float32)
    depth = np.clip(0.5 + 0.35 * _clouds(rng, height, width, 30) + 0.25 * _clouds(rng, height, width, 9), 0, 1)
    network = 0.88 + 0.12 * np.abs(np.sin(x / 9 + 2 * _clouds(rng, height, width, 25)) * np.sin(y / 9))
    spot = (tan * (1 - depth[..., None]) + dark * depth[..., None]) * network[..., None]
    picture = skin * (1 - inside[..., None]) + spot * inside[..., None]
    picture += rng.normal(0, 3.5, (height, width, 1)) + rng.normal(0, 1.2, (height, width, 3))
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8), "RGB")


def _clouds(rng, height, width, grain):
    """Smooth noise, mean 0 and deviation 1, with bumps about ``grain`` pixels wide."""
    small = rng.normal(0, 1, (height // grain + 2, width // grain + 2)).astype(np.float32)
    noise = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    return (noise - noise.mean()) / (noise.std() + 1e-6)
