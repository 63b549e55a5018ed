"""The plane through three models: coordinates by Gram and Schmidt, and the model at a point.

With ``u = theta_1 - theta_0`` and ``v = theta_2 - theta_0`` the axes are ``u / |u|`` and the unit
vector of ``v - <v, u> u / |u|^2``: distances in the picture are those between weights. Garipov et
al. 2018 (arXiv 1802.10026), appendix; Wortsman et al. 2022 (arXiv 2109.01903), figure 3.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Float64, Int

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import check_same_structure, flatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.weights.interpolate import lerp

_FLAT = 4 * float(np.finfo(np.float32).eps)
"""Of lengths and distances: a model that is nearer to the line is on it but for rounding."""

_OTHERS = ((1, 2), (0, 2), (0, 1))


@dataclasses.dataclass(frozen=True)
class Plane:
    """Where three models lie, in units of the weights' Euclidean distance.

    ``theta_0`` is the origin, ``theta_1`` at ``(base, 0)``, ``theta_2`` at ``(foot, height)``.

    Attributes:
      base: ``|theta_1 - theta_0|``.
      foot: The third model's first coordinate.
      height: Its second one, above 0.
    """

    base: float
    foot: float
    height: float

    @property
    def corners(self) -> Float64[np.ndarray, "3 2"]:
        """The coordinates of the three models."""
        return np.array([[0.0, 0.0], [self.base, 0.0], [self.foot, self.height]])

    def weights(self, points: Float[np.ndarray, "P 2"]) -> Float64[np.ndarray, "P 3"]:
        """Return the shares of the three models at some points; a row sums to 1.

        At the models' own coordinates they are exactly 0 and 1.

        Args:
          points: In this plane's coordinates.
        """
        points = np.asarray(points, np.float64)
        third = points[:, 1] / self.height
        second = points[:, 0] / self.base - third * (self.foot / self.base)
        # The corner's own terms are then equal, and cancel to 0.
        at_third = (points[:, 0] == self.foot) & (points[:, 1] == self.height)
        second = np.where(at_third, 0.0, second)
        return np.stack([1 - second - third, second, third], axis=1)

    def grid(self, points: int, margin: float) -> Float64[np.ndarray, "P P 2"]:
        """Return an even grid around the three models, rows by rising second coordinate.

        Args:
          points: A side.
          margin: Free space around the models, as a share of the larger extent.
        """
        low, high = self.corners.min(0), self.corners.max(0)
        free = margin * float((high - low).max())
        x, y = (np.linspace(low[axis] - free, high[axis] + free, points) for axis in (0, 1))
        return np.stack(np.meshgrid(x, y), axis=-1)


def plane_through(theta_0: Params, theta_1: Params, theta_2: Params) -> Plane:
    """Return the plane through three models; sums are float64, a leaf at a time.

    Args:
      theta_0: The origin.
      theta_1: On the first axis.
      theta_2: The third model.

    Raises:
      InputError: The trees differ in structure, or the three models lie on one line.
    """
    check_same_structure(theta_1, theta_0)
    check_same_structure(theta_2, theta_0, name="theta_2")
    leaves = [flatten_paths(theta) for theta in (theta_0, theta_1, theta_2)]
    paths = [path for path, leaf in leaves[0].items() if np.asarray(leaf).dtype.kind == "f"]

    def directions(path: str) -> tuple[np.ndarray, np.ndarray]:
        start, first, second = (np.asarray(each[path], np.float64) for each in leaves)
        return first - start, second - start

    squares = {"uu": 0.0, "uv": 0.0, "vv": 0.0, "start": 0.0}
    for path in paths:
        u, v = directions(path)
        for name, product in (("uu", u * u), ("uv", u * v), ("vv", v * v)):
            squares[name] += float(np.sum(product))
        squares["start"] += float(np.sum(np.asarray(leaves[0][path], np.float64) ** 2))
    if squares["uu"] == 0:
        raise InputError("theta_1 is theta_0, so that there is no plane; give another model")
    share = squares["uv"] / squares["uu"]
    rest = 0.0
    for path in paths:
        u, v = directions(path)
        rest += float(np.sum((v - share * u) ** 2))
    if rest <= _FLAT**2 * max(squares[name] for name in ("uu", "vv", "start")):
        raise InputError(
            "the third model lies on the line through theta_0 and theta_1, so that there is no"
            " plane; give a model that was trained otherwise, such as one of another seed"
        )
    base = math.sqrt(squares["uu"])
    return Plane(base, squares["uv"] / base, math.sqrt(rest))


def nesting(
    weights: Float64[np.ndarray, "P 3"],
) -> tuple[Int[np.ndarray, " P"], Float[np.ndarray, " P"], Float[np.ndarray, " P"]]:
    """Return how ``at_point`` makes models out of two interpolations each.

    The model mixed in last is the one whose share is furthest from 1, which keeps the other step
    finite: it divides by a number of at least 2/3.

    Args:
      weights: Shares of the three models.

    Returns:
      ``(last, inner, outer)``: which model comes last, the coefficient between the other two, and
      the last one's.
    """
    last = np.argmax(np.abs(1 - weights), axis=1)
    rows = np.arange(len(weights))
    outer = weights[rows, last]
    inner = weights[rows, np.asarray(_OTHERS)[last, 1]] / (1 - outer)
    return last.astype(np.int32), inner.astype(np.float32), outer.astype(np.float32)


def at_point(thetas: tuple[Params, Params, Params], last: Any, inner: Any, outer: Any) -> Params:
    """Return ``w_0 theta_0 + w_1 theta_1 + w_2 theta_2`` by two interpolations.

    A share of 1 gives that model bit for bit, and a point of the line between ``theta_0`` and
    ``theta_1`` the model that ``lerp`` gives.

    Args:
      thetas: The three models.
      last: From ``nesting``, one of each; may be traced.
      inner: Likewise.
      outer: Likewise.
    """

    def mix(index: int) -> Any:
        first, second = _OTHERS[index]
        return lambda inner, outer: lerp(
            lerp(thetas[first], thetas[second], inner), thetas[index], outer
        )

    return jax.lax.switch(last, [mix(index) for index in range(3)], inner, outer)
