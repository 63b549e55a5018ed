"""How mixing coefficients are learned: the configuration."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Literal

import tyro

from wiseft_jax.core.errors import unknown_name
from wiseft_jax.core.field_checks import as_floats, check_field

GRANULARITIES = ("global", "block", "module", "tensor")
OBJECTIVE_NAMES = ("cross_entropy", "entropy")
STEP_EVERY = ("batch", "epoch")


@dataclasses.dataclass(frozen=True)
class LearnAlphasConfig:
    """Coefficients by group of parameters, fitted by Adam with a cosine down to zero."""

    granularity: Literal["global", "block", "module", "tensor"] = "block"
    """What shares a coefficient: `global` everything, `block`, `module` a kind, `tensor`."""
    objective: Literal["cross_entropy", "entropy"] = "cross_entropy"
    """`cross_entropy` on labels, or `entropy` of the softmax, which needs none."""
    fit_on: Annotated[str | None, tyro.conf.arg(aliases=["--fit-on"])] = None
    """Name of the dataset to fit on; only a validation set of the reference needs no naming."""
    learning_rate: float = 0.02
    """Adam's, at the start: about how far a coefficient moves in a step."""
    epochs: int = 10
    """Passes over the data."""
    step_every: Literal["batch", "epoch"] = "batch"
    """`batch`: a step after each batch, in random order; `epoch`: one a pass, full-batch."""
    batch_size: int = 64
    """Images that are computed at once, over all devices."""
    init_alpha: float = 0.5
    """What every coefficient is at the start."""
    penalty: float = 0.0
    """Times mean over groups of (coefficient - init_alpha)^2, added to the objective."""
    clip: bool = True
    """Whether coefficients stay in [0, 1], between the ends; otherwise they may extrapolate."""
    seed: int = 0
    """Of the order of images."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        as_floats(self, ("learning_rate", "init_alpha", "penalty"))
        for field, known in (
            ("granularity", GRANULARITIES),
            ("objective", OBJECTIVE_NAMES),
            ("step_every", STEP_EVERY),
        ):
            if getattr(self, field) not in known:
                raise unknown_name(f"learning.{field}", str(getattr(self, field)), known)
        rate = self.learning_rate
        self._check("learning_rate", math.isfinite(rate) and rate > 0, "a number > 0")
        self._check("epochs", self.epochs >= 1, "an integer >= 1")
        self._check("batch_size", self.batch_size >= 1, "an integer >= 1")
        start = self.init_alpha
        self._check("init_alpha", math.isfinite(start), "a finite number")
        inside = not self.clip or 0 <= start <= 1
        self._check("init_alpha", inside, "a number in [0, 1] while clip is on")
        penalty = self.penalty
        self._check("penalty", math.isfinite(penalty) and penalty >= 0, "a number >= 0")
        self._check("seed", 0 <= self.seed < 2**32, "an integer in [0, 2**32)")

    def _check(self, field: str, fits: bool, expected: str) -> None:
        check_field(self, "learning", field, fits, expected)
