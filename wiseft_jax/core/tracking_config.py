"""Which trackers get a copy of a run's log and results: the configuration."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wiseft_jax.core.errors import InputError, unknown_name

if TYPE_CHECKING:
    from wiseft_jax.core.tracking import MetricsWriter, Tracker

logger = logging.getLogger(__name__)

PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}
"""Writer, and the extra that installs it -> the package that it imports."""


@dataclasses.dataclass(frozen=True)
class TrackingConfig:
    """Who else gets what `train.jsonl` and `results.jsonl` hold; it decides no number."""

    writers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Also write RUN/tensorboard, or RUN/wandb (offline): see docs/tracking.md. Each is an extra:
    pip install 'wiseft-jax[tensorboard]'."""
    project: str = "wiseft"
    """The project of Weights & Biases that the run belongs to."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        for name in self.writers:
            if name not in PACKAGES:
                raise unknown_name("tracking.writers", str(name), PACKAGES)
            if self.writers.count(name) > 1:
                raise InputError(f"tracking.writers: {name} is given twice; give it once")
        if not self.project:
            raise InputError("tracking.project: expected a name, found an empty one")

    def check(self) -> None:
        """Raise, before any work, if a package isn't installed.

        Raises:
          InputError: Names the packages and the command that installs them.
        """
        found = importlib.util.find_spec
        missing = [name for name in self.writers if found(PACKAGES[name]) is None]
        if missing:
            packages = ", ".join(PACKAGES[name] for name in missing)
            raise InputError(
                f"tracking.writers {' '.join(missing)}: not installed here: {packages}; install:"
                f" pip install 'wiseft-jax[{','.join(missing)}]', or leave the writer out"
                " (train.jsonl has the same numbers)"
            )

    def build(self, run_dir: Path, described: Mapping[str, Any]) -> Tracker:
        """Return the tracker of a run, in the one process that writes.

        Copies of an earlier session are replaced once something is written. One whose writer isn't
        asked for any more stays as it is, which is logged.

        Args:
          run_dir: The run directory.
          described: ``run_directory.describe``: configuration, hash and versions.

        Raises:
          InputError: As ``check``.
        """
        from wiseft_jax.core.tracking import Tracker

        self.check()
        for name in PACKAGES:
            if name not in self.writers and (run_dir / name).is_dir():
                logger.warning(
                    "%s: of an earlier session, and not continued; with --tracking.writers %s it"
                    " would be",
                    run_dir / name,
                    name,
                )
        openers = {name: self._opener(name, run_dir, described) for name in self.writers}
        return Tracker(openers)

    def _opener(
        self, name: str, run_dir: Path, described: Mapping[str, Any]
    ) -> Callable[[], MetricsWriter]:
        def open_tensorboard() -> MetricsWriter:
            from wiseft_jax.core.tracking_tensorboard import TensorBoardWriter

            return TensorBoardWriter(run_dir / "tensorboard", described)

        def open_wandb() -> MetricsWriter:
            from wiseft_jax.core.tracking_wandb import WandbWriter

            return WandbWriter(run_dir, described, self.project)

        return {"tensorboard": open_tensorboard, "wandb": open_wandb}[name]
