"""How the continuous curve is made, and when it is believed."""

from __future__ import annotations

import dataclasses
from typing import Literal

from wiseft_jax.core.errors import InputError

MaxNodes = Literal[5, 9, 17, 33]


@dataclasses.dataclass(frozen=True)
class CurveConfig:
    """Options of the continuous curve."""

    tol: float | None = None
    """More nodes are added while more than this share of the predictions is uncertain. When not
    given 1 %, unless evaluating the uncertain ones of the grid directly is cheaper, which is done
    then; with `exact` always whatever is the cheapest for the grid."""
    exact: bool = False
    """Evaluate every uncertain prediction of the grid directly."""
    safety: float = 2.0
    """A prediction is certain when its margin exceeds this multiple of the error estimate."""
    max_nodes: MaxNodes = 17
    """Most nodes; what isn't smooth by then is evaluated directly."""
    points: int = 101
    """Places at which the continuous curve is tabulated, evenly spaced."""
    audit: float = 0.05
    """Cost of the audit, as a share of the nodes' forward passes; 0 leaves it out."""
    seed: int = 0
    """Draws the audit's sample."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        if self.tol is not None and not 0 <= self.tol < 1:
            raise InputError(f"curve.tol: expected a share in [0, 1), found {self.tol}")
        if not self.safety >= 1:
            raise InputError(f"curve.safety: expected at least 1, found {self.safety}")
        if self.points < 2:
            raise InputError(f"curve.points: expected at least 2, found {self.points}")
        if not 0 <= self.audit <= 1:
            raise InputError(f"curve.audit: expected a share in [0, 1], found {self.audit}")
