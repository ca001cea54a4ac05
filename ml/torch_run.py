"""A training run on a GPU, by PyTorch: the same settings, pictures and losses as ml.fit, in bfloat16.

Mixup alone differs: each picture is changed by itself before two are laid over each other. It can learn
from other networks too: their answers to the same changed picture are then what it is
to give (L. Beyer et al., "Knowledge distillation: a good teacher is patient and consistent", CVPR 2022).
"""

import logging
import time
from pathlib import Path

import keras
import numpy as np
import torch
from torch.nn import functional

from ml import history
from ml.augmentation import AugmentationConfig
from ml.batches import draw
from ml.config import TrainConfig
from ml.data import DatasetError
from ml.files import replacing
from ml.head import first_model
from ml.labels import CLASSES
from ml.model import build_model
from ml.torch_augmentation import TorchAugmentation
from ml.torch_network import LAYOUT, LesionNetwork, get_weights, set_weights

log = logging.getLogger("ml.train")


class TorchRun:
    """Trains the whole network on `pixels` and `labels`, dicts of arrays for "train" and "validation".

    As in ml.fit an epoch is a function of the state before it and of its number, so that a run that was
    cut short goes on as if it had not been.
    """

    def __init__(self, out: Path, config: TrainConfig, pixels: dict, labels: dict):
        self.config = config.counted(labels["train"])
        self.prior = self.config.class_prior()
        for teacher in self.config.teachers:
            if not np.allclose(TrainConfig.read(teacher).class_prior(), self.prior, atol=1e-6):
                raise DatasetError(f"{teacher} drew the classes in other shares")
        self.out, self.labels, self.given = Path(out), labels, pixels["train"]
        self.path = self.out / "state" / "epoch.pt"
        self.device = keras.ops.zeros(1).device.type  # Keras's own, where the pictures are changed too
        self.pixels = {name: torch.from_numpy(part).to(self.device) for name, part in pixels.items()}
        self.targets = torch.eye(len(CLASSES), device=self.device)[torch.from_numpy(labels["train"])]
        self.model = build_model(self.config.input_size, self.config.dropout)
        self.progress = {"epoch": 0, "images": 0, "seconds": 0.0}
        self.rows: list[dict] = []

    @staticmethod
    def check(config: TrainConfig) -> None:
        """Raises DatasetError where these settings, or this process, cannot be trained by PyTorch."""
        if keras.backend.backend() != "torch":
            raise DatasetError('engine "torch" needs the environment variable KERAS_BACKEND=torch')
        if config.top_images or not (config.batch_norm and config.large_depthwise):
            raise DatasetError('engine "torch" trains the whole network: no top_images, batch_norm, large_depthwise')
        if config.epoch_images < config.batch_size:
            raise DatasetError("epoch_images are fewer than one batch")
        missing = [name for name in config.teachers if not (Path(name) / "best.weights.h5").exists()]
        if missing:
            raise DatasetError(f"no trained network in {', '.join(missing)}")

    def run(self) -> None:
        """Train to the end, and write what an export needs into the run folder.

        Raises DatasetError where the begun run was given other FIXED settings.
        """
        is_begun = self.path.exists()
        if is_begun:
            self.config.check_resumes(TrainConfig.read(self.out))
        self.config.write(self.out)
        self.teachers = [self._teacher(Path(name)) for name in self.config.teachers]
        if not is_begun:
            first = first_model(self.config, self.given, self.labels["train"])
            self.model.set_weights(first.get_weights())
        self._build_networks()
        if is_begun:
            self._load()
            log.info("resuming after epoch %d", self.progress["epoch"])
        while self._progress() < 1 and not history.is_stale(self.rows, "whole", self.config.patience):
            self._run_epoch()
        history.plot(self.rows, self.out / "curves.png")
        log.info("finished: best validation macro AUC %.4f", history.best(self.rows))

    def _teacher(self, run: Path) -> LesionNetwork:
        self.model.load_weights(run / "best.weights.h5")
        return self._network().eval().requires_grad_(False)

    def _network(self, **rates) -> LesionNetwork:
        network = LesionNetwork(**rates)
        set_weights(network, self.model)
        return network.to(self.device, memory_format=LAYOUT)

    def _build_networks(self) -> None:
        config = self.config
        self.network = self._network(dropout=config.dropout, drop_connect=config.drop_connect)
        self.averaged = self._network().eval()
        decayed = [value for value in self.network.parameters() if value.ndim > 1]
        others = [value for value in self.network.parameters() if value.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, fused=self.device == "cuda")
        pairs = zip(self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True)
        self.averaged_pairs = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
        self.class_weights = torch.tensor(config.class_weights, device=self.device)

    def _run_epoch(self) -> None:
        config, number, begun = self.config, self.progress["epoch"] + 1, self._progress()
        positions = draw(self.labels["train"], self.prior, config.epoch_images, (config.seed, number))
        positions = torch.from_numpy(positions).to(self.device)
        torch.manual_seed(config.seed * 100_003 + number)
        self.random = np.random.default_rng((config.seed, number))
        started, losses, bar = time.monotonic(), [], history.bar(len(positions), number)
        size = config.size_at(begun)
        augmentation = TorchAugmentation(size, AugmentationConfig(**config.augmentation))
        self.network.train()
        for start in range(0, len(positions) - config.batch_size + 1, config.batch_size):
            done = self._progress(len(losses), time.monotonic() - started)
            if losses and (done >= 1 or config.size_at(done) != size):
                break
            rate = config.rate_at(self.progress["images"] + len(losses) * config.batch_size, done)
            losses.append(self._step(augmentation, positions[start : start + config.batch_size], rate))
            spent = time.monotonic() - started
            left = history.time_left(self._progress(len(losses), spent), begun, spent)
            bar.set_postfix_str(f"run {left}", False)
            bar.update(config.batch_size)
        bar.close()
        images, seconds = len(losses) * config.batch_size, time.monotonic() - started
        self.progress["epoch"] = number
        self.progress["images"] += images
        row = {
            "epoch": number,
            "phase": "whole",
            "size": size,
            "images": self.progress["images"],
            "rate": rate,
            "loss": float(torch.stack(losses).mean()),
            "images_per_second": images / seconds,
        }
        self._close_epoch(row, started)

    def _step(self, augmentation: TorchAugmentation, chosen: torch.Tensor, rate: float) -> torch.Tensor:
        with torch.no_grad():
            pictures = augmentation(self.pixels["train"][chosen], training=True)
            targets = self.targets[chosen]
            pictures, targets = self._mix(pictures, targets)
        with torch.autocast(self.device, torch.bfloat16):
            logits = self.network(pictures)
        loss = self._loss(logits, pictures, targets)
        loss.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._average()
        return loss.detach()

    def _mix(self, pictures: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Every picture laid over another of its batch, in shares as ml.batches.Batches draws them."""
        config = self.config
        if not config.mixup:
            return pictures, targets
        shares = self.random.beta(config.mixup, config.mixup, len(targets)).astype(np.float32)
        share = torch.from_numpy(shares).to(self.device)[:, None]
        others = torch.from_numpy(self.random.permutation(len(targets))).to(self.device)
        pictures = torch.lerp(pictures[others], pictures, share[:, :, None, None])
        return pictures, torch.lerp(targets[others], targets, share)

    def _loss(self, logits: torch.Tensor, pictures: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The focal loss of the diagnoses, and how far the answer is from that of the teachers."""
        config = self.config
        guesses = functional.log_softmax(logits, dim=1)
        focal = self.class_weights * (1 - guesses.exp()).clamp_min(1e-7) ** config.focal_gamma
        loss = -(targets * focal * guesses).sum(1).mean()
        if not self.teachers:
            return loss
        with torch.no_grad(), torch.autocast(self.device, torch.bfloat16):
            answers = torch.stack([teacher(pictures) for teacher in self.teachers]).mean(0)
            answers = functional.log_softmax(answers, dim=1)
        distance = functional.kl_div(guesses, answers, reduction="batchmean", log_target=True)
        return config.label_share * loss + (1 - config.label_share) * distance

    @torch.no_grad()
    def _average(self) -> None:
        share = 1 - self.config.average_momentum
        averages, values = zip(*self.averaged_pairs, strict=True)
        torch._foreach_lerp_(averages, values, share)

    def _close_epoch(self, row: dict, started: float) -> None:
        """Score the averaged weights, keep them if they are the best, then save the state.

        In this order: a crash in between repeats the epoch and finds the same best.
        """
        scores = history.validation_scores(self.labels["validation"], self._validation_logits(), self.prior)
        if scores["macro_auc"] > history.best(self.rows):
            get_weights(self.averaged, self.model)
            with replacing(self.out / "best.weights.h5") as part:
                self.model.save_weights(part)
        self.progress["seconds"] += time.monotonic() - started
        self.rows.append(row | scores | {"seconds": self.progress["seconds"]})
        self._save()
        history.write(self.rows, self.out / "history.csv")
        log.info("%s", "  ".join(f"{name} {history.text(x)}" for name, x in self.rows[-1].items()))

    def _stateful(self) -> dict:
        return {"network": self.network, "averaged": self.averaged, "optimizer": self.optimizer}

    def _save(self) -> None:
        """One file, replaced at once: after kill -9 it is the old state or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        parts = {name: part.state_dict() for name, part in self._stateful().items()}
        with replacing(self.path) as file:
            torch.save({"progress": self.progress, "rows": self.rows, **parts}, file)

    def _load(self) -> None:
        state = torch.load(self.path, map_location=self.device, weights_only=True)
        for name, part in self._stateful().items():
            part.load_state_dict(state[name])
        self.progress, self.rows = state["progress"], state["rows"]

    @torch.no_grad()
    def _validation_logits(self) -> np.ndarray:
        """Logits (N, 7) of the validation photographs."""
        enlarge = TorchAugmentation(self.config.input_size)
        answers = []
        for part in torch.split(self.pixels["validation"], self.config.batch_size):
            with torch.autocast(self.device, torch.bfloat16):
                answers.append(self.averaged(enlarge(part)))
        return torch.cat(answers).cpu().numpy()

    def _progress(self, batches: int = 0, seconds: float = 0.0) -> float:
        """How far the run has come, 0..1, after so much of an epoch; by wall time where minutes are set."""
        if self.config.minutes:
            return (self.progress["seconds"] + seconds) / (60 * self.config.minutes)
        return (self.progress["images"] + batches * self.config.batch_size) / self.config.images
