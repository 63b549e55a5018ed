"""Configuration to JSON and back, strictly."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from wiseft_jax.core.config_io import config_hash, from_dict, read_json, to_dict
from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    names: tuple[str, ...] = ("a",)


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    steps: int | None = None


def test_round_trip_through_json() -> None:
    config = Outer(Inner(0.25, ("x", "y")), 3)
    assert from_dict(Outer, json.loads(json.dumps(to_dict(config))), "file") == config


def test_an_integer_is_accepted_for_a_float() -> None:
    rate = from_dict(Outer, {"inner": {"rate": 1}}, "file").inner.rate
    assert rate == 1.0
    assert isinstance(rate, float)


def test_the_hash_depends_on_every_field_and_on_nothing_else() -> None:
    assert config_hash(Outer()) == config_hash(Outer(Inner()))
    changed = [Outer(steps=1), Outer(Inner(rate=0.1)), Outer(Inner(names=()))]
    assert len({config_hash(config) for config in [Outer(), *changed]}) == 4


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"inner": {"rat": 1.0}}, "Did you mean 'rate'"),
        ({"steps": "three"}, "steps"),
        ({"inner": 3}, "inner"),
        ([1], "expected a JSON object, found list"),
    ],
)
def test_what_does_not_fit_is_named(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        from_dict(Outer, value, "some.json")
    assert "some.json" in str(raised.value)


@dataclasses.dataclass(frozen=True)
class Renamed:
    pace: float = 1.0

    @staticmethod
    def of_older(stored: dict[str, Any]) -> dict[str, Any]:
        return {"pace" if name == "speed" else name: value for name, value in stored.items()}


@dataclasses.dataclass(frozen=True)
class Around:
    part: Renamed = Renamed()
    parts: tuple[int, ...] = ()


def test_what_an_older_version_wrote_is_read_at_any_depth() -> None:
    value = {"part": {"speed": 2.0}, "parts": [1]}
    assert from_dict(Around, value, "file") == Around(Renamed(2.0), (1,))
    assert value == {"part": {"speed": 2.0}, "parts": [1]}
    with pytest.raises(InputError, match="Did you mean 'pace'"):
        from_dict(Around, {"part": {"pac": 2.0}}, "file")
    with pytest.raises(InputError, match="part"):
        from_dict(Around, {"part": [1]}, "file")


def test_unreadable_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "missing.json")
    (tmp_path / "bad.json").write_text("{,}")
    with pytest.raises(InputError, match="not valid JSON"):
        read_json(tmp_path / "bad.json")
