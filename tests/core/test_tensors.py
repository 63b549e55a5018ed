from __future__ import annotations

import json
import logging
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from flax.serialization import msgpack_serialize
from safetensors.numpy import save_file

from wiseft_jax.core import writers
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.tensors import FLAX_MSGPACK, SAFETENSORS, read_tensors, write_tensors

ARRAYS = {
    "scalar": np.array(4.6, np.float32),
    "half": np.arange(6, dtype=np.float16).reshape(2, 3),
    "brain": np.arange(4).astype(ml_dtypes.bfloat16),
    "integers": np.arange(5, dtype=np.int64),
    "transposed": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "empty": np.zeros((0, 3), np.float32),
}


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].shape == array.shape, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def write_shards(directory: Path) -> Path:
    save_file({"a": np.ones(2, np.float32)}, directory / "model-00001-of-00002.safetensors")
    save_file({"b": np.zeros(3, np.float32)}, directory / "model-00002-of-00002.safetensors")
    index = directory / "model.safetensors.index.json"
    weight_map = {
        "a": "model-00001-of-00002.safetensors",
        "b": "model-00002-of-00002.safetensors",
    }
    index.write_text(json.dumps({"weight_map": weight_map}))
    return index


def test_round_trip_keeps_dtypes_shapes_and_values(tmp_path: Path):
    write_tensors(tmp_path / "a.safetensors", ARRAYS)
    assert_equal(read_tensors(tmp_path / "a.safetensors"), ARRAYS)


def test_metadata_is_written(tmp_path: Path):
    from safetensors import safe_open

    write_tensors(tmp_path / "a.safetensors", {"x": ARRAYS["scalar"]}, {"format": "pt"})
    with safe_open(tmp_path / "a.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"x": np.ones(2, np.float32)})

    def full_disk(handle: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(writers.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_tensors(path, {"x": np.zeros(2, np.float32)})
    np.testing.assert_array_equal(read_tensors(path)["x"], np.ones(2))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]


def test_shards_are_joined(tmp_path: Path):
    index = write_shards(tmp_path)
    expected = {"a": np.ones(2, np.float32), "b": np.zeros(3, np.float32)}
    assert_equal(read_tensors(tmp_path), expected)
    assert_equal(read_tensors(index), expected)


def test_a_missing_shard_is_named(tmp_path: Path):
    write_shards(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(InputError, match=r"shards are missing: model-00002-of-00002\.safetensors"):
        read_tensors(tmp_path)


def test_shards_that_contradict_the_index_are_refused(tmp_path: Path):
    write_shards(tmp_path)
    save_file({"c": np.ones(1, np.float32)}, tmp_path / "model-00002-of-00002.safetensors")
    with pytest.raises(InputError, match=r"in no shard: \['b'\].*not listed: \['c'\]"):
        read_tensors(tmp_path)


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": []}}']
)
def test_a_broken_index_is_named(tmp_path: Path, content: str):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(InputError, match=r"index\.json: expected JSON with a 'weight_map'"):
        read_tensors(tmp_path)


def test_an_index_cannot_point_outside(tmp_path: Path):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    with pytest.raises(InputError, match="shards must lie beside the index"):
        read_tensors(tmp_path)


def test_msgpack_gives_key_paths(tmp_path: Path):
    tree = {"text": {"kernel": np.ones((2, 3), np.float32)}, "scale": np.float32(2)}
    (tmp_path / "flax_model.msgpack").write_bytes(msgpack_serialize(tree))
    found = read_tensors(tmp_path)
    assert sorted(found) == ["scale", "text/kernel"]
    np.testing.assert_array_equal(found["text/kernel"], np.ones((2, 3)))


def test_safetensors_are_preferred_and_the_choice_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "wiseft_jax")
    (tmp_path / "flax_model.msgpack").write_bytes(msgpack_serialize({"x": np.zeros(1)}))
    write_tensors(tmp_path / "model.safetensors", {"x": np.ones(1, np.float32)})
    assert read_tensors(tmp_path)["x"] == 1
    assert "reading model.safetensors, not flax_model.msgpack" in caplog.text


@pytest.mark.parametrize("keep", [0, 4, 40, -8])
def test_truncated_safetensors_are_named(tmp_path: Path, keep: int):
    path = tmp_path / "model.safetensors"
    write_tensors(path, ARRAYS)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"model\.safetensors: not a readable safetensors file"):
        read_tensors(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xff", b"not msgpack at all", b"\x93\x01\x02\x03"])
def test_damaged_msgpack_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "flax_model.msgpack").write_bytes(content)
    with pytest.raises(InputError, match=r"flax_model\.msgpack: not a readable Flax msgpack file"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "last.ckpt"])
def test_pickles_are_refused_with_the_way_out(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"\x80\x04")
    with pytest.raises(InputError, match="is a pickle") as caught:
        read_tensors(tmp_path)
    assert name in str(caught.value)
    assert "safe_serialization=True" in str(caught.value)
    with pytest.raises(InputError, match="is a pickle"):
        read_tensors(tmp_path / name)


def test_a_directory_without_weights_says_what_it_has(tmp_path: Path):
    with pytest.raises(InputError, match="found an empty directory"):
        read_tensors(tmp_path)
    (tmp_path / "tf_model.h5").touch()
    with pytest.raises(InputError, match=r"Expected model\.safetensors.*found tf_model\.h5"):
        read_tensors(tmp_path)


def test_other_files_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        read_tensors(tmp_path / "absent.safetensors")
    (tmp_path / "weights.npz").touch()
    with pytest.raises(InputError, match=r"expected a \.safetensors or \.msgpack file"):
        read_tensors(tmp_path / "weights.npz")


@pytest.mark.parametrize("name", [SAFETENSORS, FLAX_MSGPACK])
def test_a_pointer_of_git_lfs_is_named_as_one(name: str, tmp_path: Path):
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(InputError, match=f"{name}: is a Git LFS pointer, not the weights; .*pull"):
        read_tensors(tmp_path)
