"""A tiny CLIP's image tower in NumPy's float64, and its score's gradients by finite differences."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tests.helpers import numpy_clip

STEP = 1e-4
"""Of the central differences: their error is about STEP**2, next to float32's 1e-7."""


@dataclasses.dataclass(frozen=True)
class Oracle:
    """One image's score as a function of anything inside."""

    tensors: dict[str, np.ndarray]
    config: dict[str, Any]
    pixels: np.ndarray
    direction: np.ndarray

    def scores(self, pixels: np.ndarray, change: numpy_clip.Change = numpy_clip.as_it_is) -> Any:
        features = numpy_clip.image_features(self.tensors, self.config, pixels, change)
        lengths = np.linalg.norm(features, axis=-1) * np.linalg.norm(self.direction)
        return features @ self.direction.astype(np.float64) / lengths

    def seen(self, place: str) -> np.ndarray:
        """Return what stands at a place in each layer, ``[L, ...]``, for the image."""
        found = []

        def note(at: str, layer: int, value: np.ndarray) -> np.ndarray:
            if at == place:
                found.append(value[0])
            return value

        self.scores(self.pixels[None], note)
        return np.stack(found)

    def gradients(self, place: str) -> np.ndarray:
        """Return the gradients of the score by what stands at a place in each layer."""
        values = self.seen(place)
        found = np.zeros_like(values)
        for layer, value in enumerate(values):
            steps = STEP * np.eye(value.size).reshape(value.size, *value.shape)

            def at(sign: int, layer: int = layer, steps: np.ndarray = steps) -> np.ndarray:
                def add(there: str, number: int, old: np.ndarray) -> np.ndarray:
                    return old + sign * steps if (there, number) == (place, layer) else old

                return self.scores(np.tile(self.pixels, (len(steps), 1, 1, 1)), add)

            found[layer] = ((at(1) - at(-1)) / (2 * STEP)).reshape(value.shape)
        return found

    def pixel_gradients(self) -> np.ndarray:
        """Return the gradients of the score by each pixel's channels."""
        size = self.pixels.size
        steps = STEP * np.eye(size).reshape(size, *self.pixels.shape)
        difference = self.scores(self.pixels + steps) - self.scores(self.pixels - steps)
        return (difference / (2 * STEP)).reshape(self.pixels.shape)
