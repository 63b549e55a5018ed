"""Checks that configurations share: one wording for a wrong value, one hash for equal numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wiseft_jax.core.errors import InputError


def check_field(config: Any, section: str, field: str, fits: bool, expected: str) -> None:
    """Raise unless a field of a configuration has a value that fits.

    Args:
      config: The configuration.
      section: Where it stands, for the message: ``"training.options"``.
      field: The field's name.
      fits: Whether its value does.
      expected: What would fit.

    Raises:
      InputError: Names the field, what was expected and what was found.
    """
    if not fits:
        found = getattr(config, field)
        raise InputError(f"{section}.{field}: expected {expected}, found {found!r}")


def as_floats(config: Any, fields: Sequence[str]) -> None:
    """Turn integers into floats: 10 and 10.0 are one configuration, with one hash.

    Args:
      config: A frozen dataclass, in its ``__post_init__``.
      fields: Names of the fields that hold floats, or None.
    """
    for field in fields:
        value = getattr(config, field)
        if isinstance(value, int) and not isinstance(value, bool):
            object.__setattr__(config, field, float(value))
