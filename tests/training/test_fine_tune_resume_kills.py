"""Killed at random moments, or on a full disk: nothing is lost but the steps since a save."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.toy import toy_classifier, toy_config, toy_dataset
from wiseft_jax.core.checkpoint import Checkpoints
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.training.fine_tune import fine_tune

ROOT = Path(__file__).resolve().parents[2]
CONFIG = toy_config(epochs=40.0)
"""120 steps, and a checkpoint after each."""

STEPS = 120
_READ_SECS = 0.005
TIMEOUT_SECS = 300.0

PROGRAM = """
import pathlib, resource, sys
import jax
jax.config.update("jax_compilation_cache_dir", sys.argv[2])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
from tests.training.test_fine_tune_resume_kills import save_theta, run
from wiseft_jax.core.errors import CheckpointWriteError
if len(sys.argv) > 5:  # no file may be larger: the system refuses as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[5]), resource.RLIM_INFINITY))
try:
    theta_1 = run(pathlib.Path(sys.argv[1]), slowly=sys.argv[4] == "slowly")
except CheckpointWriteError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
save_theta(pathlib.Path(sys.argv[3]), theta_1)
"""


def run(run_dir: Path | None, *, slowly: bool = False) -> dict[str, np.ndarray]:
    classifier, theta_0 = toy_classifier()
    dataset = toy_dataset(48)
    if slowly:  # so that a life has room for a kill between any two steps

        def read(index: int) -> Any:
            time.sleep(_READ_SECS)
            return type(dataset.source).read(dataset.source, index)

        dataset.source.read = read  # type: ignore[attr-defined]
    return flatten_paths(
        fine_tune(
            classifier,
            theta_0,
            dataset,
            None,
            CONFIG,
            run_dir=run_dir,
            resume=run_dir is not None,
            mesh=make_mesh(1),
            checkpoints=CheckpointConfig(save_every_steps=1),
        )
    )


def save_theta(path: Path, theta: dict[str, np.ndarray]) -> None:
    np.savez(path, **theta)  # type: ignore[arg-type]


def start(base: Path, pace: str = "slowly", largest_file: int | None = None) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    arguments = [str(base / "run"), str(base / "cache"), str(base / "theta_1.npz"), pace]
    arguments += [] if largest_file is None else [str(largest_file)]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**environment, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def steps(run_dir: Path) -> tuple[int, ...]:
    return Checkpoints(run_dir).steps()


def assert_finishes_as(base: Path, whole: dict[str, np.ndarray]) -> None:
    """Run to the end; compare the weights and the log with those of a run without a kill."""
    process = start(base, "fast")
    stderr = process.communicate(timeout=TIMEOUT_SECS)[1]
    assert process.returncode == 0, stderr
    with np.load(base / "theta_1.npz") as found:
        assert sorted(found) == sorted(whole)
        for name, leaf in whole.items():
            np.testing.assert_array_equal(found[name], leaf, err_msg=name, strict=True)
    lines = (base / "run" / "train.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, STEPS + 1))


def wait_for_training(process: subprocess.Popen, run_dir: Path, newest: int) -> None:
    """Wait until this life has saved a step of its own, if it lives so long."""
    deadline = time.monotonic() + TIMEOUT_SECS
    while process.poll() is None and max(steps(run_dir), default=0) <= newest:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kill_repeatedly(base: Path, kills: int, seed: int) -> None:
    """Kill lives of a run: two of three while it trains and saves, the third as it starts up."""
    whole = run(None)
    random = np.random.default_rng(seed)
    newest, at_steps, lives = 0, set(), 0
    while lives < kills:
        if newest > STEPS - 10:  # the run is nearly over: begin another, and go on killing
            assert_finishes_as(base, whole)
            base = base / "next"
            newest = 0
        process = start(base)
        if lives % 3 == 2:
            time.sleep(random.uniform(0, 4))
        else:
            wait_for_training(process, base / "run", newest)
            time.sleep(random.uniform(0, 0.5))
        process.kill()
        stderr = process.communicate(timeout=TIMEOUT_SECS)[1]
        assert process.returncode == -9, stderr  # it was alive: no damage stopped it
        assert "is damaged" not in stderr
        assert "every checkpoint" not in stderr
        survived = max(steps(base / "run"), default=0)
        assert survived >= newest, "a kill may not cost a step that was saved"
        newest = survived
        at_steps.add(newest)
        lives += 1
    assert len(at_steps) > kills / 3, "the kills weren't spread over the run"
    assert_finishes_as(base, whole)


def test_a_run_killed_three_times_resumes_bit_for_bit(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, kills=3, seed=0)


@pytest.mark.slow
def test_a_run_killed_fifty_times_resumes_bit_for_bit(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, kills=50, seed=1)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_costs_nothing(tmp_path: Path) -> None:
    whole = run(None)
    process = start(tmp_path)
    wait_for_training(process, tmp_path / "run", 0)
    process.kill()
    process.communicate()
    before = steps(tmp_path / "run")
    process = start(tmp_path, largest_file=3000)
    stderr = process.communicate(timeout=TIMEOUT_SECS)[1]
    assert process.returncode == 1, stderr
    assert "never awaited" not in stderr
    assert "run/checkpoints: a checkpoint can't be written (" in stderr
    intact = ", ".join(map(str, before))
    assert f"complete checkpoints: {intact}; make room and continue with --resume" in stderr
    assert "Traceback" not in stderr
    assert steps(tmp_path / "run") == before
    assert_finishes_as(tmp_path, whole)
