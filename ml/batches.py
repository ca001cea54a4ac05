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
    """Batches of uint8 pictures (B, C, C, 3) with one-hot labels (B, classes)."""

    def __init__(self, pixels, labels, positions, batch_size: int, classes: int):
        super().__init__(workers=1, use_multiprocessing=False)
        self.pixels, self.positions, self.batch_size = pixels, positions, batch_size
        self.one_hot = np.eye(classes, dtype=np.float32)[labels]

    def __len__(self) -> int:
        return len(self.positions) // self.batch_size

    def __getitem__(self, index):
        chosen = self.positions[index * self.batch_size :][: self.batch_size]
        return self.pixels[chosen], self.one_hot[chosen]


def _whole(shares: np.ndarray, count: int) -> np.ndarray:
    """Round shares to whole numbers that add up to `count`: largest remainders first."""
    whole = np.floor(shares).astype(int)
    for position in np.argsort(whole - shares)[: count - whole.sum()]:
        whole[position] += 1
    return whole
