"""Which configurations a study of hyper-parameters has: all combinations, or seeded draws.

All models of a study are compared on the same images, at the same alphas and from the same
zero-shot model, so only what decides the fine-tuning may vary.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.core.config_io import to_dict
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.experiment import RESUME_MAY_CHANGE, ExperimentConfig
from wiseft_jax.studies.grid_axes import Axis, check_read, shown

NEUTRAL = ("sweep.keep_logits", *(name for name in RESUME_MAY_CHANGE if name != "sweep."))
"""Fields, and groups, that decide no result of a study but for rounding."""
_ONCE_HASHED = {"sweep.keep_logits": False}
"""What keys had of fields that decide no result, by default: the keys of older studies stay."""
_TRIES = 1_000  # draws for one more distinct configuration, before it is called impossible
_MOST_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Variation:
    """One configuration of a study.

    Attributes:
      varied: Dotted field -> its value here, for each field of the study.
      config: The whole configuration.
    """

    varied: dict[str, Any]
    config: ExperimentConfig

    @property
    def key(self) -> str:
        """The hash of what decides the result: the same whatever the devices and the threads."""
        return key_of(self.config)

    @property
    def name(self) -> str:
        """The varied fields in words."""
        return varied_name(self.varied)


def key_of(config: ExperimentConfig) -> str:
    """Return the hash of what decides the result of a configuration."""
    decided = {name: v for name, v in flat(to_dict(config)).items() if decides(name)}
    return hash_json(decided | _ONCE_HASHED)


def decides(field: str) -> bool:
    """Return whether a field, by its dotted name, decides a result."""
    return not field.startswith(NEUTRAL) and field.split(".")[0] not in ("name", "checkpoints")


def varied_name(varied: Mapping[str, Any]) -> str:
    """Return ``"learning_rate 0.0001, mixing.name none"``.

    Args:
      varied: Dotted field -> value.
    """
    return ", ".join(f"{short_name(name)} {shown(value)}" for name, value in varied.items())


def short_name(field: str) -> str:
    """Return a dotted name without the group that most fields of a study are in."""
    return field.removeprefix("training.")


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested dictionaries as one, by dotted names."""
    if not isinstance(value, dict):
        return {prefix.rstrip("."): value}
    found: dict[str, Any] = {}
    for key, each in value.items():
        found |= flat(each, f"{prefix}{key}.")
    return found


def full_grid(config: ExperimentConfig, axes: Sequence[Axis]) -> list[Variation]:
    """Return every combination of the listed values; the last field varies fastest.

    Raises:
      InputError: A range, which has no end of values; a combination that is invalid by itself.
    """
    for axis in axes:
        if axis.is_range:
            raise InputError(
                f"--vary {axis.field}: a range needs --random N, which draws from it; or list"
                " values"
            )
    names = [axis.field for axis in axes]
    combinations = itertools.product(*(axis.values for axis in axes))
    return _built(config, [dict(zip(names, values, strict=True)) for values in combinations])


def random_configurations(
    config: ExperimentConfig, axes: Sequence[Axis], count: int, seed: int
) -> list[Variation]:
    """Return ``count`` distinct configurations, each field drawn independently of the others.

    Those of a larger ``count`` begin with these, so a study can be continued with more.

    Args:
      config: The configuration that they vary.
      axes: What is drawn from; see ``Axis.draw``.
      count: How many.
      seed: Of the draws.

    Raises:
      InputError: Fewer than ``count`` combinations; one that is invalid by itself.
    """
    from wiseft_jax.core.rng import numpy_stream

    if count < 1:
        raise InputError(f"--random: expected at least 1, found {count}")
    if not any(axis.is_range for axis in axes):
        total = math.prod(len(axis.values) for axis in axes)
        if count > total:
            raise InputError(
                f"--random: expected at most {total}, the combinations of the values listed, found"
                f" {count}"
            )
    rng = numpy_stream(seed, "hyper-parameters")
    drawn: dict[tuple[Any, ...], None] = {}
    while len(drawn) < count:
        for _ in range(_TRIES * count):
            values = tuple(axis.draw(rng) for axis in axes)
            if values not in drawn:
                break
        else:
            raise InputError(f"--random: no more than {len(drawn)} distinct ones are there")
        drawn[values] = None
    names = [axis.field for axis in axes]
    return _built(config, [dict(zip(names, values, strict=True)) for values in drawn])


def _built(config: ExperimentConfig, combinations: Sequence[dict[str, Any]]) -> list[Variation]:
    found, problems = [], []
    for varied in combinations:
        try:
            found.append(Variation(varied, replaced(config, varied)))
        except InputError as error:
            problems.append(f"{varied_name(varied)}: {error}")
    if problems:
        more = len(problems) - _MOST_NAMED
        listed = "; ".join(problems[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise InputError(
            f"{len(problems)} of {len(combinations)} configurations are invalid by themselves:"
            f" {listed}"
        )
    for each in found:
        check_read(each.config, each.varied)
    return found


def replaced(config: Any, values: Mapping[str, Any]) -> Any:
    """Return a configuration with other values, all at once, so that they are checked together.

    Args:
      config: A (nested) frozen dataclass.
      values: Dotted field -> value.

    Raises:
      InputError: Of a dataclass that refuses them.
    """
    groups: dict[str, dict[str, Any]] = {}
    own: dict[str, Any] = {}
    for name, value in values.items():
        first, _, rest = name.partition(".")
        if rest:
            groups.setdefault(first, {})[rest] = value
        else:
            own[first] = value
    nested = {name: replaced(getattr(config, name), each) for name, each in groups.items()}
    return dataclasses.replace(config, **own, **nested)
