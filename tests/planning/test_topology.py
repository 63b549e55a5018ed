"""Names of topologies, and the bandwidth that a group of devices has."""

from __future__ import annotations

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.planning.topology import parse_topology


@pytest.mark.parametrize(
    ("name", "shape", "devices", "hosts"),
    [
        ("v5e:8x8", (8, 8), 64, 16),
        ("v5e:2x2", (2, 2), 4, 1),
        ("v4:2x2x4", (2, 2, 4), 16, 4),
        ("v7x:2x2x1", (2, 2, 1), 8, 1),
        ("h100:8", (1, 8), 8, 1),
        ("h200:2x8", (2, 8), 16, 2),
        ("cpu:8", (1, 8), 8, 1),
    ],
)
def test_a_known_form(name: str, shape: tuple[int, ...], devices: int, hosts: int):
    topology = parse_topology(name)
    assert topology.shape == shape
    assert topology.num_devices == devices
    assert topology.num_hosts == hosts


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("v5e", "expected CHIP:SIZE"),
        ("v5e:8*8", "v4:2x2x4"),
        ("v5e:0x8", "expected CHIP:SIZE"),
        ("v5ee:8x8", "Did you mean 'v5e'"),
        ("v5e:2x2x2", "2 dimensions"),
        ("v4:2x2", "3 dimensions"),
        ("v5e:3x5", "multiples"),
        ("v5e:32x32", "largest slice"),
        ("v6e:2x128", "largest slice"),  # 256 chips too, but no part of a pod of 16x16
        ("h100:16", "give h100:2x8"),
        ("h100:2x2x2", "h100:NODESxDEVICES"),
    ],
)
def test_a_wrong_form_says_what_is_known(name: str, said: str):
    with pytest.raises(InputError) as error:
        parse_topology(name)
    assert said in str(error.value)


def test_bandwidth_on_a_torus():
    slice_ = parse_topology("v5e:8x8")  # an axis of 8 doesn't wrap around on v5e
    assert slice_.group_bandwidth(8) == 50e9
    assert slice_.group_bandwidth(64) == 100e9
    pod = parse_topology("v5e:16x16")  # full rings, both directions
    assert pod.group_bandwidth(16) == 100e9
    assert pod.group_bandwidth(256) == 200e9
    assert pod.group_bandwidth(8) == 50e9  # half an axis is no ring
    half = parse_topology("v5e:8x16")  # its longer axis is a ring
    assert half.group_bandwidth(16) == 100e9
    assert half.group_bandwidth(128) == 150e9


def test_three_dimensions_wrap_together():
    open_ = parse_topology("v4:2x2x4")  # 2 isn't a multiple of 4
    assert open_.group_bandwidth(16) == 3 * 45e9
    assert open_.group_bandwidth(4) == 45e9
    assert parse_topology("v4:4x4x4").group_bandwidth(64) == 6 * 45e9


def test_one_chip_is_a_slice():
    assert parse_topology("v5e:1x1").num_hosts == 1
    assert parse_topology("v6e:1x1").num_devices == 1
    assert parse_topology("v5e:1x1").group_bandwidth(1) == 50e9


def test_bandwidth_between_nodes():
    nodes = parse_topology("h100:2x8")
    assert nodes.group_bandwidth(8) == 450e9
    assert nodes.group_bandwidth(16) == 400e9  # 8 x 50 out of a node
    assert parse_topology("cpu:8").group_bandwidth(8) is None
