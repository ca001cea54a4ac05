"""A tiny data set of seven classes made by code, and a network made of arithmetic."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ml.labels import CLASSES, SEXES, SITES
from ml.metadata import Fusion
from ml.runtime import Observation

COLOURS = {
    "akiec": (190, 90, 90),
    "bcc": (200, 140, 150),
    "bkl": (150, 120, 80),
    "df": (170, 110, 60),
    "mel": (40, 30, 40),
    "nv": (110, 70, 40),
    "vasc": (160, 20, 40),
}


def paint_lesion(label: str, seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """A blotch in the colour of its class on noisy skin; another seed, another picture."""
    random = np.random.default_rng(seed)
    coarse = random.normal(0, 18, (9, 12, 3)) + (225, 190, 170)
    skin = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8))
    image = skin.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    width, height = size
    for _ in range(4):
        x, y = random.uniform(0.35, 0.65) * width, random.uniform(0.35, 0.65) * height
        r = random.uniform(0.1, 0.25) * height
        draw.ellipse((x - r, y - r, x + r, y + r), fill=COLOURS[label])
    return image.filter(ImageFilter.GaussianBlur(1))


def write_dataset(folder: Path, lesions: int, classes=CLASSES) -> Path:
    """HAM10000's layout: two photographs of every third lesion, some facts missing."""
    images = folder / "images"
    images.mkdir(parents=True)
    rows, seed = [], 0
    for label in classes:
        for number in range(lesions):
            for _ in range(2 if number % 3 == 0 else 1):
                seed += 1
                name = f"ISIC_{seed:07d}"
                paint_lesion(label, seed).save(images / f"{name}.jpg", quality=92)
                rows.append(
                    {
                        "lesion_id": f"HAM_{label}_{number}",
                        "image_id": name,
                        "dx": label,
                        "dx_type": "histo",
                        "age": "" if number % 5 == 0 else 30 + 5 * (number % 9),
                        "sex": "unknown" if number % 7 == 0 else SEXES[number % 2],
                        "localization": SITES[number % len(SITES)],
                    }
                )
    with (folder / "HAM10000_metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def write_isic(folder: Path, labels: list[str], lesions: list[str] | None = None) -> Path:
    """ISIC 2018's layout: a photograph of each label, with a one-hot truth and, where lesions are told, a grouping."""
    folder.mkdir()
    for number, label in enumerate(labels):
        paint_lesion(label, number).save(folder / f"ISIC_{number:07d}.jpg")
    with (folder / "truth.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"])
        for number, label in enumerate(labels):
            order = ["mel", "nv", "bcc", "akiec", "bkl", "df", "vasc"]
            writer.writerow([f"ISIC_{number:07d}", *(float(name == label) for name in order)])
    if lesions:
        with (folder / "grouping.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "lesion_id"])
            writer.writerows((f"ISIC_{n:07d}", lesion) for n, lesion in enumerate(lesions))
    return folder


class ColourRuntime:
    """Stands in for the network: how near the middle of the picture is to each class's colour.

    The evidence map is the nearness of each cell of a 4 x 4 grid; logits are its mean plus a bias.
    """

    input_size = 64
    bias = np.linspace(-0.2, 0.4, len(CLASSES)).astype(np.float32)

    def __init__(self):
        self.calls = 0

    def run(self, tensor: np.ndarray) -> Observation:
        self.calls += 1
        assert tensor.shape == (1, 64, 64, 3)
        assert tensor.dtype == np.float32
        cells = tensor[0].reshape(4, 16, 4, 16, 3).mean(axis=(1, 3))
        targets = np.array([COLOURS[name] for name in CLASSES], dtype=np.float32)
        maps = 6 - np.abs(cells[:, :, None] - targets).mean(axis=-1) / 20
        return Observation(
            logits=maps.mean(axis=(0, 1)) + self.bias,
            features=cells.mean(axis=(0, 1)),
            activation_maps=maps.astype(np.float32),
        )


def settings(**changes) -> dict:
    """model.json of a classifier that works, with `changes` on top."""
    subsets = ("none", "age", "sex", "age+sex", "site", "age+site", "sex+site", "age+sex+site")
    metadata = {
        "version": "test-1",
        "labels": list(CLASSES),
        "input_size": 64,
        "is_validated": False,
        "temperature": 0.5,
        "logit_adjustment": [0.0] * 7,
        "prior": [0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02],
        "thresholds": {
            "malignancy": {"sensitivity_95": 0.3, "specificity_95": 0.6},
            "melanoma": {"sensitivity_95": 0.1, "specificity_95": 0.4},
        },
        "conformal": {
            "level": 0.9,
            "quantiles": {one: dict.fromkeys(CLASSES, 0.15) for one in subsets},
        },
        "out_of_distribution": {"threshold": 1e9},
        "metadata_fusion": old_is_malignant().to_json(),
        "test_time_augmentation": "none",
    }
    return metadata | changes


def old_is_malignant() -> Fusion:
    """A fusion in which age and face speak for cancer and the sex says nothing."""
    cancer = np.array([1.0, 1.0, 0, 0, 1.0, -1.0, 0])
    age = np.linspace(-1, 1, 9)[:, None] * cancer
    still = np.zeros(7)
    return Fusion(age, {"male": still, "female": still}, {"face": cancer, "back": still}, 1.0)
