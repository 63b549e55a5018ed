"""What a tower is, and what comes before and after one."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, UInt8

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.typing import ComputeDtype, Params, PyTree, Remat

VISION_KEYS = ("vision_model", "visual_projection")
TEXT_KEYS = ("text_model", "text_projection", "logit_scale")


@runtime_checkable
class Tower(Protocol):
    """The image and the text encoder of a CLIP, as pure functions of one tree of parameters.

    The canonical tree is Hugging Face's (Flax names). A tower may lay it out otherwise; its layout
    has the same keys at the top. ``load_clip`` converts once and ``export_classifier`` converts
    back; between them every tree is in the tower's own layout, and nothing needs to know which.
    """

    @property
    def name(self) -> str:
        """What ``load_clip(tower=...)`` calls it."""
        ...

    @property
    def config(self) -> Any:
        """Transformers' ``CLIPConfig``."""
        ...

    @property
    def dtype(self) -> ComputeDtype:
        """What it computes in; parameters and features are float32."""
        ...

    @property
    def remat(self) -> Remat:
        """What the backward pass computes again."""
        ...

    def with_dtype(self, dtype: ComputeDtype) -> Tower:
        """Return the same tower, computing in another dtype."""
        ...

    def template(self) -> PyTree:
        """Return the shapes of the whole CLIP's parameters, in this tower's layout."""
        ...

    def from_canonical(self, params: Params) -> Params:
        """Return a canonical tree, or a part of one, in this tower's layout; a bijection.

        Args:
          params: A CLIP, some of its keys, ``{"encoder", "head"}``, or an optimizer's state for one
            of them; of host arrays, which stay there, of JAX's, or of shapes.
        """
        ...

    def to_canonical(self, params: Params) -> Params:
        """Return the canonical tree; the inverse of ``from_canonical``, bit for bit."""
        ...

    def image_features(
        self, params: Params, pixels: Float[Array | np.ndarray, "B H W 3"]
    ) -> Float32[Array, "B D"]:
        """Return the projected features of images, not L2-normalised.

        Args:
          params: A tree with at least ``vision_model`` and ``visual_projection``.
          pixels: ``float[B, H, W, 3]``, normalised by the model's mean and standard deviation.

        Returns:
          ``float32[B, D]``, whatever the tower computes in.
        """
        ...

    def text_features(
        self,
        params: Params,
        ids: Int[Array | np.ndarray, "B T"],
        mask: Int[Array | np.ndarray, "B T"],
    ) -> Float32[Array, "B D"]:
        """Return the projected features of tokenised texts, not L2-normalised.

        The features are those at the end-of-text token: the first one, or, with the legacy
        ``eos_token_id`` 2, the place of the largest id.

        Args:
          params: A tree with at least ``text_model`` and ``text_projection``.
          ids: Token ids, ``int[B, T]``; T is at most the model's context length.
          mask: 1 for tokens that count, 0 for padding.

        Returns:
          ``float32[B, D]``.
        """
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class ConfiguredTower:
    """What every tower is made from; towers of equal facts are equal, and hash alike.

    Attributes:
      config: A ``CLIPConfig``.
      dtype: What it computes in.
      remat: What the backward pass computes again.
    """

    config: Any
    dtype: ComputeDtype
    remat: Remat

    def with_dtype(self, dtype: ComputeDtype) -> Any:
        """Return the same tower, computing in another dtype."""
        return dataclasses.replace(self, dtype=dtype)

    @functools.cached_property
    def facts(self) -> tuple[Any, ...]:
        """What tells two towers apart."""
        return type(self), self.dtype, self.remat, self.config.to_json_string()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConfiguredTower) and self.facts == other.facts

    def __hash__(self) -> int:
        return hash(self.facts)


def l2_normalise(features: Float[Array | np.ndarray, "*B D"]) -> Float[Array, "*B D"]:
    """Return ``x / ||x||`` along the last axis; like CLIP, without an epsilon."""
    return jnp.asarray(features) / jnp.linalg.norm(features, axis=-1, keepdims=True)


def check_image_size(
    images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    preprocess: Preprocess,
    taker: str,
) -> None:
    """Raise unless images have the side that a model takes.

    Args:
      images: Prepared or not.
      preprocess: The model's.
      taker: What takes them, for the message.

    Raises:
      InputError: Names both sizes, and what prepares images.
    """
    size = preprocess.size
    if images.shape[1:3] != (size, size):
        raise InputError(
            f"images are {images.shape[1]} x {images.shape[2]} pixels, {taker} takes "
            f"{size} x {size}; prepare them with data.transforms.eval_transform."
        )


def normalise_pixels(
    images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    preprocess: Preprocess,
) -> Float32[Array, "B H W 3"]:
    """Return ``(images / 255 - mean) / std``; runs inside the compiled function.

    Args:
      images: RGB in 0..255, ``uint8`` or floating.
      preprocess: The mean and standard deviation.
    """
    mean = jnp.asarray(preprocess.mean, jnp.float32).reshape(1, 1, 1, 3)
    std = jnp.asarray(preprocess.std, jnp.float32).reshape(1, 1, 1, 3)
    return (jnp.asarray(images, jnp.float32) / 255 - mean) / std
