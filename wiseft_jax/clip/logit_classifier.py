"""A classifier that is known by its logits alone: any network, without a CLIP's features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Float32, Int, UInt8

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.typing import ComputeDtype, Params, PyTree, Remat


@dataclasses.dataclass(frozen=True)
class LogitTower:
    """What an evaluation asks of a tower, of a model that has none: it computes in float32."""

    name: str = "logits"
    config: Any = None
    dtype: ComputeDtype = "float32"
    remat: Remat = "none"

    def with_dtype(self, dtype: ComputeDtype) -> LogitTower:
        """Return itself for float32.

        Raises:
          InputError: For another dtype: what ``logits_fn`` computes in is its own affair.
        """
        if dtype != "float32":
            raise InputError(f"a LogitClassifier is evaluated in float32, found {dtype}")
        return self

    def template(self) -> PyTree:
        """Refuse, as everything below that a CLIP's tower does."""
        raise _no_clip()

    def from_canonical(self, params: Params) -> Params:
        """Refuse: only a CLIP's parameters have a canonical tree."""
        raise _no_clip()

    def to_canonical(self, params: Params) -> Params:
        """Refuse: only a CLIP's parameters have a canonical tree."""
        raise _no_clip()

    def image_features(
        self, params: Params, pixels: Float[Array | np.ndarray, "B H W 3"]
    ) -> Float32[Array, "B D"]:
        """Refuse: what comes before the logits isn't known."""
        raise _no_clip()

    def text_features(
        self,
        params: Params,
        ids: Int[Array | np.ndarray, "B T"],
        mask: Int[Array | np.ndarray, "B T"],
    ) -> Float32[Array, "B D"]:
        """Refuse: there is no text encoder."""
        raise _no_clip()


def _no_clip() -> InputError:
    return InputError(
        "a LogitClassifier has no CLIP's parameters: back-end 'delta' and exports are ruled out;"
        " use backend 'map'"
    )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class LogitClassifier(Classifier):
    """As ``Classifier``, of ``theta = {"encoder": params}``; to evaluate, sweep and interpolate.

    Its "features" are its logits, so a continuous curve interpolates these. It can't be exported,
    nor evaluated by ``delta`` or ``linear``.

    Attributes:
      logits_fn: ``(params, uint8[B, S, S, 3]) -> float32[B, K]``; ``ResNet.logits`` is one.

    Example:
      >>> model = LogitClassifier(names, resnet.preprocess, logits_fn=resnet.logits)
      >>> ends = {"encoder": variables_0}, {"encoder": variables_1}
      >>> curve(model, *ends, [test], np.linspace(0, 1, 101))
    """

    logits_fn: Callable[[Params, Any], Any]
    tower: Any = LogitTower()
    templates: tuple[str, ...] = ()
    clip_config: Any = None
    tokenizer: Any = None
    source: str = "a model of logits"
    frozen: Params = dataclasses.field(default_factory=dict)

    def features(
        self,
        theta: Params,
        images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    ) -> Float32[Array, "B K"]:
        """Return the logits: there is nothing before them that is known."""
        return self.logits_fn(theta["encoder"], images)

    def logits(
        self,
        theta: Params,
        images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    ) -> Float32[Array, "B K"]:
        """Return the logits; see ``Classifier.logits``."""
        return self.features(theta, images)
