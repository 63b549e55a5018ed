"""Which fields a study of hyper-parameters varies, by dotted name, and their values."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.training.config import RESULT_NEUTRAL, TWO_TOWER_RECIPES

if TYPE_CHECKING:
    import numpy as np

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


READ_BY_LBFGS = (
    "training.recipe",
    "training.label_smoothing",
    "training.options.solver",
    "training.options.class_balance",
)
"""What decides a linear probe by L-BFGS and may vary; it chooses among ``probe_c`` by itself."""


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


def shown(value: Any) -> str:
    """Return a value as it is typed: numbers short, None as ``none``."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


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


def check_read(config: ExperimentConfig, fields: Iterable[str]) -> None:
    """Refuse to vary what a configuration doesn't read: its runs would all be the same.

    Args:
      config: One of the study.
      fields: Dotted names of the fields that vary.

    Raises:
      InputError: Names the first one, and what is read.
    """
    training = config.training
    if not training.converges:
        return
    read = {*READ_BY_LBFGS}
    if training.options.class_balance:
        read.add("training.seed")  # draws the images that are repeated
    unread = [field for field in fields if field not in read]
    if unread:
        raise InputError(
            f"--vary {unread[0]}: not read by training.recipe linear_probe with"
            " training.options.solver lbfgs, which goes on to convergence; of what can vary it"
            f" reads {', '.join(sorted(read))} (among training.options.probe_c it chooses by"
            " itself). Leave it out, or give --training.options.solver adamw"
        )


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
    if training.recipe in TWO_TOWER_RECIPES:
        del values["label_smoothing"]  # whose targets are pairs
    if training.converges:  # takes no steps
        values = {"label_smoothing": values["label_smoothing"]}
    return tuple(Axis(f"training.{name}", tuple(dict.fromkeys(v))) for name, v in values.items())
