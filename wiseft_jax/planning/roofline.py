"""Estimate the time of a step: the roofline model.

A device multiplies at most at its peak, reads at most at its memory's bandwidth, and sends at most
at its links'. With the counts of one device::

    T_math  = FLOPs / (peak * efficiency)
    T_memory = bytes / bandwidth
    T_network = sum over collectives of
        all-gather, reduce-scatter   V (n - 1) / n / W
        all-reduce                   twice that
        all-to-all                   a quarter of it
        collective-permute           V / W
      each at least the latency of going half around its ring

V is the whole array, n the group, W the bandwidth into and out of a device over the links that the
group uses. ``overlapped = max(all three)`` is what a perfect schedule reaches, ``exposed =
max(T_math, T_memory) + T_network`` what one that hides no collective does; the truth lies between
them if the efficiency is right, and it is the one number here that is assumed.

Source: Austin et al. 2025, "How to Scale Your Model" (https://jax-ml.github.io/scaling-book/),
chapters on rooflines and sharding.
"""

from __future__ import annotations

import dataclasses

from wiseft_jax.planning.counts import Collective
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.topology import Topology

EFFICIENCY = 0.5
"""Share of the peak that matrix products are assumed to reach: 0.35 to 0.55 is what well-tuned ViT
training reaches."""

HOP_SECS = 1e-6
"""Latency from one chip to the next (the source's figure for TPUs); taken for switches too."""

_SHARE = {
    "all-gather": 1.0,
    "reduce-scatter": 1.0,
    "all-reduce": 2.0,
    "all-to-all": 0.25,
    "collective-permute": 1.0,
}


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Seconds of one step; None where a rate of the chip isn't known.

    Attributes:
      math: Of the matrix products, at the assumed efficiency.
      memory: Of the traffic with the device's memory, at full bandwidth.
      network: Of the collectives, at full bandwidth.
      efficiency: The assumption.
    """

    math: float | None
    memory: float | None
    network: float | None
    efficiency: float

    @property
    def overlapped(self) -> float | None:
        """The step when everything happens at once."""
        known = [each for each in (self.math, self.memory, self.network) if each is not None]
        return max(known) if self.math is not None else None

    @property
    def exposed(self) -> float | None:
        """The step when no collective is hidden behind computation."""
        if self.math is None:
            return None
        return max(self.math, self.memory or 0.0) + (self.network or 0.0)

    @property
    def bound(self) -> str | None:
        """What takes longest; None if the time of the products isn't known."""
        if self.math is None:
            return None
        times = {"math": self.math, "memory": self.memory, "network": self.network}
        return max(times, key=lambda name: times[name] or 0.0)


def estimate(
    facts: StepFacts,
    topology: Topology,
    *,
    float32: bool = False,
    efficiency: float = EFFICIENCY,
) -> Estimate:
    """Return the estimated time of a step.

    Args:
      facts: What one device does.
      topology: The devices.
      float32: Whether the towers compute in float32, not bfloat16.
      efficiency: Share of the peak that matrix products reach, in (0, 1].
    """
    chip, counts = topology.chip, facts.counts
    peak = chip.peak_flops
    if peak is not None and float32:
        peak *= chip.float32_ratio
    network = None
    if topology.num_devices == 1 or not counts.collectives:
        network = 0.0
    elif chip.link_bandwidth is not None:
        network = sum(collective_secs(each, topology) for each in counts.collectives)
    return Estimate(
        math=None if peak is None else counts.flops / (peak * efficiency),
        memory=None if chip.memory_bandwidth is None else counts.num_bytes / chip.memory_bandwidth,
        network=network,
        efficiency=efficiency,
    )


def collective_secs(collective: Collective, topology: Topology) -> float:
    """Return the seconds that all runs of a collective take in one step.

    Args:
      collective: Its kind, size, group and count.
      topology: Devices whose links are known.
    """
    size = collective.group_size
    bandwidth = topology.group_bandwidth(size)
    if size < 2 or bandwidth is None:
        return 0.0
    share = _SHARE[collective.kind]
    if collective.kind != "collective-permute":
        share *= (size - 1) / size
    latency = HOP_SECS * max(1, size // 2 if topology.chip.kind != "tpu" else _hops(size, topology))
    return collective.count * max(latency, share * collective.num_bytes / bandwidth)


def _hops(group_size: int, topology: Topology) -> int:
    """Return the way around the axes that a group spans, to the device that is farthest."""
    return sum(
        length // 2 if wraps else length - 1 for length, wraps in topology.group_axes(group_size)
    )
