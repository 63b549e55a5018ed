"""Checkpoints in a bucket: the real libraries, against a server on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.gcs_server import Storage, running_storage
from wiseft_jax.core.checkpoint import Checkpoints, restore_params
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.errors import CheckpointWriteError, InputError

# Its buckets with folders are another protocol (gRPC), which the server doesn't speak.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
pytestmark = pytest.mark.gcs

RUN_DIR = Path("a run directory that nobody makes")


def state(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    kernel = np.random.default_rng(seed).normal(size=(16, 8)).astype(np.float32)
    return {"encoder": {"kernel": kernel}}, {"count": np.int32(seed), "mu": kernel / 2}


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    import fsspec.config

    with running_storage() as storage, pytest.MonkeyPatch.context() as patch:
        for name in ("STORAGE_EMULATOR_HOST", "TENSORSTORE_GCS_HTTP_URL"):
            patch.setenv(name, storage.address)
        patch.setenv("GOOGLE_AUTH_TOKEN_FOR_TESTING", "anybody")
        patch.setenv("NO_GCE_CHECK", "true")
        for protocol in ("gs", "gcs"):
            patch.setitem(fsspec.config.conf, protocol, {"token": "anon"})
        yield storage


@pytest.fixture
def config(request: pytest.FixtureRequest) -> CheckpointConfig:
    return CheckpointConfig(directory=f"gs://bucket/runs/{request.node.name}")


def test_save_restore_and_damage_in_a_bucket(
    storage: Storage, config: CheckpointConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with Checkpoints(RUN_DIR, config) as checkpoints:
        assert checkpoints.steps() == ()
        assert checkpoints.restore(*state(0)) is None
        for step, accuracy in ((1, 0.5), (2, 0.9), (3, 0.6), (4, 0.7)):
            checkpoints.save(step, *state(step), {"n": step}, {"validation_accuracy": accuracy})
    assert Checkpoints(RUN_DIR, config).steps() == (2, 3, 4)
    checkpoint = Checkpoints(RUN_DIR, config).restore(*state(0))
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.meta) == (4, {"n": 4})
    np.testing.assert_array_equal(checkpoint.opt["mu"], state(4)[1]["mu"])
    params, step = restore_params(RUN_DIR, "best", config)
    assert step == 2
    np.testing.assert_array_equal(params["encoder"]["kernel"], state(2)[0]["encoder"]["kernel"])

    prefix = f"{config.directory}/".removeprefix("gs://bucket/")
    for name in [name for name in storage.objects if name.startswith(f"{prefix}4/params/d/")]:
        storage.put(name, storage.objects[name][:-9])
    with caplog.at_level(logging.WARNING), Checkpoints(RUN_DIR, config) as checkpoints:
        checkpoint = checkpoints.restore(*state(0))
        assert checkpoint is not None
        assert checkpoint.step == 3
        checkpoints.save(4, *state(4), {})
    assert f"{config.directory}/4 is damaged (params: " in caplog.text
    assert Checkpoints(RUN_DIR, config).steps() == (2, 3, 4)
    assert any(name.startswith(f"{prefix}damaged-4/") for name in storage.objects)
    assert not RUN_DIR.exists()


def test_a_save_that_was_broken_off_in_a_bucket_is_ignored(
    storage: Storage, config: CheckpointConfig
) -> None:
    with Checkpoints(RUN_DIR, config) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, *state(step), {})
    name = f"{config.directory}/2/commit_success.txt".removeprefix("gs://bucket/")
    del storage.objects[name]
    assert Checkpoints(RUN_DIR, config).steps() == (1,)
    with Checkpoints(RUN_DIR, config) as checkpoints:
        checkpoint = checkpoints.restore(*state(0))
        assert checkpoint is not None
        assert checkpoint.step == 1
        checkpoints.save(2, *state(2), {})
    assert Checkpoints(RUN_DIR, config).steps() == (1, 2)


def test_a_bucket_that_takes_nothing_is_one_line(
    storage: Storage, config: CheckpointConfig
) -> None:
    with Checkpoints(RUN_DIR, config) as checkpoints:
        checkpoints.save(1, *state(1), {})
    storage.fail_writes = True
    try:
        message = f"{config.directory}: checkpoints can't be written there .*Forbidden"
        with pytest.raises(InputError, match=message), Checkpoints(RUN_DIR, config) as checkpoints:
            checkpoints.open()
    finally:
        storage.fail_writes = False
    assert Checkpoints(RUN_DIR, config).steps() == (1,)


def test_a_bucket_that_takes_no_more_is_no_full_disk(
    storage: Storage, config: CheckpointConfig
) -> None:
    def save() -> None:
        with Checkpoints(RUN_DIR, config) as checkpoints:
            checkpoints.save(1, *state(1), {})
            checkpoints.wait()
            storage.fail_writes = True
            checkpoints.save(2, *state(2), {})

    message = f"{config.directory}: a checkpoint can't be written .*complete checkpoints: 1; what"
    try:
        with pytest.raises(CheckpointWriteError, match=message):
            save()
    finally:
        storage.fail_writes = False
    assert Checkpoints(RUN_DIR, config).steps() == (1,)


def test_a_bucket_that_does_not_exist_is_one_line(storage: Storage) -> None:
    other = CheckpointConfig(directory="gs://other/a")
    assert Checkpoints(RUN_DIR, other).steps() == ()
    message = "gs://other/a: checkpoints can't be written there"
    with pytest.raises(InputError, match=message), Checkpoints(RUN_DIR, other) as checkpoints:
        checkpoints.open()


def test_opening_leaves_nothing_in_a_bucket(storage: Storage, config: CheckpointConfig) -> None:
    with Checkpoints(RUN_DIR, config) as checkpoints:
        checkpoints.open()
        assert checkpoints.steps() == ()
    prefix = f"{config.directory}/".removeprefix("gs://bucket/")
    assert not [name for name in storage.objects if ".write-probe" in name and prefix in name]


def test_a_bucket_is_one_runs_too(storage: Storage, config: CheckpointConfig) -> None:
    with Checkpoints(RUN_DIR, config) as first:
        first.open()
        with (
            pytest.raises(InputError, match=f"{config.directory}: it belongs to another run"),
            Checkpoints(Path("another run"), config) as second,
        ):
            second.open("task", resume=True)
        first.save(1, *state(1), {})
    with Checkpoints(RUN_DIR, config) as first:
        first.save(2, *state(2), {})
    assert Checkpoints(RUN_DIR, config).steps() == (1, 2)
