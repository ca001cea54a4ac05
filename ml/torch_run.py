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

    It takes minutes, so it is not resumed: a run that was cut short begins anew. What is kept are the
    averaged weights of the last epoch, since the schedule always reaches its end.
    """

    def __init__(self, out: Path, config: TrainConfig, pixels: dict, labels: dict):
        self.config = config.counted(labels["train"])
        self.prior = self.config.class_prior()
        for teacher in self.config.teachers:
            if not np.allclose(TrainConfig.read(teacher).class_prior(), self.prior, atol=1e-6):
                raise DatasetError(f"{teacher} drew the classes in other shares")
        self.out, self.labels, self.given = Path(out), labels, pixels["train"]
        self.device = keras.ops.zeros(1).device.type  # Keras's own, where the pictures are changed too
        self.pixels = {name: torch.from_numpy(part).to(self.device) for name, part in pixels.items()}
        self.targets = torch.eye(len(CLASSES), device=self.device)[torch.from_numpy(labels["train"])]
        self.model = build_model(self.config.input_size, self.config.dropout)
        self.images, self.rows = 0, []

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
        """Train to the end, and write what an export needs into the run folder."""
        self.config.write(self.out)
        self.teachers = [self._teacher(Path(name)) for name in self.config.teachers]
        first = first_model(self.config, self.given, self.labels["train"])
        self.model.set_weights(first.get_weights())
        self._build_networks()
        self.started = time.monotonic()
        number = 0
        while self._progress() < 1:
            number += 1
            self._run_epoch(number)
        history.plot(self.rows, self.out / "curves.png")

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
        self.random = np.random.default_rng(config.seed)
        pairs = zip(self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True)
        self.averaged_pairs = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
        self.class_weights = torch.tensor(config.class_weights, device=self.device)

    def _run_epoch(self, number: int) -> None:
        config = self.config
        positions = draw(self.labels["train"], self.prior, config.epoch_images, (config.seed, number))
        positions = torch.from_numpy(positions).to(self.device)
        started, losses, bar = time.monotonic(), [], history.bar(len(positions), number)
        size = config.size_at(self._progress())
        augmentation = TorchAugmentation(size, AugmentationConfig(**config.augmentation))
        self.network.train()
        for start in range(0, len(positions) - config.batch_size + 1, config.batch_size):
            chosen = positions[start : start + config.batch_size]
            rate = config.rate_at(self.images, self._progress())
            losses.append(self._step(augmentation, chosen, rate))
            self.images += config.batch_size
            spent = time.monotonic() - self.started
            bar.set_postfix_str(f"run {history.time_left(self._progress(), 0, spent)}", False)
            bar.update(config.batch_size)
            if self._progress() >= 1 or config.size_at(self._progress()) != size:
                break
        bar.close()
        row = {
            "epoch": number,
            "phase": "whole",
            "size": size,
            "images": self.images,
            "rate": rate,
            "loss": float(torch.stack(losses).mean()),
            "images_per_second": len(losses) * config.batch_size / (time.monotonic() - started),
        }
        self._close_epoch(row)

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

    def _close_epoch(self, row: dict) -> None:
        """Score the averaged weights on the validation photographs and keep them."""
        scores = history.validation_scores(self.labels["validation"], self._validation_logits(), self.prior)
        row |= scores | {"seconds": time.monotonic() - self.started}
        self.rows.append(row)
        get_weights(self.averaged, self.model)
        with replacing(self.out / "best.weights.h5") as part:
            self.model.save_weights(part)
        history.write(self.rows, self.out / "history.csv")
        log.info("%s", "  ".join(f"{name} {history.text(x)}" for name, x in row.items()))

    @torch.no_grad()
    def _validation_logits(self) -> np.ndarray:
        """Logits (N, 7) of the validation photographs."""
        enlarge = TorchAugmentation(self.config.input_size)
        answers = []
        for part in torch.split(self.pixels["validation"], self.config.batch_size):
            with torch.autocast(self.device, torch.bfloat16):
                answers.append(self.averaged(enlarge(part)))
        return torch.cat(answers).cpu().numpy()

    def _progress(self) -> float:
        """How far the run has come, 0..1; by wall time where minutes are set."""
        if self.config.minutes:
            return (time.monotonic() - self.started) / (60 * self.config.minutes)
        return self.images / self.config.images
