"""A model that is asked about backgrounds: any CLIP, fine-tuned or merged, or a ResNet."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Int32, UInt8

from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9
from wiseft_jax.core.preprocess import Preprocess


@dataclasses.dataclass(frozen=True, eq=False)
class Predictor:
    """What a variant's images are shown to.

    Attributes:
      name: In tables.
      protocol: How logits become classes, in words, named in every output.
      weights: Which weights they are: where they come from, and their hash.
      class_names: Of the answers.
      preprocess: Side, mean and standard deviation of its images.
      logits: ``(params, images [B, S, S, 3] in 0..255) -> [B, K]``.
      params: Of ``logits``.
      thousand: Whether K is 1000, and the map to ImageNet-9 follows the arg max.
      alpha: Its mixing coefficient, where it has one.
    """

    name: str
    protocol: str
    weights: str
    class_names: tuple[str, ...]
    preprocess: Preprocess
    logits: Callable[[Any, Any], Any]
    params: Any
    thousand: bool = False
    alpha: float | None = None

    def answers(self, params: Any, images: Any) -> Int32[Array, " B"]:
        """Return the class of each image; traceable. -1 is an answer outside of ImageNet-9.

        Args:
          params: Passed as an argument, so that a compiled function doesn't hold it.
          images: As ``logits``.
        """
        return _answers(self.logits, self.thousand, params, images)

    @property
    def compiled(self) -> Callable[[Any, Any], Any]:
        """``answers``, compiled: once for each shape, and for all models of the same functions."""
        return _compiled(self.logits, self.thousand)

    @functools.cached_property
    def placed(self) -> Any:
        """The parameters on the default device."""
        return jax.device_put(self.params)

    def predict(
        self, images: UInt8[np.ndarray, "N S S 3"], batch_size: int = 256
    ) -> Int[np.ndarray, " N"]:
        """Return the class of each image, a batch of one shape at a time.

        Args:
          images: Prepared, ``preprocess.size`` square.
          batch_size: Images at once; the last batch is filled up.
        """
        count = len(images)
        size = max(1, min(batch_size, count))
        found = np.empty(count, np.int32)
        for start in range(0, count, size):
            part = images[start : start + size]
            missing = size - len(part)
            if missing:
                part = np.concatenate([part, part[-1:].repeat(missing, 0)])
            answered = np.asarray(self.compiled(self.placed, part))
            found[start : start + size] = answered[: size - missing]
        return found


def _answers(logits: Callable[[Any, Any], Any], thousand: bool, params: Any, images: Any) -> Any:
    best = jnp.argmax(logits(params, images), axis=-1).astype(jnp.int32)
    return jnp.asarray(IMAGENET_TO_IN9)[best] if thousand else best


@functools.lru_cache(maxsize=16)
def _compiled(logits: Callable[[Any, Any], Any], thousand: bool) -> Callable[[Any, Any], Any]:
    return jax.jit(functools.partial(_answers, logits, thousand))
