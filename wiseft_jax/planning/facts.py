"""What is known of one compiled or traced step; plain values that go through JSON and back."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from wiseft_jax.planning.counts import Counts

CURVE = "curve"
"""What the nodes of a curve are called in place of a back-end, as in a sweep's own result."""


@dataclasses.dataclass(frozen=True)
class StepFacts:
    """One step on one device.

    Attributes:
      step: Which; ``heads`` makes the head of one alpha of its merged text tower.
      method: ``compile``: from the program that XLA made; ``abstract``: estimated from the trace.
      images: Images of one step, over all devices; of ``heads`` its prompts, on one device.
      passes: Forward passes of an image in a step: 1, the alphas of a sweep or the first nodes of a
        curve; 1 too where the encoder doesn't depend on alpha.
      counts: What one device does.
      traced_flops: FLOPs of the trace over all devices: what the mathematics needs.
      memory: Name of a part -> bytes on one device; the parts add up to what must fit at once.
      largest: ``(array, bytes)``, the largest arrays of a device.
      seconds: Seconds that tracing and compiling took.
      too_large: XLA's message, if it refused the program for lack of memory.
      alphas: Alphas that a step of the sweep evaluates; 0 for ``train``, 1 for ``heads``.
      backend: Of the sweep: a back-end, or ``curve``; empty for ``train``.
      reason: Why that one.
    """

    step: Literal["train", "heads", "sweep"]
    method: Literal["compile", "abstract"]
    images: int
    passes: int
    counts: Counts
    traced_flops: float
    memory: dict[str, int]
    largest: tuple[tuple[str, int], ...] = ()
    seconds: float = 0.0
    too_large: str | None = None
    alphas: int = 0
    backend: str = ""
    reason: str = ""

    @property
    def memory_bytes(self) -> int:
        """Everything that one device must hold at once."""
        return sum(self.memory.values())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; ``from_json`` is the inverse."""
        plain = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "counts"
        }
        return plain | {
            "largest": [list(each) for each in self.largest],
            "counts": self.counts.to_json(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> StepFacts:
        """Return the facts that ``to_json`` gave."""
        return cls(
            **value
            | {
                "counts": Counts.from_json(value["counts"]),
                "largest": tuple((name, size) for name, size in value["largest"]),
            }
        )
