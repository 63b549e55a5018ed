from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.published_array_miniatures import array_pixels, write_arrays
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.specs import open_source


class Trap:
    """What a pickle may do: loading it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (self.path, "w")


@pytest.mark.parametrize(
    ("name", "folder", "sign"),
    [
        ("cifar10", "cifar-10-batches-py", "batches.meta"),
        ("cifar100", "cifar-100-python", "meta"),
        ("cifar10", ".", "batches.meta"),
    ],
)
def test_cifars_pickles_are_refused_with_what_to_get(
    name: str, folder: str, sign: str, tmp_path: Path
):
    (tmp_path / folder).mkdir(exist_ok=True)
    trap = tmp_path / "ran"
    for file in (sign, "test_batch", "test"):
        (tmp_path / folder / file).write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(InputError, match=r"made of pickles.*binary\.tar\.gz.*tfds:cifar10") as e:
        open_source(f"published:{name}:test@{tmp_path}")
    assert f"tfds:{name}:test" in str(e.value)
    assert not trap.exists()


def test_pickles_in_npy_and_npz_files_are_refused_unread(tmp_path: Path):
    trap = tmp_path / "ran"
    objects = np.array([Trap(trap)] * 2, object)
    folder = tmp_path / "CIFAR-10.1"
    folder.mkdir()
    np.save(folder / "cifar10.1_v6_data.npy", objects, allow_pickle=True)
    np.save(folder / "cifar10.1_v6_labels.npy", np.zeros(2, np.int32))
    (tmp_path / "CIFAR-10.2").mkdir()
    np.savez(tmp_path / "CIFAR-10.2" / "cifar102_test.npz", images=objects, labels=objects)
    for text in ("cifar10.1", "cifar10.2:test"):
        with pytest.raises(InputError, match="pickles aren't read"):
            open_source(f"published:{text}@{tmp_path}")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("cifar10", "test_batch.bin", "expected records of 3073 bytes, found 3000 bytes"),
        ("cifar100", "test.bin", "expected records of 3074 bytes, found 3000 bytes"),
        ("mnist", "t10k-images-idx3-ubyte", "expected an idx file of bytes with 3 axes"),
        ("mnist", "t10k-labels-idx1-ubyte", "expected an idx file of bytes with 1 axes"),
        ("svhn", "test_32x32.mat", "can't be read"),
        ("cifar10.2", "cifar102_test.npz", "can't be read"),
        ("cifar10.1", "cifar10.1_v6_data.npy", "can't be read"),
    ],
)
@pytest.mark.parametrize("empty", [False, True])
def test_half_a_download_is_refused(
    name: str, file: str, message: str, empty: bool, tmp_path: Path
):
    write_arrays(tmp_path, name, "test")
    path = tmp_path / DATASETS[name].layout.folder / file
    cut = path.read_bytes()[: 10 if path.stat().st_size < 3000 else 3000]
    path.write_bytes(b"" if empty else cut)
    wanted = message.partition(", found")[0] if empty else message
    with pytest.raises(InputError, match=wanted):
        open_source(f"published:{name}:test@{tmp_path}")


def test_a_label_that_no_class_has_is_refused(tmp_path: Path):
    write_arrays(tmp_path, "cifar10.1", "test")
    labels = tmp_path / "CIFAR-10.1" / "cifar10.1_v6_labels.npy"
    np.save(labels, np.array([0, 10, 1]))
    with pytest.raises(InputError, match=r"label 10 of image 1 is outside 0\.\.9"):
        open_source(f"published:cifar10.1@{tmp_path}")


def test_severities_lie_one_after_the_other(tmp_path: Path):
    write_arrays(tmp_path, "cifar10-c", "test")
    firsts = []
    for severity in range(1, 6):
        source = open_source(f"published:cifar10-c/glass_blur/{severity}@{tmp_path}")
        assert len(source) == 2
        firsts.append(source.read(0))
    wanted = [array_pixels(seed) for seed in (96, 98, 0, 92, 94)]
    np.testing.assert_array_equal(firsts, wanted)
    np.save(tmp_path / "CIFAR-10-C" / "labels.npy", np.zeros(9, np.int64))
    with pytest.raises(InputError, match="found 10 images, 9 labels"):
        open_source(f"published:cifar10-c/glass_blur/1@{tmp_path}")
