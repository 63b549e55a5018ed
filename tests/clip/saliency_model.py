"""What the tests of saliency share: a tiny CLIP two layers deep, an image, and its oracle."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from tests.clip.saliency_oracle import Oracle
from tests.helpers.tiny import tiny_clip_directory, tiny_config, tiny_images
from wiseft_jax.clip.load import Clip, load_clip
from wiseft_jax.clip.towers import normalise_pixels


@dataclasses.dataclass(frozen=True)
class Model:
    clip: Clip
    directory: Path
    images: np.ndarray
    pixels: np.ndarray
    directions: np.ndarray

    def arguments(self) -> tuple[Any, ...]:
        """What every method takes."""
        return self.clip.tower, self.clip.params, self.pixels, self.directions

    def oracle(self, row: int = 0) -> Oracle:
        tensors = load_file(self.directory / "model.safetensors")
        pixels = self.pixels[row].astype(np.float64)
        return Oracle(tensors, tiny_config(), pixels, self.directions[row])


def saliency_model(path: Path) -> Model:
    directory = tiny_clip_directory(path, vision_layers=2, text_layers=1)
    clip, images = load_clip(directory), tiny_images(2)
    pixels = np.asarray(normalise_pixels(images, clip.preprocess))
    directions = np.random.default_rng(5).normal(size=(2, 16)).astype(np.float32)
    return Model(clip, directory, images, pixels, directions)
