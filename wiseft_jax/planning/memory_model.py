"""How memory depends on the choices that a plan may change: an arithmetic model.

For images a device at a time b, parts of an accumulated batch p, a split over f devices, and what
is rematerialised r::

    bytes = parameters(f) + optimizer(f) + gradients(f) * (2 if p > 1 else 1)
            + fixed(r) + per_image(r) * b + pixels * b * p

``fixed`` and ``per_image`` come from traces with 1 and 2 images (``memory_trace``). Fusion isn't
known to a trace, so the activations are too large; a compiled step calibrates them. Of contrastive
recipes an image also has a row of the table of all pairs, as long as the configured batch.
"""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Activations:
    """What the backward pass of a device needs, by one choice of rematerialisation.

    Attributes:
      fixed: Bytes whatever the number of images, for example parameters in the compute dtype.
      per_image: Bytes of each image.
      flops_per_image: Of forward and backward pass.
      traffic_fixed: Bytes that a pass reads and writes, whatever the number of images.
      traffic_per_image: And of each image.
    """

    fixed: float
    per_image: float
    flops_per_image: float
    traffic_fixed: float
    traffic_per_image: float


@dataclasses.dataclass(frozen=True)
class State:
    """Bytes of the training state on a device, for one number of devices that split it."""

    parameters: int
    optimizer: int


@dataclasses.dataclass(frozen=True)
class MemoryModel:
    """The model of one training step.

    Attributes:
      activations: By rematerialisation.
      states: By devices that split the parameters.
      leaves: ``(bytes, whether it is split)`` of each parameter, by devices that split them.
      pixels: Bytes of one image of a batch, with its text where there is one.
      accumulates: Whether a batch may be computed in parts.
    """

    activations: dict[str, Activations]
    states: dict[int, State]
    leaves: dict[int, tuple[tuple[int, bool], ...]]
    pixels: int
    accumulates: bool = True

    def num_bytes(self, local: int, parts: int, fsdp: int, remat: str, scale: float = 1.0) -> float:
        """Return the bytes on a device.

        Args:
          local: Images of a device at a time.
          parts: Parts of an accumulated batch.
          fsdp: Devices that split parameters.
          remat: What is rematerialised.
          scale: What a compiled step needs of the gradients and activations that are predicted.
        """
        state, kept = self.states[fsdp], self.activations[remat]
        gradients = state.parameters * (2 if parts > 1 else 1)
        passing = gradients + kept.fixed + kept.per_image * local
        return state.parameters + state.optimizer + scale * passing + self.pixels * local * parts

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; ``from_json`` is the inverse."""
        return {
            "activations": {key: dataclasses.asdict(v) for key, v in self.activations.items()},
            "states": {str(key): dataclasses.asdict(v) for key, v in self.states.items()},
            "leaves": {str(key): [list(leaf) for leaf in v] for key, v in self.leaves.items()},
            "pixels": self.pixels,
            "accumulates": self.accumulates,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> MemoryModel:
        """Return the model that ``to_json`` gave."""
        return cls(
            {key: Activations(**each) for key, each in value["activations"].items()},
            {int(key): State(**each) for key, each in value["states"].items()},
            {
                int(key): tuple((size, bool(split)) for size, split in leaves)
                for key, leaves in value["leaves"].items()
            },
            value["pixels"],
            value["accumulates"],
        )
