"""A bucket is prepared, gone on with and read: the real libraries, against a server here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import write_folder
from tests.helpers.gcs_server import Storage, running_storage
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.prepare import PrepareOptions, prepare
from wiseft_jax.data.specs import open_source

# Its buckets with folders are another protocol (gRPC), which the server doesn't speak.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
pytestmark = pytest.mark.gcs

OPTIONS = PrepareOptions("photos", shard_mib=0.003, num_threads=2)
FOLDER = "prepared/photos/1.0.0"


@pytest.fixture
def storage() -> Iterator[Storage]:
    import fsspec.config

    with running_storage() as storage, pytest.MonkeyPatch.context() as patch:
        for name in ("STORAGE_EMULATOR_HOST", "CLOUD_STORAGE_EMULATOR_ENDPOINT"):
            patch.setenv(name, storage.address)
        patch.setenv("NO_GCE_CHECK", "true")
        for protocol in ("gs", "gcs"):
            patch.setitem(fsspec.config.conf, protocol, {"token": "anon"})
        yield storage


def test_a_bucket_has_what_a_disk_has_and_is_read(storage: Storage, tmp_path: Path):
    write_folder(tmp_path / "photos", {"cat": 5, "dog": 4, "owl": 3})
    splits = {"test": open_source(f"folder:{tmp_path / 'photos'}")}
    local = Path(prepare(splits, tmp_path / "out", OPTIONS)["directory"])
    report = prepare(splits, "gs://bucket/prepared", OPTIONS)
    assert report["directory"] == f"gs://bucket/{FOLDER}"
    expected = {f"{FOLDER}/{path.name}": path.read_bytes() for path in local.iterdir()}
    assert storage.objects == expected

    source = open_source(report["splits"]["test"]["spec"])
    assert (source.name, source.class_names) == ("photos-test", ("cat", "dog", "owl"))
    np.testing.assert_array_equal(source.labels, splits["test"].labels)
    assert [source.read(i) for i in range(12)] == [splits["test"].read(i) for i in range(12)]

    damaged = next(name for name in expected if "array_record-00001" in name)
    storage.put(damaged, storage.objects[damaged][:1000])
    del storage.objects[f"{FOLDER}/dataset_info.json"]
    prepare(splits, "gs://bucket/prepared", OPTIONS)
    assert storage.objects == expected


def test_a_bucket_that_takes_nothing_is_one_line(storage: Storage, tmp_path: Path):
    write_folder(tmp_path / "photos", {"cat": 1, "dog": 1})
    splits = {"test": open_source(f"folder:{tmp_path / 'photos'}")}
    storage.fail_writes = True
    with pytest.raises(OSError, match=r"can't be written .*Forbidden|can't be written .*403"):
        prepare(splits, "gs://bucket/prepared", OPTIONS)
    assert storage.objects == {}


def test_what_is_not_there_is_an_input_error(storage: Storage):
    with pytest.raises(InputError, match="no prepared data set is there; expected the directory"):
        open_source("tfds:gs://bucket/nothing/1.0.0:test")
