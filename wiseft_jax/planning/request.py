"""What the planning process is asked, and how: steps of a configuration on some devices."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

from wiseft_jax.core.config_io import from_dict, to_dict
from wiseft_jax.experiment import ExperimentConfig

Step: TypeAlias = Literal["train", "heads", "sweep"]
Question: TypeAlias = Literal["train", "heads", "sweep", "model"]
"""A step, or the memory model of the train step."""

Method: TypeAlias = Literal["compile", "abstract"]


def planned_steps(config: ExperimentConfig) -> tuple[Step, ...]:
    """Return the steps of a run, in its order; ``heads`` where the text tower is trained.

    Args:
      config: The run.
    """
    return ("train", "heads", "sweep") if config.trains_text else ("train", "sweep")


@dataclasses.dataclass(frozen=True)
class PlanRequest:
    """Steps to compile or estimate, and the memory model.

    Attributes:
      config: The run.
      topology: Its devices, as ``parse_topology`` reads them.
      num_images: Size of the training set.
      num_classes: Width of the head.
      questions: What is asked; answered in this order.
      method: How.
      num_tokens: Of the longest text; None: as many as the model reads.
    """

    config: ExperimentConfig
    topology: str
    num_images: int
    num_classes: int
    questions: tuple[Question, ...]
    method: Method
    num_tokens: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; ``from_json`` is the inverse."""
        return {
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)},
            "questions": list(self.questions),
            "config": to_dict(self.config),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> PlanRequest:
        """Return the request that ``to_json`` gave."""
        config = from_dict(ExperimentConfig, value["config"], "the request")
        return cls(**{**value, "config": config, "questions": tuple(value["questions"])})
