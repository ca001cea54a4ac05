"""Which images an epoch draws, and in which batches."""

import keras
import numpy as np


def draw(labels: np.ndarray, class_prior: np.ndarray, count: int, seed: tuple) -> np.ndarray:
    """Positions (count,) drawn so that classes come by `class_prior` (C,).

    Within a class every image is drawn once before any is drawn again. The same seed
    gives the same positions.
    """
    random = np.random.default_rng(seed)
    drawn = []
    for label, share in enumerate(_whole(class_prior * count, count)):
        members = np.flatnonzero(labels == label)
        passes = -(-share // max(len(members), 1))
        rounds = [random.permutation(members) for _ in range(passes)]
        drawn.append(np.concatenate(rounds)[:share] if rounds else members[:0])
    return random.permutation(np.concatenate(drawn))


class Batches(keras.utils.PyDataset):
    """Batches of uint8 pictures (B, C, C, 3) with labels (B, classes), each row of which sums to 1.

    With `mixup` above 0 every picture is laid over another of its batch, in shares drawn from
    Beta(mixup, mixup), and so are their labels (H. Zhang et al., "mixup", ICLR 2018). The same
    seed gives the same batches.
    """

    def __init__(self, pixels, labels, positions, batch_size: int, classes: int, mixup: float = 0.0, seed: tuple = ()):
        super().__init__(workers=1, use_multiprocessing=False)
        self.pixels, self.positions, self.batch_size = pixels, positions, batch_size
        self.mixup, self.seed = mixup, seed
        self.one_hot = np.eye(classes, dtype=np.float32)[labels]

    def __len__(self) -> int:
        return len(self.positions) // self.batch_size

    def __getitem__(self, index):
        chosen = self.positions[index * self.batch_size :][: self.batch_size]
        pictures, labels = self.pixels[chosen], self.one_hot[chosen]
        return self._mix(pictures, labels, index) if self.mixup else (pictures, labels)

    def _mix(self, pictures, labels, index):
        random = np.random.default_rng((*self.seed, index))
        share = random.beta(self.mixup, self.mixup, len(labels)).astype(np.float32)[:, None]
        others = random.permutation(len(labels))
        shares = share[:, :, None, None]
        mixed = np.rint(shares * pictures + (1 - shares) * pictures[others]).astype(np.uint8)
        return mixed, share * labels + (1 - share) * labels[others]


def _whole(shares: np.ndarray, count: int) -> np.ndarray:
    """Round shares to whole numbers that add up to `count`: largest remainders first."""
    whole = np.floor(shares).astype(int)
    for position in np.argsort(whole - shares)[: count - whole.sum()]:
        whole[position] += 1
    return whole
