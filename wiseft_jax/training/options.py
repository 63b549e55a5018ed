"""Options that compose with every recipe: what moves, how far, which images count how often."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from wiseft_jax.core.field_checks import as_floats, check_field

_FLOAT_FIELDS = (
    "ema_decay",
    "l2_to_theta_0",
    "l1",
    "distill_to_theta_0",
    "distill_temperature",
    "layer_decay",
)


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """What may be added to a recipe; all of it is off by default."""

    ema_decay: float | None = None
    """Decay b of an average over the steps' weights, in (0, 1); it is what training returns."""
    l2_to_theta_0: float = 0.0
    """Strength s of the penalty s/2 |theta - theta_0|^2; in lp_ft from the probe's head."""
    l1: float = 0.0
    """Strength s of the penalty s |theta|_1."""
    distill_to_theta_0: float = 0.0
    """Strength s of s T^2 KL(softmax(z_0 / T) || softmax(z / T)), z_0 the logits of theta_0 on the
    same images; in lp_ft those of the probe's head."""
    distill_temperature: float = 1.0
    """T of it, > 0."""
    freeze: tuple[str, ...] = ()
    """Patterns (* and ?) of parameters that stay, as in encoder/vision_model/encoder/layers/0/*."""
    layer_decay: float = 1.0
    """Factor on the learning rate from one block to the one before it, in (0, 1]; 1: equal."""
    class_balance: bool = False
    """Repeat the images of small classes, so that each class is seen as often as the largest."""
    shots: int = 16
    """Images of each class that `few_shot` trains on, drawn by the seed."""
    solver: Literal["adamw", "lbfgs"] = "adamw"
    """How `linear_probe` is trained: steps of AdamW, or L-BFGS to convergence."""
    probe_c: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
    """L-BFGS: inverse strengths C of the L2 penalty to try; validation accuracy chooses."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        as_floats(self, _FLOAT_FIELDS)
        object.__setattr__(self, "probe_c", tuple(float(value) for value in self.probe_c))
        decay = self.ema_decay
        self._check("ema_decay", decay is None or 0 < decay < 1, "a number in (0, 1), or none")
        for field in ("l2_to_theta_0", "l1", "distill_to_theta_0"):
            value = getattr(self, field)
            self._check(field, math.isfinite(value) and value >= 0, "a number >= 0")
        temperature = self.distill_temperature
        fits = math.isfinite(temperature) and temperature > 0
        self._check("distill_temperature", fits, "a number > 0")
        self._check("freeze", all(self.freeze), "patterns that aren't empty")
        self._check("layer_decay", 0 < self.layer_decay <= 1, "a number in (0, 1]")
        self._check("shots", self.shots >= 1, "an integer >= 1")
        self._check("solver", self.solver in ("adamw", "lbfgs"), "adamw or lbfgs")
        fits = self.probe_c and all(math.isfinite(c) and c > 0 for c in self.probe_c)
        self._check("probe_c", bool(fits), "numbers > 0")

    def _check(self, field: str, fits: bool, expected: str) -> None:
        check_field(self, "training.options", field, fits, expected)
