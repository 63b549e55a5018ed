"""Which image lends its background to which: a table over the whole set, made on the host."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Int, Integer

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.rng import numpy_stream

MixedKind: TypeAlias = Literal["mixed_same", "mixed_rand", "mixed_next"]


def pair_backgrounds(
    labels: Integer[np.ndarray, " N"],
    kind: str,
    seed: int,
    *,
    num_classes: int | None = None,
) -> Int[np.ndarray, " N"]:
    """Return, for each image, the index of the image whose Only-BG-T background it gets.

    - ``mixed_same``: another image of its class, never itself;
    - ``mixed_rand``: a class is drawn uniformly, its own included, then an image of that class: the
      background says nothing about the label, even where classes are of different sizes. An image
      may be its own partner, as the class may be its own;
    - ``mixed_next``: an image of class ``(y + 1) mod K``, so the background always misleads.

    Args:
      labels: In 0..K - 1.
      kind: Which.
      seed: Decides the draws, with ``kind``; nothing else does.
      num_classes: K; one more than the largest label by default.

    Returns:
      int64[N], indices into ``labels``.

    Raises:
      InputError: Unknown kind; a label out of range; a class that is needed has too few images.

    Source: Xiao et al. 2020 (arXiv 2006.09994), section 2.

    Example:
      >>> partner = pair_backgrounds(labels, "mixed_next", seed=0)
    """
    if kind not in get_args(MixedKind):
        raise unknown_name("kind of pairing", kind, get_args(MixedKind))
    labels = np.asarray(labels)
    if not len(labels):
        return np.zeros(0, np.int64)
    count = int(labels.max()) + 1 if num_classes is None else num_classes
    if labels.min() < 0 or labels.max() >= count:
        raise InputError(
            f"labels: expected 0 to {count - 1}, found {labels.min()} to {labels.max()}"
        )
    members = [np.flatnonzero(labels == label) for label in range(count)]
    rng = numpy_stream(seed, f"backgrounds/{kind}")
    if kind == "mixed_same":
        return _another_of_its_class(labels, members, rng)
    if kind == "mixed_next":
        wanted = (labels + 1) % count
    else:
        there = np.flatnonzero([len(each) > 0 for each in members])
        wanted = there[rng.integers(len(there), size=len(labels))]
    sizes = np.asarray([len(each) for each in members])
    _check_sizes(sizes, np.unique(wanted), 1, kind)
    place = np.floor(rng.random(len(labels)) * sizes[wanted]).astype(np.int64)
    return _lookup(members, wanted, place)


def _another_of_its_class(
    labels: np.ndarray, members: list[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Draw among the others: a place below the class's size less one, those behind one's own up."""
    sizes = np.asarray([len(each) for each in members])
    _check_sizes(sizes, np.unique(labels), 2, "mixed_same")
    own = np.empty(len(labels), np.int64)
    for each in members:
        own[each] = np.arange(len(each))
    place = np.floor(rng.random(len(labels)) * (sizes[labels] - 1)).astype(np.int64)
    return _lookup(members, labels, place + (place >= own))


def _lookup(members: list[np.ndarray], wanted: np.ndarray, place: np.ndarray) -> np.ndarray:
    starts = np.concatenate([[0], np.cumsum([len(each) for each in members])])
    return np.concatenate(members)[starts[wanted] + place].astype(np.int64)


def _check_sizes(sizes: np.ndarray, needed: np.ndarray, least: int, kind: str) -> None:
    few = [int(label) for label in needed if sizes[label] < least]
    if few:
        raise InputError(
            f"{kind}: expected at least {least} image(s) of every class that lends backgrounds,"
            f" found {sizes[few[0]]} of class {few[0]}"
            + (f" (and {len(few) - 1} more classes like it)" if len(few) > 1 else "")
        )
