"""How the continuous curve is made, and when it is believed."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.lobatto import LEVELS

MaxNodes = Literal[5, 9, 17, 33]

LEAST_NODES = LEVELS[1]
"""What every batch is run at."""

UNTRUSTED = 0.2
"""A batch with more of its predictions uncertain, at the last level, isn't smooth."""


@dataclasses.dataclass(frozen=True)
class CurveConfig:
    """Options of the continuous curve."""

    tol: float | None = None
    """More nodes are added while more than this share of the predictions is uncertain. When not
    given 1 %, unless evaluating the uncertain ones of the grid directly is cheaper, which is done
    then; with `exact` always whatever is the cheapest for the grid."""
    exact: bool = False
    """Whether every uncertain prediction of the grid is evaluated directly."""
    safety: float = 2.0
    """A prediction is certain when its margin exceeds this multiple of the error estimate."""
    max_nodes: MaxNodes = 17
    """Most nodes; what isn't smooth by then is evaluated directly."""
    points: int = 101
    """Places at which the continuous curve is tabulated, evenly spaced."""
    audit: float = 0.05
    """Pairs that the audit draws, as a share of the forward passes of the fewest nodes (5, or more
    where a set is read again); batches that they don't fill come on top. 0 leaves it out."""
    seed: int = 0
    """Draws the audit's sample."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        if self.tol is not None and not 0 <= self.tol < 1:
            raise InputError(f"sweep.curve.tol: expected a share in [0, 1), found {self.tol}")
        if not self.safety >= 1:
            raise InputError(f"sweep.curve.safety: expected at least 1, found {self.safety}")
        if self.points < 2:
            raise InputError(f"sweep.curve.points: expected at least 2, found {self.points}")
        if not 0 <= self.audit <= 1:
            raise InputError(f"sweep.curve.audit: expected a share in [0, 1], found {self.audit}")


@dataclasses.dataclass(frozen=True)
class PassRange:
    """How many forward passes of an image a curve takes; known only once it is made.

    Attributes:
      low: The fewest nodes, and their audit.
      high: The most nodes, as large a share for the audit, which covers the padding of its batches,
        and direct evaluation of a share ``UNTRUSTED`` of the grid.
      rough: Where more is uncertain or not smooth: the most nodes, and all of the grid directly.
      nodes: The fewest and the most nodes.
    """

    low: float
    high: float
    rough: float
    nodes: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, and the share of the predictions that ``high`` allows for."""
        return dataclasses.asdict(self) | {
            "nodes": list(self.nodes),
            "uncertain_share": UNTRUSTED,
        }


def expected_passes(config: CurveConfig, alphas: tuple[float, ...]) -> PassRange:
    """Return how many forward passes of an image a curve takes, where the encoders differ.

    A level is left when the next one would cost more than the whole grid, unless ``tol`` says how
    few predictions may be uncertain. A set that is read again, for its audit found a mistake, takes
    both readings; that isn't counted.

    Args:
      config: How the curve is made.
      alphas: The grid, rising.
    """
    levels = [count for count in LEVELS if LEAST_NODES <= count <= config.max_nodes]
    enough = [c for c in levels if config.tol is None and 2 * c - 1 >= len(alphas)]
    most = min([levels[-1], *enough])
    ends = 0 if alphas[0] >= 0.0 and alphas[-1] <= 1.0 else 2  # they aren't nodes then
    fewest, largest = (ends + count * (1 + config.audit) for count in (LEAST_NODES, most))
    return PassRange(
        low=fewest,
        high=largest + UNTRUSTED * len(alphas),
        rough=largest + len(alphas),
        nodes=(LEAST_NODES, most),
    )
