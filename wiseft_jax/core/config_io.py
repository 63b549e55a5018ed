"""Frozen configuration dataclasses to JSON and back, strictly; and their hash."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from wiseft_jax.core.errors import InputError, did_you_mean
from wiseft_jax.core.hashing import hash_json

ConfigT = TypeVar("ConfigT")


def to_dict(config: Any) -> dict[str, Any]:
    """Return a configuration dataclass as plain JSON values (tuples become lists)."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def config_hash(config: Any) -> str:
    """Return the content hash of a configuration; it goes into every result row."""
    return hash_json(to_dict(config))


def from_dict(cls: type[ConfigT], value: Any, where: str) -> ConfigT:
    """Return ``cls`` built from JSON values.

    Args:
      cls: A (nested) frozen dataclass. A static method ``of_older`` of it, or of one within it,
        turns the JSON object that an older version wrote into the present one.
      value: A JSON object; missing keys take their defaults.
      where: The file, for messages.

    Raises:
      InputError: For an unknown key (with a suggestion) or a value of the wrong type.
    """
    import dacite

    if not isinstance(value, dict):
        raise InputError(f"{where}: expected a JSON object, found {type(value).__name__}")
    try:
        return dacite.from_dict(cls, _renewed(cls, value), dacite.Config(**_STRICT))
    except dacite.UnexpectedDataError as error:
        known = _field_names(cls)
        hints = "; ".join(f"{key!r}.{did_you_mean(key, known)}" for key in sorted(error.keys))
        raise InputError(f"{where}: unknown configuration key {hints}") from None
    except (dacite.DaciteError, TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None


def _as_float(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole else value


_STRICT: dict[str, Any] = {"strict": True, "cast": [tuple], "type_hooks": {float: _as_float}}


def _renewed(cls: Any, value: Any) -> Any:
    """Return JSON values with what older versions wrote as the present one has it."""
    if not isinstance(value, dict) or not dataclasses.is_dataclass(cls):
        return value
    import typing

    hints = typing.get_type_hints(cls)
    renewed = {key: _renewed(hints.get(key), each) for key, each in value.items()}
    of_older = getattr(cls, "of_older", None)
    return renewed if of_older is None else of_older(renewed)


def _field_names(cls: Any) -> list[str]:
    import typing

    names: list[str] = []
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        names.append(field.name)
        if dataclasses.is_dataclass(hints[field.name]):
            names += _field_names(hints[field.name])
    return names


def read_json(path: Path) -> Any:
    """Return the JSON value in a file.

    Raises:
      InputError: If the file is missing or isn't JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
