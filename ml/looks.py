"""What one network said of each photograph, kept between the commands that ask it again.

Calibrating, comparing views, measuring and counting tiers look at the same photographs; with
`--cache DIR` each view of each is computed once.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ml import field_of_view, light, preprocess, skin_tone
from ml.classifier import VIEWS
from ml.files import replacing

ALL_VIEWS = VIEWS["turns"]
# The code that makes of a file what is kept here: where it changes, nothing kept before is used.
MADE_BY = (preprocess, field_of_view, light, skin_tone)


@dataclass
class Look:
    """Of one photograph: what was computed so far."""

    size: tuple[int, int]  # width, height in pixels
    skin_angle: float | None  # degrees
    has_colour: bool
    features: np.ndarray  # (D,), of the plain view
    logits: dict = field(default_factory=dict)  # {one of ALL_VIEWS: (7,)}


class Looks:
    """Looks by the digest of a photograph's file; in `folder` where there is one, else forgotten."""

    def __init__(self, folder: Path | None, artifact: Path):
        self._looks: dict[str, Look] = {}
        self._path = None
        self._is_new = False
        if folder is not None:
            parts = (artifact / "model.tflite", *(Path(module.__file__) for module in MADE_BY))
            key = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
            self._path = Path(folder) / f"{key[:16]}.npz"
            if self._path.exists():
                self._load()

    def get(self, digest: str) -> Look | None:
        return self._looks.get(digest)

    def put(self, digest: str, look: Look) -> None:
        self._looks[digest] = look
        self._is_new = True

    def save(self) -> None:
        """Replace the file, where there is one and something was added."""
        if self._path is None or not self._is_new:
            return
        looks = self._looks.values()
        unknown = np.full(7, np.nan, dtype=np.float32)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as part:
            np.savez(
                part,
                digests=np.array(list(self._looks)),
                sizes=np.array([look.size for look in looks]),
                skin_angles=np.array([np.nan if look.skin_angle is None else look.skin_angle for look in looks]),
                has_colour=np.array([look.has_colour for look in looks]),
                features=np.stack([look.features for look in looks]),
                logits=np.array([[look.logits.get(view, unknown) for view in ALL_VIEWS] for look in looks]),
            )
        self._is_new = False

    def _load(self) -> None:
        with np.load(self._path) as kept:
            columns = [kept[name] for name in ("digests", "sizes", "skin_angles", "has_colour", "features", "logits")]
        for digest, size, angle, has_colour, features, by_view in zip(*columns, strict=True):
            logits = {view: row for view, row in zip(ALL_VIEWS, by_view, strict=True) if not np.isnan(row).any()}
            known_angle = None if np.isnan(angle) else float(angle)
            self._looks[str(digest)] = Look(tuple(map(int, size)), known_angle, bool(has_colour), features, logits)
