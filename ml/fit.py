"""A training run: its phases, its epochs, and the state it can be resumed from."""

import json
import logging
import time
from pathlib import Path

import keras
import numpy as np

from ml import history
from ml.augmentation import Augmentation, AugmentationConfig
from ml.batches import Batches, draw
from ml.config import TrainConfig
from ml.files import replacing
from ml.head import first_model
from ml.labels import CLASSES
from ml.model import build_model, enlarging, set_trainable

log = logging.getLogger("ml.train")

PHASES = ("top", "whole")
KINDS = ("weight", "averaged", "optimizer")  # of the arrays in a state


class Run:
    """Trains on `pixels` and `labels`, dicts of arrays for "train" and "validation".

    An epoch is a function of the state before it and of its number alone: all random
    numbers are seeded by the epoch. So repeating the epoch that a crash cut short gives
    what it would have given.
    """

    def __init__(self, out: Path, config: TrainConfig, pixels: dict, labels: dict):
        self.config = config.counted(labels["train"])
        self.prior = self.config.class_prior()
        self.out, self.pixels, self.labels = Path(out), pixels, labels
        self.path = self.out / "state" / "epoch.npz"
        self.network = build_model(config.input_size, config.dropout)
        self.evaluated = enlarging(self.network, config.photograph_size())
        self.progress = {"phase": "top", "epoch": 0, "images": 0, "seconds": 0.0}
        self.rows: list[dict] = []
        self.weights: list[np.ndarray] = []
        self.optimizer: list[np.ndarray] = []

    def run(self) -> None:
        """Train to the end. Raises DatasetError where the begun run was given other FIXED settings."""
        is_begun = self.path.exists()
        if is_begun:
            self.config.check_resumes(TrainConfig.read(self.out))
        self.config.write(self.out)
        if is_begun:
            self._load()
            log.info("resuming after epoch %d", self.progress["epoch"])
        else:
            self._start()
        for phase in PHASES[PHASES.index(self.progress["phase"]) :]:
            if phase != self.progress["phase"]:
                self.progress.update(phase=phase, images=0, seconds=0.0)
                self.optimizer = []
            self._run_phase()
        history.plot(self.rows, self.out / "curves.png")
        log.info("finished: best validation macro AUC %.4f", history.best(self.rows))

    def _start(self) -> None:
        """Initial weights, and the dense layer fitted on the frozen base's features."""
        model = first_model(self.config, self.pixels["train"], self.labels["train"])
        self.weights = model.get_weights()
        self._close_epoch({"phase": "head", "size": self.config.stages[0][1]}, self.weights)

    def _run_phase(self) -> None:
        model, size = None, None
        phase, patience = self.progress["phase"], self.config.patience
        while (done := self._progress()) < 1 and not history.is_stale(self.rows, phase, patience):
            if size != self._size(done):
                size = self._size(done)
                model = self._compile(size)
            self._run_epoch(model, size)

    def _run_epoch(self, model, size: int) -> None:
        config, number = self.config, self.progress["epoch"] + 1
        positions = draw(self.labels["train"], self.prior, config.epoch_images, (config.seed, number))
        _reseed(model, config.seed * 100_003 + number)
        batches = Batches(
            self.pixels["train"],
            self.labels["train"],
            positions,
            config.batch_size,
            len(CLASSES),
            config.mixup,
            (config.seed, number),
        )
        pace = _Pace(self)
        # Drawn in random order already; `fit` would shuffle by a generator that no epoch seeds.
        logs = model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[pace]).history
        images = pace.batches * config.batch_size
        self.progress["images"] += images
        self.progress["seconds"] += pace.seconds()
        self.progress["epoch"] = number
        classifier = model.get_layer("lesion_classifier")
        self.weights = pace.weights
        self.optimizer = [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]
        averaged = classifier.get_weights()  # `fit` ends by putting the averages into the model
        classifier.set_weights(self.weights)
        images_per_second = images / max(pace.seconds(), 1e-9)
        self._close_epoch(
            {
                "phase": self.progress["phase"],
                "size": size,
                "images": self.progress["images"],
                "rate": float(model.optimizer.learning_rate),
                "loss": float(logs["loss"][0]),
                "images_per_second": images_per_second,
            },
            averaged,
        )

    def _close_epoch(self, row: dict, averaged: list[np.ndarray]) -> None:
        """Score the averaged weights, keep them if they are the best, then save the state.

        In this order: a crash in between repeats the epoch and finds the same best.
        """
        started = time.monotonic()
        self.network.set_weights(averaged)
        logits = self.evaluated.predict(self.pixels["validation"], batch_size=self.config.batch_size, verbose=0)[
            "logits"
        ]
        scores = history.validation_scores(self.labels["validation"], logits, self.prior)
        row = {"epoch": self.progress["epoch"], **row, **scores}
        if row["macro_auc"] > history.best(self.rows):
            with replacing(self.out / "best.weights.h5") as part:
                self.network.save_weights(part)
        self.progress["seconds"] += time.monotonic() - started
        row["seconds"] = self.progress["seconds"]
        self.rows.append(row)
        self._save(averaged)
        history.write(self.rows, self.out / "history.csv")
        history.plot(self.rows, self.out / "curves.png")
        log.info("%s", "  ".join(f"{name} {history.text(x)}" for name, x in row.items()))

    def _compile(self, size: int) -> keras.Model:
        config, whole = self.config, self.progress["phase"] == "whole"
        classifier = build_model(size, config.dropout, drop_connect=config.drop_connect)
        classifier.set_weights(self.weights)
        set_trainable(
            classifier,
            top_layers=None if whole else config.top_layers,
            batch_norm=whole and config.batch_norm,
            large_depthwise=config.large_depthwise,
        )
        augmentation = Augmentation(size, AugmentationConfig(**config.augmentation))
        side = config.cached_size()
        pictures = keras.Input((side, side, 3), dtype="uint8")
        model = keras.Model(pictures, classifier(augmentation(pictures))["logits"])
        optimizer = keras.optimizers.AdamW(
            config.peak_rate,
            weight_decay=config.weight_decay,
            use_ema=True,
            ema_momentum=config.average_momentum,
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        loss = keras.losses.CategoricalFocalCrossentropy(
            alpha=list(config.class_weights), gamma=config.focal_gamma, from_logits=True
        )
        # Uncompiled, jax runs every operation by itself; TensorFlow makes a graph of the step either way.
        jit_compile = "auto" if keras.backend.backend() == "jax" else False
        model.compile(optimizer, loss, jit_compile=jit_compile)
        optimizer.build(model.trainable_variables)
        if [v.shape for v in optimizer.variables] == [x.shape for x in self.optimizer]:
            for variable, value in zip(optimizer.variables, self.optimizer, strict=True):
                variable.assign(value)
        elif self.optimizer:
            log.warning("other weights learn than before: the optimiser starts afresh")
        return model

    def _progress(self, images: int = 0, seconds: float = 0.0) -> float:
        """How far the phase has come, 0..1; by wall time where minutes are set, so that
        the cosine reaches its end however busy the machine is."""
        config = self.config
        images += self.progress["images"]
        seconds += self.progress["seconds"]
        if self.progress["phase"] == "top":
            return images / config.top_images if config.top_images else 1.0
        if config.minutes:
            return seconds / (60 * config.minutes)
        return images / config.images

    def rate(self, images: int, seconds: float) -> float:
        """The learning rate after so much of the current epoch."""
        done = self._progress(images, seconds)
        images += self.progress["images"]
        scale = 1.0
        if self.progress["phase"] == "top":
            scale = self.config.top_rate / self.config.peak_rate
        return scale * self.config.rate_at(images, done)

    def _size(self, done: float) -> int:
        return self.config.size_at(done if self.progress["phase"] == "whole" else 0.0)

    def _save(self, averaged: list[np.ndarray]) -> None:
        """One file, replaced at once: after kill -9 it is the old state or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        parts = zip(KINDS, (self.weights, averaged, self.optimizer), strict=True)
        arrays = {f"{kind}_{i:04d}": x for kind, part in parts for i, x in enumerate(part)}
        summary = json.dumps({"progress": self.progress, "rows": self.rows})
        with replacing(self.path) as part:
            np.savez(part, summary=np.array(summary), **arrays)

    def _load(self) -> None:
        state = read_state(self.path)
        self.weights, self.optimizer = state["weight"], state["optimizer"]
        self.progress, self.rows = state["summary"]["progress"], state["summary"]["rows"]


def read_state(path: Path) -> dict:
    """An epoch's state: the lists of arrays that KINDS names, in Keras's order, and the "summary".

    "weight" are the weights that learn, "averaged" their moving averages; a state from before these
    were kept has none.
    """
    with np.load(path) as state:
        arrays = {kind: [state[name] for name in sorted(state.files) if name.startswith(f"{kind}_")] for kind in KINDS}
        return arrays | {"summary": json.loads(str(state["summary"]))}


class _Pace(keras.callbacks.Callback):
    """Sets the learning rate before each batch and shows how long the phase still takes."""

    def __init__(self, run: Run):
        super().__init__()
        self.run = run

    def on_train_begin(self, logs=None):
        self.started = time.monotonic()
        self.batches = 0
        self.bar = history.bar(self.run.config.epoch_images, self.run.progress["epoch"] + 1)

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def on_train_batch_begin(self, batch, logs=None):
        images = batch * self.run.config.batch_size
        self.model.optimizer.learning_rate = self.run.rate(images, self.seconds())

    def on_train_batch_end(self, batch, logs=None):
        size = self.run.config.batch_size
        self.batches += 1
        done = self.run._progress(self.batches * size, self.seconds())
        if done >= 1:
            self.model.stop_training = True
        self.bar.set_postfix_str(f"phase {history.time_left(done, self.run._progress(), self.seconds())}", False)
        self.bar.update(size)

    def on_epoch_end(self, epoch, logs=None):
        # The weights that learn: `fit` overwrites them with their averages before it returns.
        self.weights = self.model.get_layer("lesion_classifier").get_weights()

    def on_train_end(self, logs=None):
        self.bar.close()


def _reseed(model, seed: int) -> None:
    """Start every random layer anew, so that an epoch does not depend on the ones before."""
    for number, layer in enumerate(model._flatten_layers()):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            state = np.array([seed, number], dtype=np.uint32)
            generator.state.assign(state)
