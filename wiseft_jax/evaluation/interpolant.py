"""The polynomial in alpha through a batch's features at a few nodes, and how wrong it may be.

Along ``theta(alpha) = lerp(theta_0, theta_1, alpha)`` everything that a network computes is an
analytic function of alpha, so a polynomial through few nodes follows it closely (with ReLU or
max-pooling it has kinks instead, and follows less closely). What is
interpolated is the features before they are normalised: their exact norm and the exactly
interpolated head come after, so the polynomial has less to do, and the same nodes serve any head.

The error of the polynomial through K nodes is estimated by its residual, in logits, at nodes that
it hasn't seen: the ones that the next level adds. (The size of its last coefficients is no bound.)
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Float64, Int32

from wiseft_jax.clip.classifier import head_logits
from wiseft_jax.core.lobatto import barycentric_matrix, lobatto_nodes, nested_order
from wiseft_jax.core.mesh import Layout, replicated
from wiseft_jax.core.typing import Params
from wiseft_jax.evaluation.engine import summarise
from wiseft_jax.evaluation.projections import class_logits
from wiseft_jax.weights.interpolate import lerp


class NodePlan:
    """Which nodes each level adds, on an interval, and the matrices that read between them.

    Attributes:
      levels: Rising node counts, each nested in the next.
      nodes: All nodes in the order in which the levels bring them: the first ``levels[0]`` are the
        coarsest level's.
    """

    def __init__(self, levels: tuple[int, ...], low: float, high: float) -> None:
        self.levels = levels
        order = nested_order(levels)
        self.nodes: Float64[np.ndarray, " K"] = lobatto_nodes(levels[-1], low, high)[order]

    def matrix(self, at: Float64[np.ndarray, " A"], count: int) -> Float32[np.ndarray, "A {count}"]:
        """Return what turns values at the first ``count`` nodes into their polynomial's at ``at``.

        Args:
          at: Where to evaluate; within the nodes' interval.
          count: A level.
        """
        return barycentric_matrix(at, self.nodes[:count]).astype(np.float32)


@functools.lru_cache(maxsize=8)
def _compiled(function: Any, layout: Layout) -> Any:
    return jax.jit(function, out_shardings=replicated(layout.mesh))


def read_off(
    layout: Layout,
    values: Float[Array, "K B D"],
    matrix: Float32[np.ndarray, "A K"],
    alphas: Float32[np.ndarray, " A"],
    heads: tuple[Params, Params] | None,
    slots: Int32[np.ndarray, " S"] | None = None,
) -> dict[str, Array]:
    """Return the classes, margins and entropies of the polynomial at each alpha, on every device.

    Args:
      layout: The devices.
      values: Features at the first K nodes, or logits.
      matrix: From ``NodePlan.matrix``.
      alphas: The same alphas, for the heads.
      heads: The heads at both ends; None when ``values`` are logits.
      slots: Of a projected set, ``Projection.slots``.

    Returns:
      ``top1`` int32[A, B], ``margin`` and ``entropy`` float32[A, B], as the step of
      ``evaluation.engine`` has them.
    """
    return _compiled(_read_off, layout)(values, matrix, alphas, heads, slots)


def _read_off(values: Any, matrix: Any, alphas: Any, heads: Any, slots: Any) -> dict[str, Any]:
    def at_alpha(item: tuple[Any, Any]) -> dict[str, Any]:
        row, alpha = item
        return summarise(_logits(_between(row, values), alpha, heads), False, slots)

    return jax.lax.map(at_alpha, (matrix, alphas))


def read_logits(
    layout: Layout,
    values: Float[Array, "K B D"],
    matrix: Float32[np.ndarray, "A K"],
    alphas: Float32[np.ndarray, " A"],
    heads: tuple[Params, Params] | None,
    slots: Int32[np.ndarray, " S"] | None = None,
) -> Float32[Array, "A B C"]:
    """Return the logits of the polynomial at each alpha, on every device.

    Args:
      layout: The devices.
      values: As in ``read_off``.
      matrix: As in ``read_off``.
      alphas: As in ``read_off``.
      heads: As in ``read_off``.
      slots: As in ``read_off``; the logits of the set's classes come first then, as
        ``projections.class_logits`` has them.
    """
    return _compiled(_read_logits, layout)(values, matrix, alphas, heads, slots)


def _read_logits(values: Any, matrix: Any, alphas: Any, heads: Any, slots: Any) -> Any:
    def at_alpha(item: tuple[Any, Any]) -> Any:
        row, alpha = item
        logits = _logits(_between(row, values), alpha, heads).astype(jnp.float32)
        return logits if slots is None else class_logits(logits, slots)[0]

    return jax.lax.map(at_alpha, (matrix, alphas))


def residual(
    layout: Layout,
    values: Float[Array, "K B D"],
    matrix: Float32[np.ndarray, "N K"],
    alphas: Float32[np.ndarray, " N"],
    truth: Float[Array, "N B D"],
    heads: tuple[Params, Params] | None,
) -> Float32[Array, " B"]:
    """Return the largest absolute error of a logit, over alphas at which the truth is known.

    Args:
      layout: The devices.
      values: Features (or logits) at the nodes of the polynomial that is judged.
      matrix: From ``NodePlan.matrix``, at the alphas.
      alphas: Where it is judged.
      truth: Features (or logits) there, evaluated.
      heads: As in ``read_off``.

    Returns:
      One number an example, on every device; NaN where a value is NaN.
    """
    return _compiled(_residual, layout)(values, matrix, alphas, truth, heads)


def _residual(values: Any, matrix: Any, alphas: Any, truth: Any, heads: Any) -> Any:
    def at_alpha(item: tuple[Any, ...]) -> Any:
        row, alpha, exact = item
        guess = _logits(_between(row, values), alpha, heads)
        return jnp.max(jnp.abs(guess - _logits(exact, alpha, heads)), axis=-1)

    return jnp.max(jax.lax.map(at_alpha, (matrix, alphas, truth)), axis=0)


def _between(row: Any, values: Any) -> Any:
    return jnp.tensordot(row, values, axes=1, precision=jax.lax.Precision.HIGHEST)


def _logits(values: Any, alpha: Any, heads: Any) -> Any:
    if heads is None:
        return values
    return head_logits(lerp(heads[0], heads[1], alpha), values)
