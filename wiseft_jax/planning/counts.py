"""What one step of a program costs: FLOPs, bytes of memory traffic, collectives."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

CollectiveKind: TypeAlias = Literal[
    "all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute"
]
COLLECTIVE_KINDS: tuple[CollectiveKind, ...] = (
    "all-gather",
    "all-reduce",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
)


@dataclasses.dataclass(frozen=True)
class Collective:
    """Collectives of one kind and size.

    Attributes:
      kind: What it does.
      num_bytes: Size of the whole array: what an all-gather ends with, what each device brings to a
        reduction, what the devices of an all-to-all hold together.
      group_size: How many devices take part.
      count: How often a step does it; loops are multiplied out.
    """

    kind: CollectiveKind
    num_bytes: int
    group_size: int
    count: float

    @property
    def total_bytes(self) -> float:
        """Bytes over all the times that it runs in a step."""
        return self.num_bytes * self.count


@dataclasses.dataclass(frozen=True)
class Counts:
    """What one device does in one step.

    Attributes:
      flops: Multiplications and additions of matrix products and convolutions.
      num_bytes: Bytes read from and written to the device's memory.
      collectives: Merged by kind, size and group, the largest first.
      unknown_loops: Loops whose trip count isn't known; their bodies are counted once.
    """

    flops: float
    num_bytes: float
    collectives: tuple[Collective, ...] = ()
    unknown_loops: tuple[str, ...] = ()

    def by_kind(self) -> dict[str, tuple[float, float]]:
        """Return ``kind -> (how many a step, their bytes)``."""
        totals: dict[str, tuple[float, float]] = {}
        for each in self.collectives:
            count, size = totals.get(each.kind, (0.0, 0.0))
            totals[each.kind] = (count + each.count, size + each.total_bytes)
        return totals

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; ``from_json`` is the inverse."""
        return {
            "flops": self.flops,
            "bytes": self.num_bytes,
            "collectives": [dataclasses.asdict(each) for each in self.collectives],
            "unknown_loops": list(self.unknown_loops),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Counts:
        """Return the counts that ``to_json`` gave."""
        return cls(
            value["flops"],
            value["bytes"],
            tuple(Collective(**each) for each in value["collectives"]),
            tuple(value["unknown_loops"]),
        )


def merge_collectives(collectives: Iterable[Collective]) -> tuple[Collective, ...]:
    """Return equal collectives as one, with their counts added; the most bytes first."""
    merged: dict[tuple[CollectiveKind, int, int], float] = {}
    for each in collectives:
        key = (each.kind, each.num_bytes, each.group_size)
        merged[key] = merged.get(key, 0.0) + each.count
    found = [Collective(*key, count) for key, count in merged.items()]
    return tuple(sorted(found, key=lambda each: (-each.total_bytes, each.kind, each.group_size)))
