"""How SGD trains from scratch; loads nothing heavy."""

from __future__ import annotations

import dataclasses
import math

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.field_checks import as_floats


@dataclasses.dataclass(frozen=True)
class SgdConfig:
    """SGD with momentum; the learning rate drops by a factor every few epochs.

    Attributes:
      momentum: In [0, 1).
      drop_every_epochs: Epochs between drops; None: the rate stays.
      drop_factor: What the rate is multiplied by, in (0, 1].
    """

    momentum: float = 0.9
    drop_every_epochs: float | None = 50.0
    drop_factor: float = 0.1

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        as_floats(self, ("momentum", "drop_every_epochs", "drop_factor"))
        every = self.drop_every_epochs
        self._check("momentum", 0 <= self.momentum < 1, "a number in [0, 1)")
        fits = every is None or 0 < every < math.inf
        self._check("drop_every_epochs", fits, "a number > 0, or none")
        self._check("drop_factor", 0 < self.drop_factor <= 1, "a number in (0, 1]")

    def _check(self, field: str, fits: bool, expected: str) -> None:
        if not fits:
            raise InputError(f"{field}: expected {expected}, found {getattr(self, field)!r}")

    def drop_steps(self, num_examples: int, batch_size: int, total_steps: int) -> tuple[int, ...]:
        """Return the steps that are the first of a lower rate.

        Args:
          num_examples: Size of the training set.
          batch_size: Images per step.
          total_steps: Of the run.
        """
        if self.drop_every_epochs is None:
            return ()
        steps = self.drop_every_epochs * num_examples / batch_size
        counts = range(1, int(total_steps / steps) + 1)
        drops = (math.ceil(count * steps - 1e-9) for count in counts)
        return tuple(step for step in drops if step < total_steps)
