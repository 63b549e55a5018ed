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
    # 4 links of 400 Gbit/s each way: 1600 Gbit/s a chip.
    assert v5e.link_bandwidth is not None
    assert 4 * v5e.link_bandwidth * 8 == 1600e9
    assert (h100.peak_flops, h100.memory_bandwidth) == (989e12, 3350e9)


def test_an_unknown_chip_gets_a_suggestion():
    with pytest.raises(InputError, match="Did you mean 'v5e'"):
        get_chip("v5ee")
