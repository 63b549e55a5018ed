"""How a run is laid out over devices: the mesh's axes, and which parameters are split."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING

from wiseft_jax.core.errors import InputError

if TYPE_CHECKING:
    from jax.sharding import Mesh

DATA_AXIS, FSDP_AXIS, ALPHA_AXIS = AXES = ("data", "fsdp", "alpha")
"""``data`` splits the batch; ``fsdp`` the batch and the parameters; ``alpha`` a sweep's alphas."""

REPLICATED = "replicated"


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """Devices as `data x fsdp x alpha`. None of it changes a result beyond float rounding."""

    data: int = -1
    """Devices that split the batch and hold parameters alike; -1: the rest."""
    fsdp: int = 1
    """Devices that split the batch and the parameters too; -1: the rest."""
    alpha: int = 1
    """Devices that split a sweep's alphas; fine-tuning counts them as `data`. -1: the rest."""
    min_shard_elements: int = 2**16
    """Smaller parameters are held whole by every device."""
    overrides: tuple[str, ...] = ()
    """Exceptions by path, `REGEX=DIMENSION` or `REGEX=replicated`; the first that matches wins.
    Paths and dimensions are those of the tower's layout: count from the end (-1), since the lean
    tower has an axis of layers in front."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        for axis in AXES:
            size = getattr(self, axis)
            if size != -1 and size < 1:
                raise InputError(f"mesh.{axis}: expected -1 or an integer >= 1, found {size}")
        if [self.data, self.fsdp, self.alpha].count(-1) > 1:
            raise InputError("mesh: only one of data, fsdp and alpha can be -1 (the rest)")
        if self.min_shard_elements < 0:
            raise InputError(
                f"mesh.min_shard_elements: expected at least 0, found {self.min_shard_elements}"
            )
        self.parsed_overrides()

    def parsed_overrides(self) -> tuple[tuple[re.Pattern[str], int | None], ...]:
        """Return ``(pattern, dimension)`` of each override; None keeps the leaf whole.

        Raises:
          InputError: If one isn't ``REGEX=DIMENSION`` or ``REGEX=replicated``.
        """
        parsed = []
        for text in self.overrides:
            pattern, separator, dimension = text.rpartition("=")
            fits = dimension == REPLICATED or dimension.lstrip("-").isdigit()
            try:
                if not (separator and pattern and fits):
                    raise ValueError("no dimension")
                compiled = re.compile(pattern)
            except (re.error, ValueError) as error:
                raise InputError(
                    f"mesh.overrides: {text!r} ({error}): expected REGEX=DIMENSION or"
                    " REGEX=replicated, for example 'token_embedding=0' or 'head/kernel=replicated'"
                ) from None
            parsed.append((compiled, None if dimension == REPLICATED else int(dimension)))
        return tuple(parsed)

    def sizes(self, num_devices: int) -> tuple[int, int, int]:
        """Return the sizes of (data, fsdp, alpha) on so many devices.

        Raises:
          InputError: If they don't fit the number of devices.
        """
        asked_sizes = (self.data, self.fsdp, self.alpha)
        rest = num_devices // math.prod(size for size in asked_sizes if size != -1)
        data, fsdp, alpha = (rest if size == -1 else size for size in asked_sizes)
        if data * fsdp * alpha != num_devices:
            asked = " x ".join(f"{axis} {getattr(self, axis)}" for axis in AXES)
            raise InputError(
                f"mesh: {asked} doesn't fit {num_devices} device(s): the product of the sizes must"
                " be the number of devices; -1 takes the rest"
            )
        return data, fsdp, alpha

    def build(self) -> Mesh:
        """Return the mesh over all of the program's devices."""
        from wiseft_jax.core.mesh import make_mesh

        return make_mesh(config=self)
