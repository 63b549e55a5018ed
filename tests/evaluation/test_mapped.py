"""Arrays mapped from an npz: values, alignment, laziness, and files that are damaged."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.evaluation.mapped import let_go, read_arrays, write_arrays

ARRAYS = {
    "floats": np.random.default_rng(0).random((3, 1000, 7), np.float32),
    "bits": np.packbits(np.arange(24) % 3 == 0),
    "text": np.asarray(["a/é.png", "日本"]),
    "none": np.zeros((4, 0), np.int32),
    "one": np.asarray(2),
    "turned": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "arrays.npz"
    with path.open("wb") as file:
        write_arrays(file, ARRAYS)
    return path


def test_numpy_and_the_mapping_read_the_same(path):
    found = read_arrays(path)
    assert found.keys() == ARRAYS.keys()
    with np.load(path, allow_pickle=False) as file:
        for name, wanted in ARRAYS.items():
            for array in (found[name], file[name]):
                assert array.dtype == wanted.dtype
                np.testing.assert_array_equal(array, wanted)


def test_arrays_are_mapped_aligned_and_read_only(path):
    for name, array in read_arrays(path).items():
        if ARRAYS[name].size:
            assert isinstance(array, np.memmap)
            assert array.offset % 64 == 0
            assert not array.flags.writeable


def test_only_what_is_looked_at_is_in_the_file_of_old(tmp_path):
    """A mapped array sees its file: it wasn't copied."""
    path = tmp_path / "one.npz"
    with path.open("wb") as file:
        write_arrays(file, {"x": np.zeros(1000, np.uint8)})
    mapped = read_arrays(path)["x"]
    with path.open("r+b") as file:
        file.seek(mapped.offset + 10)
        file.write(b"\x07")
    assert mapped[10] == 7


def test_what_numpy_writes_is_read(tmp_path):
    for name, save in (("stored", np.savez), ("compressed", np.savez_compressed)):
        save(tmp_path / f"{name}.npz", **ARRAYS)
        found = read_arrays(tmp_path / f"{name}.npz")
        assert isinstance(found["floats"], np.memmap) == (name == "stored")
        for key, wanted in ARRAYS.items():
            np.testing.assert_array_equal(found[key], wanted)


def test_an_array_larger_than_its_member_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (100,)}
    )
    path = tmp_path / "short.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(396))
    with pytest.raises(ValueError, match=r"x\.npy: 524 bytes, expected 528"):
        read_arrays(path)


def test_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="pickled objects are not read"):
        read_arrays(path)


def test_an_index_that_points_elsewhere_is_refused(path):
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x03\x04")
    data[first] = 0
    path.write_bytes(bytes(data))
    with pytest.raises((ValueError, zipfile.BadZipFile), match=r"no member|Bad|magic"):
        read_arrays(path)


def test_bytes_that_are_not_those_written_are_refused(tmp_path):
    path = tmp_path / "spoilt.npz"
    with path.open("wb") as file:
        write_arrays(file, {"top1": np.arange(1000)})
    content = bytearray(path.read_bytes())
    content[content.index(np.arange(1000).tobytes()) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"top1\.npy: its bytes are not those that were written"):
        read_arrays(path)


def _mapped_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssFile:")[1].split()[0]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux's /proc")
def test_memory_of_what_is_let_go_is_given_back_and_its_values_stay(tmp_path):
    path = tmp_path / "large.npz"
    wanted = np.arange(2**24, dtype=np.float32).reshape(2, -1, 2**10)  # 64 MiB
    with path.open("wb") as file:
        write_arrays(file, {"logits": wanted})
    array = read_arrays(path)["logits"][1:]  # a view of it
    before = _mapped_mb()
    total = array.sum()
    assert _mapped_mb() - before > 25  # half of it was looked at
    let_go(array)
    assert _mapped_mb() - before < 5
    assert array.sum() == total
    np.testing.assert_array_equal(array, wanted[1:])


def test_an_array_of_its_own_can_be_let_go_too():
    array = np.arange(6).reshape(2, 3)[1:]
    let_go(array)
    np.testing.assert_array_equal(array, [[3, 4, 5]])
