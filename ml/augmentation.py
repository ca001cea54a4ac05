"""Random changes of a batch of skin photographs that leave the diagnosis as it is.

One affine warp, one colour matrix, one blur and one square hole for each image, all in
keras.ops on the whole batch: a few percent of a training step.
"""

import math
from dataclasses import dataclass

import keras
from keras import ops


@dataclass(frozen=True)
class AugmentationConfig:
    """Ranges; a range r of a factor means exp(uniform(-r, r))."""

    turn: bool = True  # free rotation, quarter turns and flips
    zoom: float = 0.25
    aspect: float = 0.15
    shift: float = 0.06  # of the side
    brightness: float = 0.12  # of 255
    contrast: float = 0.2
    saturation: float = 0.25
    hue: float = 0.12  # radians about the grey axis
    channel_gain: float = 0.06
    blur_chance: float = 0.25
    cutout_chance: float = 0.2
    cutout_side: float = 0.3  # of the side, at most


class Augmentation(keras.layers.Layer):
    """uint8 or float (B, C, C, 3), 0..255, to float32 (B, size, size, 3), 0..255.

    When not training, the pictures are only resized.
    """

    def __init__(self, size: int, config: AugmentationConfig | None = None, seed: int = 0):
        super().__init__(name="augmentation")
        self.size = size
        self.config = config or AugmentationConfig()
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        images = ops.cast(images, "float32")
        if training:
            images = self._warp(images)
            images = self._blur(images)
        if images.shape[1] != self.size:
            images = ops.image.resize(images, (self.size, self.size), antialias=True)
        if training:
            images = self._colour(images)
            images = self._cut_out(images)
        return ops.clip(images, 0.0, 255.0)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, 3)

    def _uniform(self, count, low, high, columns=1):
        value = keras.random.uniform((count, columns), low, high, seed=self.seed_generator)
        return value[:, 0] if columns == 1 else value

    def _chance(self, count, chance):
        return ops.cast(self._uniform(count, 0.0, 1.0) < chance, "float32")

    def _warp(self, images):
        config, count, side = self.config, ops.shape(images)[0], images.shape[1]
        reach = math.pi if config.turn else 0.0
        angle = self._uniform(count, -reach, reach)
        mirror = 1 - 2 * self._chance(count, 0.5) if config.turn else ops.ones((count,))
        zoom = ops.exp(self._uniform(count, -config.zoom, config.zoom))
        aspect = ops.exp(self._uniform(count, -config.aspect, config.aspect) / 2)
        shift = self._uniform(count, -config.shift * side, config.shift * side, 2)
        cos, sin = ops.cos(angle), ops.sin(angle)
        # Output to input pixels, about the centre: turn, then stretch, then shift.
        a0, a1 = mirror * cos * zoom * aspect, -sin * zoom * aspect
        b0, b1 = mirror * sin * zoom / aspect, cos * zoom / aspect
        centre = (side - 1) / 2
        a2 = centre - centre * (a0 + a1) + shift[:, 0]
        b2 = centre - centre * (b0 + b1) + shift[:, 1]
        zero = ops.zeros_like(a0)
        transform = ops.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)
        return self._sample(images, transform)

    def _sample(self, images, transform):
        return ops.image.affine_transform(images, transform, interpolation="bilinear", fill_mode="reflect")

    def _blur(self, images):
        """Some pictures at half their resolution, as from a smaller original."""
        side = images.shape[1]
        small = ops.image.resize(images, (side // 2, side // 2), antialias=True)
        soft = ops.image.resize(small, (side, side))
        chosen = self._chance(ops.shape(images)[0], self.config.blur_chance)
        return images + chosen[:, None, None, None] * (soft - images)

    def _colour(self, images):
        config, count = self.config, ops.shape(images)[0]
        hue = self._uniform(count, -config.hue, config.hue)[:, None, None]
        saturation = ops.exp(self._uniform(count, -config.saturation, config.saturation))
        gain = ops.exp(self._uniform(count, -config.channel_gain, config.channel_gain, 3))
        contrast = ops.exp(self._uniform(count, -config.contrast, config.contrast))
        brightness = 255 * self._uniform(count, -config.brightness, config.brightness)
        grey = ops.full((3, 3), 1 / 3)
        # Rodrigues' formula for a turn about the grey axis (1, 1, 1).
        third = 1 / math.sqrt(3)
        cross = ops.convert_to_tensor([[0.0, -third, third], [third, 0.0, -third], [-third, third, 0.0]])
        turn = ops.cos(hue) * (ops.eye(3) - grey) + ops.sin(hue) * cross
        matrix = grey + saturation[:, None, None] * turn
        matrix = gain[:, :, None] * matrix * contrast[:, None, None]
        mean = ops.mean(images, axis=(1, 2))
        # Contrast turns about each picture's own mean colour.
        offset = (1 - contrast)[:, None] * mean + brightness[:, None]
        flat = ops.reshape(images, (-1, self.size * self.size, 3))
        flat = ops.matmul(flat, ops.transpose(matrix, (0, 2, 1))) + offset[:, None, :]
        return ops.reshape(flat, (-1, self.size, self.size, 3))

    def _cut_out(self, images):
        """A grey square hole in some pictures (T. DeVries and G. Taylor, 2017)."""
        config, count = self.config, ops.shape(images)[0]
        half = self._uniform(count, 0.1, max(config.cutout_side, 0.1)) / 2
        half = half * self._chance(count, config.cutout_chance)
        centre = self._uniform(count, 0.0, 1.0, 2)
        place = (ops.arange(self.size, dtype="float32") + 0.5) / self.size
        rows = ops.abs(place[None, :] - centre[:, :1]) < half[:, None]
        columns = ops.abs(place[None, :] - centre[:, 1:]) < half[:, None]
        hole = ops.logical_and(rows[:, :, None], columns[:, None, :])[..., None]
        return ops.where(hole, 128.0, images)
