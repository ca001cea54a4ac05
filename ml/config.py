"""Every choice of a training run, as one value that is written beside the weights."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ml.data import DatasetError
from ml.files import replacing
from ml.labels import CLASSES

ENGINES = ("keras", "torch")
SAMPLINGS = ("sqrt", "natural", "oversample")
# Where a run began and what it draws: its weights, its random numbers and its class prior rest on these.
FIXED = ("init", "seed", "sampling", "oversample_to", "class_counts")
OPTIONS = ("init", "seed", "minutes")  # settings with an option of their own on the command line


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `ml.train`. Sizes are in pixels, rates are Adam's, progress is 0..1."""

    init: str = "imagenet"
    seed: int = 0
    input_size: int = 224
    # From which progress on the whole network sees which size: small pictures first.
    stages: tuple[tuple[float, int], ...] = ((0.0, 160), (0.65, 224))
    cache_size: int | None = None  # of the photographs that training draws from; None: the largest stage
    batch_size: int = 32
    dropout: float = 0.3
    drop_connect: float = 0.2

    # sqrt: classes drawn by the square root of their frequency; natural: as they are;
    # oversample: every class below `oversample_to` images repeated up to it.
    sampling: str = "sqrt"
    oversample_to: int = 2000
    focal_gamma: float = 2.0
    class_weights: tuple[float, ...] = (1.0,) * len(CLASSES)

    head_images: int = 3000
    head_penalty: float = 300.0  # L2 strength of the logistic regression
    norm_batches: int = 40  # for the BatchNorm statistics of a warm start

    top_layers: int = 80
    top_images: int = 10_000
    top_rate: float = 5e-5

    images: int = 70_000  # drawn by the whole-network phase, when `minutes` is None
    minutes: float | None = None
    peak_rate: float = 1.2e-4
    warmup_images: int = 3_200
    final_rate: float = 1e-6
    weight_decay: float = 0.02
    batch_norm: bool = True  # BatchNorm learns in the whole-network phase
    # The gradient of a 5 x 5 depthwise kernel is TensorFlow's slowest operation on a CPU.
    large_depthwise: bool = True
    average_momentum: float = 0.995
    epoch_images: int = 4_800
    patience: int = 8  # epochs without a better validation macro AUC, after which a phase ends

    engine: str = "keras"  # one of ENGINES; "torch" for a GPU: ml.torch_run
    teachers: tuple[str, ...] = ()  # run folders of networks whose answers are learnt from, by engine "torch"
    label_share: float = 0.1  # of the diagnoses in the loss, where there are teachers

    mixup: float = 0.0  # Beta(mixup, mixup) draws the shares of two pictures laid over each other; 0: none
    augmentation: dict = field(default_factory=dict)  # fields of AugmentationConfig
    class_counts: tuple[int, ...] | None = None  # of the training split; written by the run

    @classmethod
    def from_options(cls, options) -> "TrainConfig":
        """A begun run's own settings, or the defaults, changed by what the command line
        says: a JSON file's fields, then OPTIONS."""
        begun = (options.out / "config.json").exists()
        values = dataclasses.asdict(cls.read(options.out)) if begun else {}
        if options.config:
            values |= json.loads(options.config.read_text())
        for name in OPTIONS:
            if getattr(options, name) is not None:
                values[name] = getattr(options, name)
        return cls.from_dict(values)

    def counted(self, labels: np.ndarray) -> "TrainConfig":
        """These settings with the counts of the training split, whose labels (N,) are places in CLASSES."""
        counts = np.bincount(labels, minlength=len(CLASSES))
        return dataclasses.replace(self, class_counts=tuple(int(n) for n in counts))

    def changed(self) -> dict:
        """The settings that differ from the defaults; what a run only derives is left out."""
        defaults = dataclasses.asdict(TrainConfig())
        values = dataclasses.asdict(self) | {"class_counts": None}
        return {name: value for name, value in values.items() if value != defaults[name]}

    @classmethod
    def from_dict(cls, values: dict) -> "TrainConfig":
        """Lists of JSON become tuples. Raises DatasetError for an unknown field."""
        unknown = set(values) - {f.name for f in dataclasses.fields(cls)}
        if unknown:
            raise DatasetError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**{name: _tuple(value) for name, value in values.items()})

    @classmethod
    def read(cls, run: Path) -> "TrainConfig":
        """The config of a run folder; fields that are only derived are left out."""
        values = json.loads((Path(run) / "config.json").read_text())
        values.pop("class_prior", None)
        return cls.from_dict(values)

    def write(self, run: Path) -> None:
        """Replace config.json, with the class prior that training saw beside the settings."""
        values = dataclasses.asdict(self)
        if self.class_counts:
            values["class_prior"] = [round(float(p), 6) for p in self.class_prior()]
        Path(run).mkdir(parents=True, exist_ok=True)
        with replacing(Path(run) / "config.json") as part:
            part.write_text(json.dumps(values, indent=2) + "\n")

    def check_resumes(self, begun: "TrainConfig") -> None:
        """Raises DatasetError, naming them, where settings differ that a begun run cannot change."""
        gaps = [
            f"{name} {getattr(begun, name)!r}, not {getattr(self, name)!r}"
            for name in FIXED
            if getattr(begun, name) != getattr(self, name)
        ]
        if gaps:
            raise DatasetError(f"this run was begun with {'; '.join(gaps)}: choose another --out")

    def class_prior(self) -> np.ndarray:
        """Frequency of each class among the images drawn in training, (7,), sums to 1.

        Softmax outputs carry this prior: p / prior is the balanced decision, and
        p / prior * frequency gives probabilities for another population.
        """
        counts = np.asarray(self.class_counts, float)
        if self.sampling == "sqrt":
            counts = np.sqrt(counts)
        elif self.sampling == "oversample":
            counts = np.where(counts > 0, np.maximum(counts, self.oversample_to), 0)
        elif self.sampling != "natural":
            raise DatasetError(f"sampling {self.sampling!r} is not one of {SAMPLINGS}")
        return counts / counts.sum()

    def cached_size(self) -> int:
        """Side, in pixels, of the photographs that training draws from."""
        return self.cache_size or max(size for _, size in self.stages)

    def photograph_size(self) -> int:
        """Side, in pixels, of the photographs that the network is given once it is trained: it
        enlarges those that training kept smaller than its input."""
        return min(self.cached_size(), self.input_size)

    def size_at(self, progress: float) -> int:
        """The picture size of the stage that `progress` lies in."""
        return [size for start, size in self.stages if progress >= start][-1]

    def rate_at(self, images: int, progress: float) -> float:
        """Learning rate: linear warm-up over images seen, cosine decay over progress."""
        warm = min(1.0, (images + self.batch_size) / max(self.warmup_images, 1))
        fall = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return warm * (self.final_rate + (self.peak_rate - self.final_rate) * fall)


def _tuple(value):
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value
