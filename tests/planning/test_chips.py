"""The table of chips: one contract over all of it."""

from __future__ import annotations

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.planning.chips import CHIPS, GIB, get_chip


@pytest.mark.parametrize("name", CHIPS)
def test_a_chip_is_complete_and_has_a_source(name: str):
    chip = CHIPS[name]
    assert chip.sources
    if chip.kind == "cpu":
        return
    assert all(source.startswith("https://") for source in chip.sources)
    assert chip.peak_flops is not None
    assert 1e14 < chip.peak_flops < 1e16
    assert chip.memory_bytes is not None
    assert 16 * GIB <= chip.memory_bytes < 300 * GIB
    assert chip.memory_bandwidth is not None
    assert 5e11 < chip.memory_bandwidth < 1e13
    assert chip.link_bandwidth is not None
    assert chip.link_bandwidth < chip.memory_bandwidth
    assert (chip.axes > 0) == (chip.kind == "tpu")
    assert (chip.network_bandwidth is not None) == (chip.kind == "gpu")


def test_numbers_of_the_vendors_pages():
    v5e, h100 = get_chip("v5e"), get_chip("h100")
    assert (v5e.peak_flops, v5e.memory_bandwidth) == (197e12, 819e9)
    assert (h100.peak_flops, h100.memory_bandwidth) == (989e12, 3350e9)


def test_an_unknown_chip_gets_a_suggestion():
    with pytest.raises(InputError, match="Did you mean 'v5e'"):
        get_chip("v5ee")


@pytest.mark.parametrize(
    ("name", "chips", "all_reduce", "both_ways"),
    [
        ("v4", 4096, 1.1e15, None),
        ("v5e", 256, 51.2e12, 400e9),
        ("v5p", None, None, 1200e9),
        ("v6e", 256, 102.4e12, 800e9),
        ("v7x", None, None, 1200e9),
    ],
)
def test_a_links_rate_is_that_of_googles_pages(
    name: str, chips: int | None, all_reduce: float | None, both_ways: float | None
):
    chip = get_chip(name)
    assert chip.link_bandwidth is not None
    one_way = 2 * chip.axes * chip.link_bandwidth * chip.devices_per_chip
    if both_ways is not None:
        assert 2 * one_way == both_ways
    if chips is not None and all_reduce is not None:
        # The page of v4 rounds to two digits.
        assert chips * one_way == pytest.approx(all_reduce, rel=0.05 if name == "v4" else 1e-9)
