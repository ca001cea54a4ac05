"""One photograph to one calibrated prediction: what the portal and the commands call.

classifier = Classifier.load()
prediction = classifier.predict(image_bytes, age=62, sex="male", site="back")
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ml import conformal, model_json, preprocess
from ml.labels import CLASSES, INDEX, MALIGNANT_INDICES
from ml.light import has_colour
from ml.metadata import FACTS, Fusion, softmax
from ml.out_of_distribution import Detector, is_strange
from ml.runtime import Observation, Runtime

ARTIFACT = Path(__file__).parent / "artifact"
MAP_SIZE = 64

# Each view: quarter turns, then a left-right flip. They are averaged in logit space.
VIEWS = {
    "none": ((0, False),),
    "flips": ((0, False), (0, True), (2, False), (2, True)),
    "turns": tuple((turns, flip) for turns in range(4) for flip in (False, True)),
}


@dataclass(frozen=True)
class Factor:
    """What moved the malignancy risk: the photograph first, then each known fact."""

    name: str  # "image" | "age" | "sex" | "site"
    value: str | None
    risk_before: float
    risk_after: float


@dataclass(frozen=True)
class Prediction:
    """Probabilities are calibrated, keyed in CLASSES order, and sum to 1."""

    model_version: str
    probabilities: dict[str, float]  # from the photograph and the known facts
    image_probabilities: dict[str, float]  # from the photograph alone
    predicted_class: str
    confidence: float
    malignancy_risk: float
    melanoma_probability: float
    # Class-conditional conformal, most probable first, never empty; predicted_class may be missing.
    prediction_set: tuple[str, ...]
    out_of_distribution: bool
    out_of_distribution_score: float
    factors: tuple[Factor, ...]
    activation_map: np.ndarray | None  # float32 (64, 64), 0..1, spans the whole photograph
    latency_ms: float


class Classifier:
    """Safe to share between threads; a forked child opens its own interpreter."""

    def __init__(self, runtime: Runtime, metadata: dict, detector: Detector | None):
        if tuple(metadata["labels"]) != CLASSES:
            raise ValueError(f"the artefact's classes are {metadata['labels']}, not {CLASSES}")
        self.metadata = metadata
        self.version: str = metadata["version"]
        self.thresholds: dict = metadata["thresholds"]
        self.is_validated: bool = metadata["is_validated"]
        self.test_time_augmentation: str = metadata["test_time_augmentation"]
        self.prior = np.asarray(metadata["prior"], dtype=float)
        self._runtime = runtime
        self._detector = detector
        self._strange_above: float = metadata["out_of_distribution"]["threshold"]
        self._temperature = float(metadata["temperature"])
        self._adjustment = np.asarray(metadata["logit_adjustment"], dtype=float)
        self.fusion = Fusion.from_json(metadata["metadata_fusion"])

    @classmethod
    def load(cls, directory: Path | None = None, *, threads: int = 2, views: str | None = None) -> "Classifier":
        """Open the artefact in `directory` (default: the one that ships with the package).

        threads: of one forward pass; views: a key of VIEWS that overrides the artefact's own choice
        of test-time augmentation. Raises OSError or ValueError where a file of the artefact is
        missing or does not belong to the others.
        """
        directory = Path(directory or ARTIFACT)
        metadata = model_json.read(directory)
        if views is not None:
            metadata["test_time_augmentation"] = views
        return cls(
            Runtime(directory / "model.tflite", threads),
            metadata,
            Detector.of_artefact(directory, metadata["out_of_distribution"]),
        )

    def predict(
        self,
        image: Image.Image | bytes,
        *,
        age: float | None = None,
        sex: str | None = None,
        site: str | None = None,
        with_maps: bool = True,
    ) -> Prediction:
        """Classify one photograph; facts that are None or unheard of drop out.

        age in years; sex and site in the words of ml.labels.
        Raises preprocess.UnreadableImage for bytes that hold no photograph.
        """
        started = time.perf_counter()
        if isinstance(image, (bytes, bytearray, memoryview)):
            image = preprocess.decode(bytes(image))
        elif isinstance(image, Image.Image):
            image = preprocess.upright_rgb(image)
        else:
            raise TypeError(f"a photograph is a PIL image or the bytes of a file, not {type(image).__name__}")
        observation = self.observe(image)
        facts = {"age": age, "sex": sex, "site": site}
        return self.judge(observation, facts, image if with_maps else None, started)

    def observe(self, image: Image.Image) -> Observation:
        """The network's raw outputs for an RGB photograph, averaged over the views."""
        tensor = preprocess.to_tensor(image, self.metadata["input_size"])
        seen = [self.look(tensor, view) for view in VIEWS[self.test_time_augmentation]]
        return Observation(
            logits=np.mean([one.logits for one in seen], axis=0),
            features=seen[0].features,
            activation_maps=np.mean([one.activation_maps for one in seen], axis=0),
            has_colour=has_colour(tensor[0]),
        )

    def look(self, tensor: np.ndarray, view: tuple[int, bool]) -> Observation:
        """Raw outputs for one view (quarter turns, flip) of a square, the maps turned back."""
        turns, flip = view
        seen = self._runtime.run(np.ascontiguousarray(_turn(tensor, turns, flip)))
        return Observation(seen.logits, seen.features, _turn_back(seen.activation_maps, turns, flip))

    def calibrate(self, logits: np.ndarray) -> np.ndarray:
        """Raw logits (..., 7) to calibrated p(y | image) (..., 7) at the training prior."""
        return softmax(logits / self._temperature + self._adjustment)

    def quantiles(self, facts: dict) -> np.ndarray:
        """The conformal quantiles (7,) that belong to the facts known."""
        known = [f for f in FACTS if self.fusion.term(f, facts.get(f)) is not None]
        by_class = self.metadata["conformal"]["quantiles"]["+".join(known) or "none"]
        return np.array([by_class[name] for name in CLASSES])

    def strangeness(self, features: np.ndarray) -> np.ndarray:
        """Out-of-distribution scores (N,) of features (N, D); 0 where the artefact has no detector."""
        return np.zeros(len(features)) if self._detector is None else self._detector.score(features)

    def is_strange(self, features: np.ndarray, has_colour: np.ndarray) -> np.ndarray:
        """Which photographs, bool (N,), do not look like those that the network learnt from."""
        return is_strange(self.strangeness(features), self._strange_above, has_colour)

    def judge(
        self,
        observation: Observation,
        facts: dict,
        photo: Image.Image | None = None,
        started: float | None = None,
    ) -> Prediction:
        """Turn raw outputs and facts into a prediction; a map needs the RGB photo."""
        started = time.perf_counter() if started is None else started
        from_image = self.calibrate(observation.logits)
        steps = self.fusion.steps(from_image, facts)
        fused = steps[-1][1] if steps else from_image
        top = int(fused.argmax())
        members = conformal.set_members(fused[np.newaxis], self.quantiles(facts))[0]
        ranked = [int(index) for index in fused.argsort()[::-1] if members[index]]
        score = float(self.strangeness(observation.features[np.newaxis])[0])
        heat = None
        if photo is not None:
            heat = activation_map(observation.activation_maps[..., top], photo)
        return Prediction(
            model_version=self.version,
            probabilities=_by_class(fused),
            image_probabilities=_by_class(from_image),
            predicted_class=CLASSES[top],
            confidence=float(fused[top]),
            malignancy_risk=malignancy_risk(fused),
            melanoma_probability=float(fused[INDEX["mel"]]),
            prediction_set=tuple(CLASSES[index] for index in ranked),
            out_of_distribution=bool(is_strange(score, self._strange_above, observation.has_colour)),
            out_of_distribution_score=score,
            factors=self._factors(from_image, steps, facts),
            activation_map=heat,
            latency_ms=(time.perf_counter() - started) * 1000,
        )

    def _factors(self, from_image: np.ndarray, steps: list, facts: dict) -> tuple[Factor, ...]:
        risk = malignancy_risk(from_image)
        factors = [Factor("image", None, malignancy_risk(self.prior), risk)]
        for name, probabilities in steps:
            after = malignancy_risk(probabilities)
            value = f"{facts[name]:g}" if name == "age" else str(facts[name])
            factors.append(Factor(name, value, risk, after))
            risk = after
        return tuple(factors)


def malignancy_risk(probabilities: np.ndarray) -> float:
    """p(akiec) + p(bcc) + p(mel) of one row (7,)."""
    return float(probabilities[list(MALIGNANT_INDICES)].sum())


def activation_map(evidence: np.ndarray, photo: Image.Image) -> np.ndarray:
    """Class evidence (h, w) of the network's square to a map (64, 64) in 0..1 over the whole photo.

    Evidence against the class counts as none. What the network did not see stays 0.
    """
    positive = np.maximum(evidence, 0)
    positive = positive / positive.max() if positive.max() > 0 else positive
    left, top, right, bottom = preprocess.square_box(photo)
    width, height = photo.size
    columns = [round(edge / width * MAP_SIZE) for edge in (left, right)]
    rows = [round(edge / height * MAP_SIZE) for edge in (top, bottom)]
    small = Image.fromarray(positive.astype(np.float32))
    seen = (max(1, columns[1] - columns[0]), max(1, rows[1] - rows[0]))
    whole = np.zeros((MAP_SIZE, MAP_SIZE), dtype=np.float32)
    smooth = np.asarray(small.resize(seen, Image.Resampling.BICUBIC))
    whole[rows[0] : rows[0] + seen[1], columns[0] : columns[0] + seen[0]] = np.clip(smooth, 0, 1)
    return whole


def _turn(tensor: np.ndarray, turns: int, flip: bool) -> np.ndarray:
    turned = np.rot90(tensor, turns, axes=(1, 2))
    return turned[:, :, ::-1] if flip else turned


def _turn_back(maps: np.ndarray, turns: int, flip: bool) -> np.ndarray:
    upright = maps[:, ::-1] if flip else maps
    return np.rot90(upright, -turns, axes=(0, 1))


def _by_class(probabilities: np.ndarray) -> dict[str, float]:
    return {name: float(p) for name, p in zip(CLASSES, probabilities, strict=True)}
