from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from wiseft_jax.core import mesh as meshes
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh_config import MeshConfig


def test_the_mesh_has_every_device_on_an_auto_axis():
    mesh = meshes.make_mesh()
    assert mesh.shape == {"data": 8, "fsdp": 1, "alpha": 1}
    assert set(mesh.axis_types) == {AxisType.Auto}
    assert list(mesh.devices.ravel()) == jax.devices()


@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_mesh_of_some_devices(count: int):
    assert meshes.make_mesh(count).size == count


def test_a_layout_without_splits_copies_to_every_device():
    tree = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.int32(3)}
    placed = meshes.Layout(meshes.make_mesh()).place(tree)
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


def layout_of(**fields: object) -> meshes.Layout:
    return meshes.Layout.of(MeshConfig(**{"min_shard_elements": 16, **fields}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "shape", "spec"),
    [
        ({"fsdp": 4}, (8, 12), (None, "fsdp")),  # the largest dimension
        ({"fsdp": 4}, (8, 8), (None, "fsdp")),  # the last of the largest
        ({"fsdp": 8}, (8, 12), ("fsdp", None)),  # the largest that divides
        ({"fsdp": 4}, (7, 9), ()),  # none divides
        ({"fsdp": 4}, (4, 3), ()),  # too small
        ({"fsdp": 1}, (8, 12), ()),
        ({"fsdp": 4, "overrides": ("a/b=0",)}, (8, 12), ("fsdp", None)),
        ({"fsdp": 4, "overrides": ("a/b=-2",)}, (8, 12), ("fsdp", None)),
        ({"fsdp": 4, "overrides": ("^a=replicated", "a/b=0")}, (8, 12), ()),  # the first wins
        ({"fsdp": 4, "overrides": ("^b=replicated",)}, (8, 12), (None, "fsdp")),
        ({"fsdp": 4, "overrides": ("a/b=0",)}, (4, 3), ("fsdp", None)),  # however small
    ],
)
def test_a_parameter_is_split_by_size_and_by_path(fields: dict, shape: tuple, spec: tuple):
    leaf = jax.ShapeDtypeStruct(shape, jnp.float32)
    assert tuple(layout_of(**fields).spec("a/b", leaf)) == spec


def test_an_override_that_does_not_fit_is_named():
    layout = layout_of(fsdp=4, overrides=("b=0",))
    with pytest.raises(InputError, match=r"'b=?.*' splits dimension 0 of a/b, whose shape is \(7"):
        layout.spec("a/b", jax.ShapeDtypeStruct((7, 8), jnp.float32))


def test_optimizer_state_lies_as_its_parameters():
    layout = layout_of(fsdp=4, overrides=("^w=0",))
    params = {"w": np.zeros((8, 12)), "v": {"w": np.zeros((8, 12))}, "b": np.zeros(3)}
    state = ({"mu": params, "nu": params, "count": np.zeros(())},)
    found = jax.tree_util.tree_map(lambda s: tuple(s.spec), layout.shardings_like(state, params))
    expected = {"w": ("fsdp", None), "v": {"w": (None, "fsdp")}, "b": ()}
    assert found == ({"mu": expected, "nu": expected, "count": ()},)


def test_place_gives_each_of_eight_devices_its_part_and_copies():
    layout = layout_of(fsdp=4)
    host = {"w": np.arange(96, dtype=np.float32).reshape(8, 12), "b": np.float32(3)}
    placed = layout.place(host)
    assert {shard.data.shape for shard in placed["w"].addressable_shards} == {(8, 3)}
    assert placed["b"].sharding.is_fully_replicated
    back = meshes.to_host(placed)
    host["w"][:] = -1
    np.testing.assert_array_equal(back["w"], np.arange(96).reshape(8, 12))
    np.testing.assert_array_equal(placed["w"], back["w"])


def test_training_counts_alpha_as_data():
    layout = layout_of(data=-1, fsdp=2, alpha=2)
    folded = layout.for_training()
    assert dict(layout.mesh.shape) == {"data": 2, "fsdp": 2, "alpha": 2}
    assert dict(folded.mesh.shape) == {"data": 4, "fsdp": 2, "alpha": 1}
    assert set(folded.mesh.devices.flat) == set(jax.devices())
    assert set(folded.mesh.axis_types) == {AxisType.Auto}
    assert meshes.num_batch_shards(layout.mesh) == 4
    assert meshes.num_batch_shards(folded.mesh) == 8
    assert layout_of(fsdp=2).for_training() == layout_of(fsdp=2)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_split_batch_keeps_every_row_on_its_device(parts: int):
    mesh = meshes.make_mesh(2)
    batch = {"x": np.arange(16 * 3).reshape(16, 3), "n": np.arange(16)}
    split = jax.jit(lambda b: meshes.split_batch(b, parts, mesh))(meshes.put_batch(batch, mesh))
    assert split["x"].shape == (parts, 16 // parts, 3)
    rows = np.sort(np.asarray(split["n"]).ravel())
    np.testing.assert_array_equal(rows, np.arange(16))
    for shard in split["n"].addressable_shards:
        first = 8 * (shard.device.id == mesh.devices.ravel()[1].id)
        assert set(np.asarray(shard.data).ravel()) == set(range(first, first + 8))


class FakeDevice:
    def __init__(self, process_index: int):
        self.process_index = process_index


class FakeMesh:
    """Devices of several processes, for the arithmetic alone."""

    def __init__(self, processes: list[int], shape: tuple[int, int, int]):
        self.devices = np.array([FakeDevice(index) for index in processes]).reshape(shape)
        self.shape = dict(zip(("data", "fsdp", "alpha"), shape, strict=True))


@pytest.mark.parametrize(
    ("processes", "shape", "own", "share"),
    [
        ([0, 0, 1, 1], (4, 1, 1), 1, (1, 2)),
        ([0, 0, 1, 1], (2, 2, 1), 1, (1, 2)),
        ([0, 0, 1, 1], (1, 4, 1), 0, (0, 2)),
        ([0, 0, 1, 1], (2, 1, 2), 1, (1, 2)),  # each process has both alphas of its rows
        ([0, 0, 1, 1], (1, 1, 4), 1, (0, 1)),  # both processes need every row
        ([0, 1, 2, 3], (2, 1, 2), 3, (1, 2)),  # processes 2 and 3 make the same rows
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_the_rows_that_a_process_makes(
    processes: list[int],
    shape: tuple[int, int, int],
    own: int,
    share: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(jax, "process_index", lambda: own)
    mesh = FakeMesh(processes, shape)
    found = meshes.process_share(mesh)  # type: ignore[arg-type]
    assert (found["process_index"], found["process_count"]) == share


@pytest.mark.usefixtures("no_type_checks")
def test_unequal_shares_are_refused():
    with pytest.raises(InputError, match="unequal shares"):
        meshes.process_share(FakeMesh([0, 0, 0, 1, 1, 1], (3, 1, 2)))  # type: ignore[arg-type]


def test_an_override_that_matches_nothing_is_refused_with_what_is_near():
    layout = layout_of(fsdp=4, overrides=("head/kernal=0",))
    leaf = jax.ShapeDtypeStruct((8, 12), jnp.float32)
    with pytest.raises(
        InputError, match=r"'head/kernal' matches no parameter\. Did you mean 'head/k"
    ):
        layout.check({"head": {"kernel": leaf}})


def test_large_parameters_that_stay_whole_are_named(caplog: pytest.LogCaptureFixture):
    odd, even = (jax.ShapeDtypeStruct((7, size), jnp.float32) for size in (9, 12))
    with caplog.at_level("INFO"):
        layout_of(fsdp=4).check({"odd": odd, "even": even})
        layout_of(fsdp=1).check({"odd": odd, "even": even})
    assert [record.getMessage() for record in caplog.records] == [
        "held whole by every device, though large: odd"
    ]
