"""Which checkpoints of a run are kept, and where."""

from __future__ import annotations

import dataclasses

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    """Keeping checkpoints; when they are written is `training.save_every_steps`."""

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
        if self.keep_latest < 1:
            raise InputError(
                f"checkpoints.keep_latest: expected at least 1, found {self.keep_latest}"
            )
        if self.keep_best < 0:
            raise InputError(f"checkpoints.keep_best: expected at least 0, found {self.keep_best}")
