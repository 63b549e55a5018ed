"""Which checkpoints of a run are kept, and where."""

from __future__ import annotations

import dataclasses

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    """When checkpoints are written, which are kept, and where."""

    save_every_steps: int | None = None
    """Checkpoints in between, every so many steps; None: after evaluations and at the end."""

    keep_latest: int = 2
    """How many of the newest are kept; a run resumes from the newest that can be read."""
    keep_best: int = 1
    """How many of the best by validation accuracy are kept too."""
    directory: str | None = None
    """Where they go; a local or remote directory (gs://BUCKET/DIR). None: in the run directory."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        every = self.save_every_steps
        if every is not None and every < 1:
            raise InputError(
                f"checkpoints.save_every_steps: expected an integer >= 1, or none, found {every}"
            )
        if self.keep_latest < 1:
            raise InputError(
                f"checkpoints.keep_latest: expected at least 1, found {self.keep_latest}"
            )
        if self.keep_best < 0:
            raise InputError(f"checkpoints.keep_best: expected at least 0, found {self.keep_best}")
