"""What a user says about a checkpoint that its files don't, and what may be missing from it."""

from __future__ import annotations

import dataclasses
import fnmatch
import logging
from typing import Annotated, Any, Literal

import tyro

from wiseft_jax.core.errors import InputError

Activation = Literal["auto", "gelu", "quick_gelu"]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a checkpoint is read: what its files don't say, and what may be missing."""

    base: str = ""
    """The CLIP that an image tower alone came from: its text side is read."""
    allow_missing: tuple[str, ...] = ()
    """Patterns (`visual.ln_*`) of tensors that may be missing from a file, or be in excess."""
    activation: Activation = "auto"
    """Of an OpenCLIP file: `gelu`, `quick_gelu`, or what its configuration says (`auto`)."""
    image_size: int | None = None
    """Side of the images in pixels, to which positions are interpolated; else the model's own."""

    def __post_init__(self) -> None:
        """Check the size."""
        if self.image_size is not None and self.image_size < 1:
            raise InputError(f"--image-size: expected pixels, found {self.image_size}")

    def allows(self, name: str) -> bool:
        """Return whether the tensor ``name`` may be missing or in excess."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.allow_missing)

    def settings(self) -> dict[str, Any]:
        """Return what differs from reading a checkpoint as it is stored."""
        values = dataclasses.asdict(self)
        return {name: values[name] for name in values if values[name] != getattr(AS_STORED, name)}

    def refuse_without_model(self) -> None:
        """Raise where something is said of how to read models, and none is named by `--model`.

        Raises:
          InputError: Names the option.
        """
        for name in self.settings():
            raise InputError(f"--{name.replace('_', '-')}: is for models that --model names")


AS_STORED = Reading()
"""Whole, strict, at its own resolution."""

ReadingArgs = Annotated[Reading, tyro.conf.arg(name="")]
"""A field of what takes models by `--model`: `--base`, `--allow-missing` and so on."""


def option_text(field: str) -> str:
    """Return which options of the command line set a field of ``Reading``, for an error.

    Example:
      >>> option_text("base")
      '--base beside --model, --model.base beside --model.name'
    """
    name = field.replace("_", "-")
    return f"--{name} beside --model, --model.{name} beside --model.name"


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
