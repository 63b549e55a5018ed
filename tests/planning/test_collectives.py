"""Collectives of a training step by the sharding rules."""

from __future__ import annotations

from wiseft_jax.planning.collectives import training_collectives
from wiseft_jax.planning.counts import Collective

LEAVES = ((4096, True), (64, False))


def test_one_device_needs_none():
    assert training_collectives(((4096, False), (64, False)), data=1, fsdp=1, parts=4) == ()


def test_data_parallel_reduces_every_gradient():
    leaves = ((4096, False), (64, False))
    assert training_collectives(leaves, data=8, fsdp=1, parts=2) == (
        Collective("all-reduce", 4096, 8, 2.0),
        Collective("all-reduce", 64, 8, 2.0),
    )


def test_split_parameters_are_gathered_twice_and_scattered_once():
    assert set(training_collectives(LEAVES, data=2, fsdp=4, parts=3)) == {
        Collective("all-gather", 4096, 4, 6.0),
        Collective("reduce-scatter", 4096, 4, 3.0),
        Collective("all-reduce", 1024, 2, 3.0),
        Collective("all-reduce", 64, 8, 3.0),
    }
    narrow = training_collectives(LEAVES, data=1, fsdp=4, parts=1, itemsize=2)
    assert set(narrow) == {
        Collective("all-gather", 2048, 4, 2.0),
        Collective("reduce-scatter", 4096, 4, 1.0),
        Collective("all-reduce", 64, 4, 1.0),
    }
    assert not any(
        each.num_bytes == 1024 for each in training_collectives(LEAVES, data=1, fsdp=4, parts=1)
    )
