"""The layout of every preset's parameters, against a table that was read by a person."""

from __future__ import annotations

import json
import math

import pytest

from tests.helpers.shardings import GOLDEN, shardings, variants

TABLE: dict[str, dict[str, str]] = json.loads(GOLDEN.read_text("utf-8"))


def test_the_table_has_every_preset():
    assert TABLE.keys() == variants().keys()


@pytest.mark.parametrize("name", sorted(TABLE))
def test_parameters_on_eight_devices_lie_as_in_the_table(name: str):
    assert shardings(variants()[name]) == TABLE[name]


def elements(description: str) -> int:
    return math.prod(json.loads(description.rpartition("]")[0] + "]"))


@pytest.mark.parametrize("name", [name for name in sorted(TABLE) if "l14" in name])
def test_a_device_of_eight_holds_little_more_than_an_eighth(name: str):
    whole = sum(elements(text) for text in TABLE[name].values() if text.endswith("whole"))
    total = sum(map(elements, TABLE[name].values()))
    assert total > 300e6
    assert whole < 0.01 * total
