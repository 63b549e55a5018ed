"""Checksums see every bit, every name and every shape, and not where the arrays live."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec

from wiseft_jax.core.checksum import checksums, differing
from wiseft_jax.core.mesh import Layout, make_mesh, put_batch


def tree() -> dict[str, Any]:
    return {"a": {"kernel": np.arange(16, dtype=np.float32).reshape(8, 2)}, "b": np.float32(1)}


def test_they_do_not_depend_on_placement_or_order():
    mesh = make_mesh()
    expected = checksums(tree())
    assert sorted(expected) == ["a/kernel", "b"]
    assert checksums(Layout(mesh).place(tree())) == expected
    assert checksums({"b": tree()["b"], "a": put_batch(tree()["a"], mesh)}) == expected


@pytest.mark.parametrize("spec", [("data",), (None, "data"), (None, None, "data"), ()])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "uint8", "bool"])
def test_they_do_not_depend_on_the_split(spec: tuple[str | None, ...], dtype: str):
    random = np.random.default_rng(0)
    array = np.asarray(jnp.asarray(random.normal(size=(8, 16, 24)) * 3).astype(dtype))
    split = jax.device_put(array, NamedSharding(make_mesh(), PartitionSpec(*spec)))
    assert checksums({"x": split}) == checksums({"x": array})


@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_no_bit_of_a_wide_host_array_is_lost(dtype: str):
    array = np.arange(6).astype(dtype)
    before = checksums({"x": array, "scalar": array[3]})
    array.view(np.uint8)[8] ^= 1
    assert differing(checksums({"x": array, "scalar": array[3]}), before) == ["x"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("bit", ["a/kernel"]),
        ("name", ["a/bias", "a/kernel"]),
        ("dtype", ["a/kernel"]),
        ("shape", ["a/kernel"]),
        ("order", ["a/kernel"]),
        ("zeros", ["a/kernel"]),
        ("absent", ["b"]),
    ],
)
def test_they_name_every_change(change: str, named: list[str]):
    changed = tree()
    kernel = changed["a"]["kernel"]
    if change == "bit":
        kernel.view(np.uint8)[3, 5] ^= 1
    elif change == "name":
        changed["a"] = {"bias": kernel}
    elif change == "dtype":
        changed["a"]["kernel"] = kernel.view(np.int32)
    elif change == "shape":
        changed["a"]["kernel"] = kernel.reshape(2, 8)
    elif change == "order":
        changed["a"]["kernel"] = kernel[::-1]
    elif change == "zeros":
        kernel[4:] = 0
    elif change == "absent":
        del changed["b"]
    assert differing(checksums(changed), checksums(tree())) == named


@given(position=st.integers(0, 999), bit=st.integers(0, 31), other=st.integers(0, 999))
def test_any_bit_and_any_exchange_shows(position: int, bit: int, other: int):
    array = np.random.default_rng(1).normal(size=(10, 100)).astype(np.float32)
    before = checksums({"x": array})
    flipped = array.copy()
    flipped.reshape(-1).view(np.uint32)[position] ^= np.uint32(1 << bit)
    assert checksums({"x": flipped}) != before
    swapped = array.copy()
    swapped.reshape(-1)[[position, other]] = swapped.reshape(-1)[[other, position]]
    assert (checksums({"x": swapped}) == before) == (position == other)


def test_signs_that_change_places_show():
    array = np.ones(64, np.float32)
    array[0] = -1
    assert checksums({"x": array}) != checksums({"x": np.roll(array, 32)})


def test_an_empty_array_has_one():
    assert checksums({"x": np.zeros((0, 3), np.float32)}) != checksums(
        {"x": np.zeros((3, 0), np.float32)}
    )
