"""How far each layer of a model moved: float64 sums over its parameters, from which all follows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypedDict

import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import check_same_structure, flatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.weights.coefficients import GROUPINGS, GroupingSpec

LAYERS = GroupingSpec(
    "a layer of either tower; the embeddings; the last norm and the projection; the head",
    (
        *GROUPINGS["block"].rules,
        (r"text_model/embeddings/", "text_embedding"),
        (r"text_model/encoder/layers/(\d+)/", r"text_block_\1"),
        (r"text_model/final_layer_norm/|text_projection/", "text_projection"),
        (r"(?:^|/)logit_scale$", "logit_scale"),
    ),
)
_ORDER = ("embedding", "block", "projection")


class LayerSums(TypedDict):
    """Sums over the parameters of a layer, with ``tau = theta_1 - theta_0``.

    Attributes:
      count: How many parameters it has.
      square_0: ``|theta_0|^2``.
      square_1: ``|theta_1|^2``.
      change: ``|tau|^2``, summed as such: no difference of large numbers.
      along: ``<tau, theta_0>``.
    """

    count: int
    square_0: float
    square_1: float
    change: float
    along: float


def layer_sums(
    theta_0: Params, theta_1: Params, to_canonical: Callable[[Params], Params] = lambda tree: tree
) -> dict[str, LayerSums]:
    """Return the sums of each layer, in the order in which a model runs them.

    Args:
      theta_0: A classifier's parameters.
      theta_1: The same, moved.
      to_canonical: ``Tower.to_canonical``, for trees in a tower's own layout.

    Raises:
      InputError: The trees differ in structure, or have a parameter of no known layer.

    Example:
      >>> layer_sums(theta_0, theta_1, classifier.tower.to_canonical)["block_0"]["change"]
    """
    check_same_structure(theta_1, theta_0)
    leaves, others = (flatten_paths(to_canonical(theta)) for theta in (theta_0, theta_1))
    found: dict[str, LayerSums] = {}
    for path, leaf in leaves.items():
        group = LAYERS.group(path)
        if group is None:
            raise InputError(f"{path}: expected a parameter of a CLIP's layer or head")
        start, end = (np.asarray(each, np.float64) for each in (leaf, others[path]))
        tau = end - start
        sums = found.setdefault(
            group, LayerSums(count=0, square_0=0.0, square_1=0.0, change=0.0, along=0.0)
        )
        sums["count"] += start.size
        sums["square_0"] += float(np.sum(start**2))
        sums["square_1"] += float(np.sum(end**2))
        sums["change"] += float(np.sum(tau**2))
        sums["along"] += float(np.sum(tau * start))
    return {group: found[group] for group in sorted(found, key=_place)}


def _place(group: str) -> tuple[int, int, int]:
    """Return a key that sorts the image tower first, then the text tower, then the head."""
    name, number = re.fullmatch(r"(?:text_)?([a-z_]+?)(?:_(\d+))?", group).groups()  # pyright: ignore
    tower = 1 if group.startswith("text_") else 0
    if name not in _ORDER:
        return 2, 0, 0
    return tower, _ORDER.index(name), int(number or 0)
