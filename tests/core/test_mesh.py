from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from wiseft_jax.core import mesh as meshes


def test_the_mesh_has_every_device_on_an_auto_axis():
    mesh = meshes.make_mesh()
    assert mesh.shape == {"data": 8}
    assert set(mesh.axis_types) == {AxisType.Auto}
    assert list(mesh.devices.ravel()) == jax.devices()


@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_mesh_of_some_devices(count: int):
    assert meshes.make_mesh(count).size == count


def test_put_replicated_keeps_values_and_copies_to_every_device():
    tree = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.int32(3)}
    placed = meshes.put_replicated(tree, meshes.make_mesh())
    for name, leaf in placed.items():
        assert leaf.sharding.is_fully_replicated
        assert len(leaf.addressable_shards) == 8
        np.testing.assert_array_equal(leaf, tree[name])


def test_put_batch_splits_the_first_axis():
    batch = {"image": np.arange(16 * 3).reshape(16, 3), "label": np.arange(16)}
    placed = meshes.put_batch(batch, meshes.make_mesh())
    for name, leaf in placed.items():
        np.testing.assert_array_equal(leaf, batch[name])
        assert {shard.data.shape[0] for shard in leaf.addressable_shards} == {2}
    first = placed["label"].addressable_shards[0]
    np.testing.assert_array_equal(first.data, [0, 1])


def test_put_batch_refuses_a_batch_that_does_not_divide():
    with pytest.raises(ValueError, match=r"8.*dimension size is 9|divisible"):
        meshes.put_batch({"label": np.arange(9)}, meshes.make_mesh())


def test_put_batch_assembles_the_shares_of_several_processes(monkeypatch: pytest.MonkeyPatch):
    """With more than one process each gives its share; here one process gives everything."""
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    batch = {"label": np.arange(16), "mask": np.ones(16, bool)}
    placed = meshes.put_batch(batch, meshes.make_mesh())
    np.testing.assert_array_equal(placed["label"], batch["label"])
    assert not placed["label"].sharding.is_fully_replicated


def test_a_sharded_sum_is_the_sum():
    mesh = meshes.make_mesh()
    values = np.arange(32, dtype=np.float32)
    total = jax.jit(jnp.sum, out_shardings=meshes.replicated(mesh))(meshes.put_batch(values, mesh))
    assert float(total) == values.sum()


@pytest.mark.parametrize(("size", "rounded"), [(1, 8), (8, 8), (9, 16), (64, 64)])
def test_round_up_to_devices(size: int, rounded: int):
    assert meshes.round_up_to_devices(size, meshes.make_mesh()) == rounded
