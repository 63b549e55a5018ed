"""Which configurations a study of hyper-parameters has: fields by dotted name, and their values.

All models of a study are compared on the same images, at the same alphas and from the same
zero-shot model, so only what decides the fine-tuning may vary.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from wiseft_jax.core.config_io import to_dict
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.experiment import RESUME_MAY_CHANGE, ExperimentConfig
from wiseft_jax.training.config import RESULT_NEUTRAL

if TYPE_CHECKING:
    import numpy as np

NEUTRAL = tuple(name for name in RESUME_MAY_CHANGE if name != "sweep.")
"""Fields, and groups, that decide no result of a study but for rounding."""

_NOTHING = "it decides no weight"
FIXED = {
    "data": "all models must be compared on the same images",
    "model": "all models must start from the same zero-shot model",
    "sweep": "all models must be compared at the same alphas, by the same method",
    "mesh": _NOTHING,
    "checkpoints": _NOTHING,
    "export": _NOTHING,
    "name": _NOTHING,
} | {f"training.{name}": _NOTHING for name in RESULT_NEUTRAL}
"""Fields, and groups, that may not be varied -> why."""

_TRIES = 1_000  # draws for one more distinct configuration, before it is called impossible
_MOST_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Axis:
    """One field that is varied.

    Attributes:
      field: Its dotted name.
      values: The values listed; none for a range.
      low: The lower end of a range.
      high: The upper end.
      scale: How a range is drawn from: uniformly, or uniformly in the logarithm.
      whole: Whether a range is of integers.
    """

    field: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    scale: Literal["linear", "log"] = "linear"
    whole: bool = False

    @property
    def is_range(self) -> bool:
        """Whether values are drawn from a range, and not from a list."""
        return not self.values

    def draw(self, rng: np.random.Generator) -> Any:
        """Return a value: any listed one is equally likely; of a range three digits are kept.

        With u uniform in [0, 1): ``low + u (high - low)``, or ``low (high / low)^u``.
        """
        if not self.is_range:
            return self.values[int(rng.integers(len(self.values)))]
        share = float(rng.random())
        if self.scale == "log":
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + share * (self.high - self.low)
        if self.whole:
            return round(value)
        return min(max(float(f"{value:.3g}"), self.low), self.high)


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
    return hash_json({name: v for name, v in flat(to_dict(config)).items() if decides(name)})


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


def shown(value: Any) -> str:
    """Return a value as it is typed: numbers short, None as ``none``."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested dictionaries as one, by dotted names."""
    if not isinstance(value, dict):
        return {prefix.rstrip("."): value}
    found: dict[str, Any] = {}
    for key, each in value.items():
        found |= flat(each, f"{prefix}{key}.")
    return found


def declared_fields(config: Any, prefix: str = "") -> dict[str, Any]:
    """Return dotted name -> type of every field of a (nested) configuration dataclass."""
    hints = typing.get_type_hints(type(config))
    found: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found |= declared_fields(value, f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = hints[field.name]
    return found


def parse_axes(config: Any, texts: Sequence[str]) -> tuple[Axis, ...]:
    """Return the fields to vary.

    Args:
      config: The configuration that they are of.
      texts: ``"training.learning_rate=1e-5,1e-4"``; ``"...=1e-5..1e-4"`` is a range, uniform in
        the logarithm, and ``"...=0:0.2"`` one that is uniform.

    Raises:
      InputError: Unknown field (with a suggestion), one that may not vary (with the reason), one
        that holds no single value, one given twice; a value of another type, or given twice.

    Example:
      >>> parse_axes(ExperimentConfig(), ["training.epochs=1,5"])
      (Axis(field='training.epochs', values=(1.0, 5.0), ...),)
    """
    declared = declared_fields(config)
    axes: list[Axis] = []
    for text in texts:
        field, given, listed = text.partition("=")
        if not given or not listed:
            raise InputError(f"--vary {text}: expected FIELD=VALUE,VALUE, found {text!r}")
        _check_may_vary(field, declared)
        if field in {axis.field for axis in axes}:
            raise InputError(f"--vary {field}: given twice; list all its values at once")
        axes.append(_axis(field, declared[field], listed))
    return tuple(axes)


def _check_may_vary(field: str, declared: Mapping[str, Any]) -> None:
    reason = _reason(field)
    if reason is not None:
        raise InputError(f"--vary {field}: can't be varied in a study: {reason}")
    variable = [name for name, hint in declared.items() if not _reason(name) and _single(hint)]
    if field in declared:
        return
    group = [name for name in variable if name.startswith(f"{field}.")]
    if group:
        raise InputError(f"--vary {field}: a group of fields; name one: {', '.join(group)}")
    raise unknown_name("field to vary", field, variable)


def _reason(field: str) -> str | None:
    parts = field.split(".")
    prefixes = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return next((FIXED[prefix] for prefix in prefixes if prefix in FIXED), None)


def _axis(field: str, hint: Any, text: str) -> Axis:
    for mark, scale in (("..", "log"), (":", "linear")):
        low, found, high = text.partition(mark)
        if found and "," not in text and {int, float} & set(_kinds(hint)):
            return _range(field, hint, low, high, typing.cast(Any, scale))
    values = tuple(_value(field, hint, piece.strip()) for piece in text.split(","))
    for place, value in enumerate(values):
        if value in values[:place]:
            raise InputError(f"--vary {field}: {shown(value)} is given twice")
    return Axis(field, values)


def _range(field: str, hint: Any, low: str, high: str, scale: Literal["linear", "log"]) -> Axis:
    whole = float not in _kinds(hint)
    ends = [_value(field, int if whole else float, text.strip()) for text in (low, high)]
    least = 0 if scale == "log" else -math.inf
    if not least < ends[0] < ends[1] < math.inf:
        above = "0 < LOW < HIGH" if scale == "log" else "LOW < HIGH"
        raise InputError(f"--vary {field}: expected a range with {above}, found {low} to {high}")
    return Axis(field, (), float(ends[0]), float(ends[1]), scale, whole)


def _kinds(hint: Any) -> list[Any]:
    """Return the alternatives of a type, without annotations."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _kinds(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return [kind for each in typing.get_args(hint) for kind in _kinds(each)]
    return [hint]


def _single(hint: Any) -> bool:
    """Return whether a type has single values: numbers, texts, switches, choices."""
    return any(
        kind in (bool, int, float, str) or typing.get_origin(kind) is Literal
        for kind in _kinds(hint)
    )


def _value(field: str, hint: Any, text: str) -> Any:
    """Return ``text`` as a value of a field's type."""
    kinds = _kinds(hint)
    if not _single(hint):
        raise InputError(f"--vary {field}: holds no single value; fields that do can be varied")
    expected = []
    for kind in kinds:
        if typing.get_origin(kind) is Literal:
            known = {shown(each): each for each in typing.get_args(kind)}
            if text in known:
                return known[text]
            if len(kinds) == 1:
                raise unknown_name(f"value of {field}", text, known)
            expected.append(" or ".join(known))
        elif kind is type(None):
            expected.append("none")
            if text.lower() == "none":
                return None
        elif kind is bool:
            expected.append("true or false")
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
        elif kind in (int, float, str):
            expected.append({int: "an integer", float: "a number", str: "a text"}[kind])
            try:
                return kind(text)
            except ValueError:
                continue
    raise InputError(f"--vary {field}: expected {', or '.join(expected)}, found {text!r}")


def default_axes(config: ExperimentConfig) -> tuple[Axis, ...]:
    """Return the grid where none is given: what the paper's study of hyper-parameters varies.

    Learning rate, epochs, batch size, weight decay and label smoothing, around the preset's: a
    tenth, a third and the whole of the learning rate (3e-6 to 3e-5 with the paper's); half and all
    of the epochs, and of the batch; without and with the two regularisers. 48 configurations.
    Source: Wortsman et al. (2022), the study of hyper-parameters.

    Args:
      config: The preset.
    """
    training = config.training
    rates = tuple(float(f"{training.learning_rate / by:.0e}") for by in (10, 3, 1))
    values = {
        "learning_rate": (*rates[:2], training.learning_rate),
        "epochs": (training.epochs / 2, training.epochs),
        "batch_size": (max(1, training.batch_size // 2), training.batch_size),
        "weight_decay": (0.0, training.weight_decay or 0.1),
        "label_smoothing": (0.0, training.label_smoothing or 0.1),
    }
    return tuple(Axis(f"training.{name}", tuple(dict.fromkeys(v))) for name, v in values.items())


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
