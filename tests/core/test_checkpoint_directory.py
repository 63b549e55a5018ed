"""A directory of checkpoints outside of the run directory is one run's alone."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wiseft_jax.core import checkpoint_directory, distributed
from wiseft_jax.core.checkpoint import Checkpoints
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.checkpoint_directory import OWNER_FILE
from wiseft_jax.core.errors import CheckpointWriteError, InputError

STATE: tuple[dict[str, Any], dict[str, Any]] = (
    {"kernel": np.ones(3, np.float32)},
    {"count": np.int32(1)},
)
PARTIAL = "2.orbax-checkpoint-tmp"


@pytest.fixture
def shared(tmp_path: Path) -> CheckpointConfig:
    return CheckpointConfig(directory=str(tmp_path / "shared"))


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs are on hosts that don't see each other's locks."""
    monkeypatch.setattr(checkpoint_directory, "hold", lambda *arguments: contextlib.nullcontext())


@contextlib.contextmanager
def two_runs(tmp_path: Path, shared: CheckpointConfig) -> Iterator[tuple[Checkpoints, Checkpoints]]:
    """Yield a run that is saving for the first time, and another with the same directory."""
    with Checkpoints(tmp_path / "a", shared) as first:
        first.open("task")
        (tmp_path / "shared" / PARTIAL).mkdir()
        yield first, Checkpoints(tmp_path / "b", shared)


def test_a_second_run_of_this_host_is_refused_before_the_first_has_saved(
    tmp_path: Path, shared: CheckpointConfig
) -> None:
    with two_runs(tmp_path, shared) as (_, second):
        second.check_unused()  # there is no complete save
        for resume in (False, True):
            message = "shared: another program is at work in this directory of checkpoints; "
            with pytest.raises(InputError, match=message):
                second.open("task", resume=resume)
        assert (tmp_path / "shared" / PARTIAL).is_dir()
        assert not (tmp_path / "b").exists()


@pytest.mark.usefixtures("hosts")
def test_a_second_run_of_another_host_is_refused_before_the_first_has_saved(
    tmp_path: Path, shared: CheckpointConfig
) -> None:
    with two_runs(tmp_path, shared) as (first, second):
        message = rf"shared: it belongs to another run \(.*:{tmp_path}/a\), which may be at work; "
        for act in (
            second.check_free,
            lambda: second.open("task"),
            lambda: second.open("other", resume=True),
            lambda: second.save(1, *STATE, {}),
        ):
            with pytest.raises(InputError, match=message):
                act()
        first.check_free()
        assert (tmp_path / "shared" / PARTIAL).is_dir()


def test_an_own_partial_save_is_removed(tmp_path: Path, shared: CheckpointConfig) -> None:
    with Checkpoints(tmp_path / "run", shared) as checkpoints:
        checkpoints.open("task")
    (tmp_path / "shared" / PARTIAL).mkdir()
    with Checkpoints(tmp_path / "run", shared) as checkpoints:
        checkpoints.open("another task: nothing was saved, the run begins anew")
    assert [path.name for path in (tmp_path / "shared").iterdir()] == [OWNER_FILE]


@pytest.mark.parametrize("resume", [False, True])
def test_a_partial_save_of_nobody_known_is_left_alone(
    tmp_path: Path, shared: CheckpointConfig, resume: bool
) -> None:
    (tmp_path / "shared" / PARTIAL).mkdir(parents=True)
    message = f"shared/{PARTIAL}: an incomplete save of another run"
    with (
        pytest.raises(InputError, match=message),
        Checkpoints(tmp_path / "run", shared) as checkpoints,
    ):
        checkpoints.open("task", resume=resume)
    assert [path.name for path in (tmp_path / "shared").iterdir()] == [PARTIAL]


@pytest.mark.usefixtures("hosts")
def test_a_run_directory_may_be_moved_or_lost(
    tmp_path: Path, shared: CheckpointConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with Checkpoints(tmp_path / "old", shared) as checkpoints:
        checkpoints.open("task")
        checkpoints.save(1, *STATE, {})
    (tmp_path / "old").rename(tmp_path / "new")
    for name, taken_over in (("new", False), ("lost and made again", True)):
        caplog.clear()
        with caplog.at_level(logging.WARNING), Checkpoints(tmp_path / name, shared) as checkpoints:
            checkpoints.open("task", resume=True)
        assert ("taken over from the run at" in caplog.text) == taken_over
        assert Checkpoints(tmp_path / name, shared).steps() == (1,)
    for file in (tmp_path / "new").rglob("*"):  # a run directory holds no absolute path
        assert str(tmp_path) not in file.read_text()


@pytest.mark.usefixtures("hosts")
def test_a_run_whose_directory_was_taken_over_saves_no_more(
    tmp_path: Path, shared: CheckpointConfig
) -> None:
    with Checkpoints(tmp_path / "a", shared) as first:
        first.open("task")
        first.save(1, *STATE, {})
        first.wait()
        with Checkpoints(tmp_path / "b", shared) as second:
            second.open("task", resume=True)
            with pytest.raises(CheckpointWriteError, match=r"taken over \(by .*/b\); nothing is"):
                first.save(2, *STATE, {})
            second.save(2, *STATE, {})
        (tmp_path / "shared" / OWNER_FILE).unlink()
        with pytest.raises(CheckpointWriteError, match=r"somebody removed its owner\.json"):
            first.save(3, *STATE, {})
    assert Checkpoints(tmp_path / "a", shared).steps() == (1, 2)


def test_the_checkpoints_within_a_run_directory_need_no_owner_but_heed_one(tmp_path: Path) -> None:
    with Checkpoints(tmp_path / "run") as checkpoints:
        checkpoints.open("task")
    assert list((tmp_path / "run").rglob("*")) == [tmp_path / "run" / "checkpoints"]
    guest = CheckpointConfig(directory=str(tmp_path / "run" / "checkpoints"))
    with Checkpoints(tmp_path / "guest", guest) as checkpoints:
        checkpoints.open("other")
    with (
        pytest.raises(InputError, match="belongs to another run"),
        Checkpoints(tmp_path / "run") as checkpoints,
    ):
        checkpoints.open("task", resume=True)


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"run": "x"})])
def test_a_damaged_owner_is_one_line(tmp_path: Path, shared: CheckpointConfig, text: str) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / OWNER_FILE).write_text(text)
    with (
        pytest.raises(InputError, match=r"owner\.json: it doesn't say whose .*; remove it if no"),
        Checkpoints(tmp_path / "run", shared) as checkpoints,
    ):
        checkpoints.open("task")


def test_a_directory_that_shows_late_is_waited_for(
    tmp_path: Path, shared: CheckpointConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS, where a host may remember for a while that there was none."""
    looks: list[Any] = []

    def is_directory(path: Any) -> bool:
        looks.append(path)
        return len(looks) > 2

    monkeypatch.setattr(distributed, "SEEING_PAUSES_SECS", (0.01,) * 3)
    monkeypatch.setattr(checkpoint_directory, "is_directory", is_directory)
    directory = Checkpoints(tmp_path / "run", shared).directory
    checkpoint_directory.prepare_directory(directory)
    assert len(looks) == 3
    monkeypatch.setattr(checkpoint_directory, "is_directory", lambda path: False)
    with pytest.raises(InputError, match="the processes don't see the same files there"):
        checkpoint_directory.prepare_directory(directory)
