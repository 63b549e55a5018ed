"""How the verbs that take models by ``--model`` read checkpoints: options, one place for all."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import tyro

from wiseft_jax.clip.reading import Activation, Reading
from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class ReadingOptions:
    """How checkpoints are read: what their files don't say, and what may be missing."""

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

    def build(self) -> Reading:
        """Return how a checkpoint is read."""
        return Reading(self.base, self.allow_missing, self.activation, self.image_size)

    def settings(self) -> dict[str, Any]:
        """Return what differs from reading a checkpoint as it is stored."""
        stored = dataclasses.asdict(ReadingOptions())
        return {
            name: value for name, value in dataclasses.asdict(self).items() if value != stored[name]
        }


ReadingArgs = Annotated[ReadingOptions, tyro.conf.arg(name="")]
