"""Which devices a plan is for: ``v5e:8x8``, ``v4:2x2x4``, ``h100:8``, ``h200:2x8``, ``cpu:8``."""

from __future__ import annotations

import dataclasses
import math
import re

from wiseft_jax.core.errors import InputError
from wiseft_jax.planning.chips import CHIPS, Chip, get_chip

FORMS = "v5e:8x8 (a 2D slice), v4:2x2x4 (3D), h100:8 (one node), h200:2x8 (2 nodes of 8), cpu:8"
_HOST_BOX = (2, 2, 1)
"""Chips of a TPU virtual machine, along each dimension of the slice."""

_LONGEST_2D = 16
"""Chips along a side of the largest slice of v5e and v6e, 16x16, which is the whole pod of 256.

Source: the tables of slices and of pods in https://docs.cloud.google.com/tpu/docs/v5e and /v6e.
"""


@dataclasses.dataclass(frozen=True)
class Topology:
    """Devices that may not be there.

    Attributes:
      name: As it was given.
      chip_name: Key of the table of chips.
      chip: Its numbers.
      shape: Chips along each dimension of a torus, or (nodes, devices of a node).
    """

    name: str
    chip_name: str
    chip: Chip
    shape: tuple[int, ...]

    @property
    def num_devices(self) -> int:
        """How many devices JAX would show."""
        return math.prod(self.shape) * self.chip.devices_per_chip

    @property
    def num_hosts(self) -> int:
        """How many hosts, each with its own Python process."""
        if self.chip.kind == "tpu":
            return max(1, self.num_devices // self.chip.per_host)
        return self.shape[0]

    @property
    def wrapped(self) -> tuple[bool, ...]:
        """Whether each dimension of a torus wraps around.

        In two dimensions an axis does from ``full_ring`` chips on (a v5e's 16, so one axis of
        8x16). In three all do, if every one is a multiple of ``full_ring`` (of 4), else none: rings
        are closed by the optical switches between whole cubes of 4x4x4.

        Source: https://jax-ml.github.io/scaling-book/tpus/, "TPU Networking"; for v5p also
        https://docs.cloud.google.com/tpu/docs/v5p (slices from one cube on are full 3D tori).
        Assumed of TPU7x, which Google's page likens to v5p.
        """
        ring = self.chip.full_ring
        if self.chip.axes == 3:
            return (all(length % ring == 0 for length in self.shape),) * 3
        return tuple(length >= ring for length in self.shape)

    def group_axes(self, group_size: int) -> list[tuple[int, bool]]:
        """Return ``(chips, whether they close a ring)`` of each axis that a group spans.

        The longest axes come first. A group that covers a part of an axis has no ring there.

        Args:
          group_size: How many devices take part.
        """
        axes: list[tuple[int, bool]] = []
        left = -(-group_size // self.chip.devices_per_chip)
        for length, wraps in sorted(zip(self.shape, self.wrapped, strict=True), reverse=True):
            if left <= 1 or length == 1:
                break
            used = min(length, left)
            axes.append((used, wraps and used == length))
            left = -(-left // used)
        return axes

    def group_bandwidth(self, group_size: int) -> float | None:
        """Return bytes per second, in and out of each device, for a ring over a group.

        On a torus a group uses the axes that it needs to reach its size (``group_axes``), each in
        both directions where it wraps around, else in one. On GPUs a group inside
        a node uses the switch; a larger one the network between nodes, which each node's devices
        share by a hierarchical ring.

        Args:
          group_size: How many devices take part.
        """
        chip = self.chip
        if chip.link_bandwidth is None:
            return None
        if chip.kind == "tpu":
            axes = self.group_axes(group_size)
            return chip.link_bandwidth * (sum(1 + wraps for _, wraps in axes) or 1)
        if group_size <= self.shape[1] or chip.network_bandwidth is None:
            return chip.link_bandwidth
        return min(chip.link_bandwidth, chip.network_bandwidth * self.shape[1])


def parse_topology(text: str) -> Topology:
    """Return what a topology's name means.

    Raises:
      InputError: If it isn't ``CHIP:SIZE`` of a known chip, or no such slice exists.
    """
    name, separator, size = text.partition(":")
    if not separator or not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", size):
        raise InputError(f"--topology {text!r}: expected CHIP:SIZE, for example {FORMS}")
    chip = get_chip(name)
    shape = tuple(int(part) for part in size.split("x"))
    if chip.kind == "tpu":
        _check_slice(text, chip, shape)
    elif len(shape) == 1:
        shape = (1, *shape)
    elif len(shape) != 2:
        raise InputError(f"--topology {text!r}: expected {name}:DEVICES or {name}:NODESxDEVICES")
    if chip.kind == "gpu" and shape[1] > chip.per_host:
        raise InputError(
            f"--topology {text!r}: a node has {chip.per_host} {name}; for"
            f" {shape[0] * shape[1]} of them give {name}:{-(-math.prod(shape) // chip.per_host)}"
            f"x{chip.per_host}"
        )
    return Topology(text, name, chip, shape)


def _check_slice(text: str, chip: Chip, shape: tuple[int, ...]) -> None:
    if len(shape) != chip.axes:
        raise InputError(
            f"--topology {text!r}: a slice of {chip.description} has {chip.axes} dimensions, for"
            f" example {text.split(':')[0]}:{'x'.join(['4'] * chip.axes)}; found {len(shape)}"
        )
    if shape == (1, 1):
        return  # one chip of v5e or v6e, which is sold alone
    if max(shape) > _LONGEST_2D and chip.axes == 2:
        raise InputError(
            f"--topology {text!r}: the largest slice of {chip.description} is 16x16; found"
            f" {max(shape)} chips along a side"
        )
    box = _HOST_BOX[: chip.axes]
    if any(length % part for length, part in zip(shape, box, strict=True)):
        raise InputError(
            f"--topology {text!r}: each host has {'x'.join(map(str, box))} chips, so the slice's"
            " sizes must be multiples of those"
        )


def known_topologies() -> str:
    """Return the names of the chips, for help texts."""
    return ", ".join(CHIPS)
