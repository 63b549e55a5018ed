"""The checksum sees every bit, every name and every shape, and not where the arrays live."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.core.checksum import checksum
from wiseft_jax.core.mesh import make_mesh, put_batch, put_replicated


def tree() -> dict[str, Any]:
    return {"a": {"kernel": np.arange(16, dtype=np.float32).reshape(8, 2)}, "b": np.float32(1)}


def test_it_does_not_depend_on_placement_or_order():
    mesh = make_mesh()
    expected = checksum(tree())
    assert checksum(put_replicated(tree(), mesh)) == expected
    assert checksum({"b": tree()["b"], "a": put_batch(tree()["a"], mesh)}) == expected
    assert checksum({"x": jnp.zeros(3, jnp.bfloat16)}) is not None


@pytest.mark.parametrize("change", ["bit", "name", "dtype", "shape", "order"])
def test_it_sees_every_change(change: str):
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
    assert checksum(changed) != checksum(tree())


def test_a_tree_in_pieces_elsewhere_has_none(monkeypatch: pytest.MonkeyPatch):
    array = put_batch(tree()["a"]["kernel"], make_mesh())
    monkeypatch.setattr(type(array), "is_fully_addressable", False)
    assert checksum({"a": array}) is None
