"""One wording for a wrong value, one hash for equal numbers."""

from __future__ import annotations

import dataclasses

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.field_checks import as_floats, check_field


@dataclasses.dataclass(frozen=True)
class Example:
    rate: float | None = 1
    on: bool = True


def test_the_message_names_field_expectation_and_value():
    check_field(Example(), "part", "rate", True, "anything")
    with pytest.raises(InputError, match=r"^part\.rate: expected a number > 1, found 1$"):
        check_field(Example(), "part", "rate", False, "a number > 1")


def test_integers_become_floats_and_nothing_else_changes():
    example, none = Example(), Example(rate=None)
    as_floats(example, ("rate", "on"))
    as_floats(none, ("rate",))
    assert (type(example.rate), example.rate, example.on, none.rate) == (float, 1.0, True, None)
