"""Nested Chebyshev-Lobatto nodes, and the polynomial through values at them, in NumPy.

``count`` nodes on an interval are the extrema of a Chebyshev polynomial, both ends among them;
those of ``count`` are every second one of ``2 * count - 1``, so that going on reuses what is known
(the nodes of Clenshaw & Curtis 1960). The polynomial is evaluated by the barycentric formula, which
is stable for these nodes (Berrut & Trefethen, "Barycentric Lagrange interpolation", SIAM Review
2004, equation 4.2). For a function that is analytic on the interval the error falls geometrically
(Trefethen, "Approximation theory and approximation practice", theorem 8.2).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int

LEVELS = (3, 5, 9, 17, 33)
"""Node counts, each nested in the next."""


def lobatto_nodes(count: int, low: float = 0.0, high: float = 1.0) -> Float64[np.ndarray, " K"]:
    """Return ``count`` Chebyshev-Lobatto nodes on [low, high], rising, the ends among them.

    The nodes are float32 numbers: a program in float32 evaluates at just these places.

    Args:
      count: At least 2.
      low: The first node.
      high: The last one.

    Raises:
      ValueError: Fewer than 2 nodes, or an empty interval.
    """
    if count < 2 or not low < high:
        raise ValueError(
            f"expected at least 2 nodes on a proper interval, found {count} on {low}..{high}"
        )
    # By a sine that is odd about the middle: symmetric, and the middle and the ends are exact.
    unit = np.sin(np.pi * (2 * np.arange(count) - (count - 1)) / (2 * (count - 1)))
    nodes = np.asarray(low + (high - low) * (1 + unit) / 2, np.float32).astype(np.float64)
    nodes[0], nodes[-1] = np.float32(low), np.float32(high)
    return nodes


def nested_order(levels: tuple[int, ...]) -> Int[np.ndarray, " K"]:
    """Return the places of the finest level's nodes, ordered by the level that brings each one.

    ``nodes[nested_order((3, 5, 9))[:5]]`` are the nodes of level 5, the three of level 3 first.

    Args:
      levels: Rising counts, each ``2 * previous - 1``.

    Raises:
      ValueError: If the levels aren't nested.
    """
    finest = levels[-1]
    places: list[int] = []
    for previous, count in zip((0, *levels), levels, strict=False):
        if previous and count != 2 * previous - 1:
            raise ValueError(f"levels {levels}: {count} nodes don't contain those of {previous}")
        stride = (finest - 1) // (count - 1)
        places += [place for place in range(0, finest, stride) if place not in places]
    return np.asarray(places)


def barycentric_matrix(
    at: Float64[np.ndarray, " A"], nodes: Float64[np.ndarray, " K"]
) -> Float64[np.ndarray, "A K"]:
    """Return M such that ``M @ values`` is, at ``at``, the polynomial through them at ``nodes``.

    Each row sums to 1; at a node it picks that node's value exactly.

    Args:
      at: Where to evaluate. Outside of the nodes' interval the polynomial explodes: don't.
      nodes: Distinct places, in any order.
    """
    spread = (nodes.max() - nodes.min()) / 4  # keeps the products of differences near 1
    differences = (nodes[:, None] - nodes[None]) / spread
    np.fill_diagonal(differences, 1)
    weights = 1 / np.prod(differences, axis=1)
    distance = at[:, None] - nodes[None]
    hit = distance == 0
    at_node = hit.any(axis=1, keepdims=True)
    terms = weights[None] / np.where(at_node, 1, distance)
    sums = np.where(at_node, 1, terms.sum(axis=1, keepdims=True))
    return np.where(at_node, hit.astype(np.float64), terms / sums)
