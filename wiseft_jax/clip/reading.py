"""What a user says about a checkpoint that its files don't, and what may be missing from it."""

from __future__ import annotations

import dataclasses
import fnmatch
import logging
from typing import Literal

Activation = Literal["auto", "gelu", "quick_gelu"]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a checkpoint is read.

    Attributes:
      base: Another CLIP (what ``load_clip`` takes), whose text side, and tokenizer where there is
        none, go with an image tower; empty for none.
      allow_missing: Patterns (``fnmatch``'s) of names, as the file has them, that may be missing
        from it or be there in excess.
      activation: Of the MLPs, where the files don't say: ``gelu`` or ``quick_gelu``; ``auto`` goes
        by the files and the name, and refuses to guess.
      image_size: Side of the images in pixels, to which the image tower's positions are
        interpolated; None for the checkpoint's own.
    """

    base: str = ""
    allow_missing: tuple[str, ...] = ()
    activation: Activation = "auto"
    image_size: int | None = None

    def allows(self, name: str) -> bool:
        """Return whether the tensor ``name`` may be missing or in excess."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.allow_missing)


AS_STORED = Reading()
"""Whole, strict, at its own resolution."""


def option_text(field: str) -> str:
    """Return which options of the command line set a field of ``Reading``, for an error.

    Example:
      >>> option_text("base")
      '--model.base where one is trained, --base of evaluate and predict'
    """
    name = field.replace("_", "-")
    return f"--model.{name} where one is trained, --{name} of evaluate and predict"


def neutral_value(name: str) -> float | None:
    """Return what stands in for a missing tensor without changing what others compute.

    Zero for a bias, one for the scale of a layer norm; None where there is no such value.

    Args:
      name: The key path in the canonical tree.
    """
    last = name.rsplit("/", 1)[-1]
    return {"bias": 0.0, "scale": 1.0}.get(last)


def state_left_out(source: str, names: list[str]) -> None:
    """Say in one line which tensors of a file are not read."""
    if names:
        _log.warning("%s: not read, as allowed: %s", source, ", ".join(names))


def state_filled(source: str, names: list[str]) -> None:
    """Say in one line which tensors stand in for missing ones."""
    if names:
        _log.warning(
            "%s: missing, as allowed, and taken as 0 (biases) or 1 (scales): %s",
            source,
            ", ".join(names),
        )
