"""The changes of ml.augmentation where Keras has no fast operation of PyTorch for them."""

import torch
from torch.nn import functional

from ml.augmentation import Augmentation


class TorchAugmentation(Augmentation):
    """As Augmentation, on the device that the pictures are on; random numbers are torch's own.

    Keras warps one picture after the other there, and makes a new generator for every draw: on a GPU
    that took longer than the training step.
    """

    def _uniform(self, count, low, high, columns=1):
        value = torch.empty((count, columns), device=self.device).uniform_(low, high)
        return value[:, 0] if columns == 1 else value

    def call(self, images, training=False):
        self.device = images.device
        return super().call(images, training)

    def _sample(self, images, transform):
        side = images.shape[1]
        matrix = torch.stack([transform[:, :3], transform[:, 3:6]], dim=1)
        place = torch.arange(side, dtype=images.dtype, device=images.device)
        rows, columns = torch.meshgrid(place, place, indexing="ij")
        points = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1).reshape(1, -1, 3)
        inputs = (points @ matrix.transpose(1, 2)).reshape(-1, side, side, 2)
        grid = (2 * inputs + 1) / side - 1  # from pixels to the -1..1 between the outer edges
        pictures = images.permute(0, 3, 1, 2)
        warped = functional.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        return warped.permute(0, 2, 3, 1)
