"""The layout of every preset's parameters, against a table that was read by a person."""

from __future__ import annotations

import json
import math

import pytest

from tests.helpers.shardings import GOLDEN, shardings, unsplit, variants
from wiseft_jax.cli.presets import all_presets
from wiseft_jax.core.mesh_config import MeshConfig

TABLE: dict[str, dict[str, str]] = json.loads(GOLDEN.read_text("utf-8"))


def test_the_table_has_every_preset_that_has_a_layout_of_its_own():
    assert TABLE.keys() == variants().keys()
    assert {name.partition("/")[0] for name in unsplit()} >= {"imagenet", "wilds"}


def test_the_others_have_all_parameters_on_each_device():
    assert {all_presets()[name].load().mesh for name in unsplit()} == {MeshConfig()}
    found = shardings(all_presets()["cifar10/vit_b16"].load())
    assert "encoder/visual_projection/kernel" in found
    assert all(text.endswith("whole") for text in found.values())


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
