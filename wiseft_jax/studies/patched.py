"""Images with a pasted square, and how much a model minds: all of it NumPy, pure and seeded."""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Integer, UInt8

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.saliency import energy_in_mask, enlarge_map
from wiseft_jax.core.softmax import softmax

PatchKind: TypeAlias = Literal["image", "noise"]


@dataclasses.dataclass(frozen=True)
class Patched:
    """Images with a square pasted into each.

    Attributes:
      images: The images, outside of the square as they were.
      masks: Where the square is.
      donors: int64[N], whose part was pasted; -1 for noise.
    """

    images: UInt8[np.ndarray, "N H W 3"]
    masks: Bool[np.ndarray, "N H W"]
    donors: Integer[np.ndarray, " N"]

    @property
    def area(self) -> float:
        """The square's share of the image."""
        return float(self.masks[0].mean())


def paste_patch(
    rng: np.random.Generator,
    images: UInt8[np.ndarray, "N H W 3"],
    labels: Integer[np.ndarray, " N"],
    kind: PatchKind,
    size: int,
) -> Patched:
    """Paste a square into each image, at a place uniform over all that hold it whole.

    Args:
      rng: The only source of randomness.
      images: The images.
      labels: Their classes.
      kind: ``"image"``: a square of another image, of another class, from its middle half (the
        margins of most images show nothing); ``"noise"``: uniform over 0..255, each channel of its
        own.
      size: The square's side, in pixels.

    Returns:
      New images, and where the squares are; nothing outside of them changes.

    Raises:
      InputError: A square larger than the images, or one class alone and ``kind`` ``"image"``.

    Example:
      >>> patched = paste_patch(numpy_stream(0, "patch"), images, labels, "noise", 12)
    """
    count, height, width = images.shape[:3]
    if not 1 <= size <= min(height, width):
        raise InputError(
            f"--patch-size: expected 1 to {min(height, width)}, the images' shorter side, found"
            f" {size}"
        )
    if kind not in ("image", "noise"):
        raise InputError(f"kind of patch: expected 'image' or 'noise', found {kind!r}")
    room = np.array([height - size, width - size])
    corners = rng.integers(0, room + 1, (count, 2))
    pasted, masks = images.copy(), np.zeros((count, height, width), bool)
    donors = np.full(count, -1)
    if kind == "image":
        donors = _of_another_class(rng, np.asarray(labels))
        sources = rng.integers(room // 4, room - room // 4 + 1, (count, 2))
        squares = [
            images[donor, top : top + size, left : left + size]
            for donor, (top, left) in zip(donors, sources, strict=True)
        ]
    else:
        squares = rng.integers(0, 256, (count, size, size, 3)).astype(np.uint8)
    for place, (top, left) in enumerate(corners):
        inside = place, slice(top, top + size), slice(left, left + size)
        pasted[inside], masks[inside] = squares[place], True
    return Patched(pasted, masks, donors)


def _of_another_class(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Return for each image a uniformly drawn one of another class."""
    if len(np.unique(labels)) < 2:
        raise InputError("patches of another class need images of at least two classes")
    order = np.argsort(labels, kind="stable")
    ranks = labels[order]
    start = np.searchsorted(ranks, labels, "left")
    after = np.searchsorted(ranks, labels, "right")
    others = len(labels) - (after - start)
    drawn = rng.integers(0, others)
    return order[np.where(drawn < start, drawn, drawn + after - start)]


@dataclasses.dataclass(frozen=True)
class Reaction:
    """What a patch does to the answers of a model, example by example.

    Attributes:
      right: Which images without a patch it gets right.
      right_patched: Which it gets right with one.
      flipped: Of those right before, which are answered otherwise with a patch.
      score_drop: The probability (softmax) of the true class without a patch, minus that with one.
    """

    right: Bool[np.ndarray, " N"]
    right_patched: Bool[np.ndarray, " N"]
    flipped: Bool[np.ndarray, " N"]
    score_drop: Float64[np.ndarray, " N"]

    @classmethod
    def of(
        cls,
        clean: Float[np.ndarray, "N K"],
        patched: Float[np.ndarray, "N K"],
        labels: Integer[np.ndarray, " N"],
    ) -> Reaction:
        """Return the reaction that logits show.

        Args:
          clean: Of the images as they were.
          patched: Of the same images with patches.
          labels: The classes.
        """
        before, after = clean.argmax(1), patched.argmax(1)
        rows = np.arange(len(labels))
        score = softmax(clean)[rows, labels] - softmax(patched)[rows, labels]
        right = before == labels
        return cls(right, after == labels, right & (after != before), score)


def energy_inside(
    maps: Float[np.ndarray, "N h w"], masks: Bool[np.ndarray, "N H W"]
) -> Float64[np.ndarray, " N"]:
    """Return how much of each map's positive part lies in its mask; see ``energy_in_mask``.

    Args:
      maps: Saliency on any grid; each pixel gets its cell's value. What is negative speaks against
        the class, and counts as none.
      masks: Where to look, at the images' size.

    Returns:
      Shares in [0, 1]; NaN for a map without a positive value, which looks nowhere.
    """
    height, width = masks.shape[1:]
    positive = [enlarge_map(np.maximum(each, 0.0), height, width) for each in maps]
    return np.array([energy_in_mask(*each) for each in zip(positive, masks, strict=True)])


def mean_of_finite(values: Float[np.ndarray, " N"]) -> tuple[float, int]:
    """Return the mean of the values that aren't NaN, and how many those are; 0 of none."""
    kept = values[np.isfinite(values)]
    return (float(kept.mean(dtype=np.float64)) if len(kept) else 0.0), len(kept)


def predicted(logits: Float[np.ndarray, "N K"]) -> Int[np.ndarray, " N"]:
    """Return the class of the largest logit."""
    return logits.argmax(1).astype(np.int32)
