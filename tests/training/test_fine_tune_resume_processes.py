"""Two processes: resumed bit for bit, on another number of processes too, and stopped together."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.helpers.processes import Group, run_processes, started
from tests.training.toy import toy_classifier, toy_config, toy_dataset
from wiseft_jax.core.checkpoint import Checkpoints, restore_params
from wiseft_jax.core.errors import EXIT_INTERRUPTED, Interrupted
from wiseft_jax.core.mesh import Layout, to_host
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.training.optimizer import make_optimizer
from wiseft_jax.training.state import abstract_state

FOUR_STEPS = toy_config(epochs=4 / 3, eval_every_epochs=1 / 3)
SIXTY_STEPS = toy_config(epochs=20.0)
SPLIT = MeshConfig(fsdp=2, min_shard_elements=1)
"""Two processes of two devices: each holds half of a batch, and every parameter in two parts."""

DEADLINE_SECS = 240.0
_STEP_SECS = 0.1


def train(
    run_dir: Path,
    config: Any,
    *,
    resume: bool = False,
    crash_at: int | None = None,
    slowly: bool = False,
) -> dict[str, np.ndarray]:
    """Fine-tune the toy on all devices; stop at the n-th evaluation, or read images slowly."""
    classifier, theta_0 = toy_classifier()
    dataset, calls = toy_dataset(48), []
    if slowly:

        def read(index: int) -> Any:
            calls.append(index)
            time.sleep(_STEP_SECS / 8)  # a process's share of a step is 8 images
            return type(dataset.source).read(dataset.source, index)

        dataset.source.read = read  # type: ignore[attr-defined]

    def evaluate(theta: Any) -> float:
        calls.append(theta)
        if len(calls) == crash_at:
            raise RuntimeError("power cut")
        return 0.5

    theta_1 = fine_tune(
        classifier,
        theta_0,
        dataset,
        None,
        config,
        run_dir=run_dir,
        resume=resume,
        evaluate=evaluate,
        mesh=SPLIT,
    )
    return flatten_paths(theta_1)


def restored(run_dir: Path) -> dict[str, np.ndarray]:
    """Return parameters and optimizer state of the newest checkpoint, through all devices."""
    _, theta_0 = toy_classifier()
    optimizer = make_optimizer(FOUR_STEPS, FOUR_STEPS.plan(48, 1))
    shapes = abstract_state(theta_0, optimizer, Layout.of(SPLIT))
    with Checkpoints(run_dir) as checkpoints:
        found = checkpoints.restore(shapes.params, shapes.opt)
    assert found is not None
    spread = [not leaf.is_fully_replicated for leaf in jax.tree_util.tree_leaves(found.params)]
    assert any(spread) == (jax.device_count() > 1)
    opt = to_host(found.opt)
    assert jax.tree_util.tree_structure(opt) == jax.tree_util.tree_structure(shapes.opt)
    return flatten_paths({"params": to_host(found.params), "opt": opt})


def assert_equal(found: dict[str, np.ndarray], expected: Any) -> None:
    assert sorted(found) == sorted(expected)
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name, strict=True)


def resume_in_two_processes(base: Path) -> None:
    """What each of the two processes does; the directories lie in ``base``."""
    assert (jax.process_count(), jax.device_count()) == (2, 4)
    whole = train(base / "whole", FOUR_STEPS)
    with pytest.raises(RuntimeError, match="power cut"):
        train(base / "broken", FOUR_STEPS, crash_at=3)
    assert Checkpoints(base / "broken").steps() == (1, 2)
    assert_equal(train(base / "broken", FOUR_STEPS, resume=True), whole)
    with np.load(base / "one.npz") as one:
        assert_equal(restored(base / "one"), one)
    two = restored(base / "whole")
    if jax.process_index() == 0:
        np.savez(base / "two.npz", **two)  # type: ignore[arg-type]
        largest = max(
            (file for file in (base / "broken/checkpoints/4").rglob("d/*") if file.is_file()),
            key=lambda file: file.stat().st_size,
        )
        largest.write_bytes(largest.read_bytes()[:-20])
    jax.experimental.multihost_utils.sync_global_devices("damaged")  # type: ignore[attr-defined]
    assert_equal(train(base / "broken", FOUR_STEPS, resume=True), whole)
    print("all is well")


def preempted(base: Path) -> None:
    """Train slowly until stopped, as the command line does."""
    try:
        train(base / "run", SIXTY_STEPS, slowly=True)
    except Interrupted as interrupted:
        print(interrupted, file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def go_on(base: Path) -> None:
    """Resume the run that was stopped, and make the same without a stop."""
    resumed = train(base / "run", SIXTY_STEPS, resume=True)
    assert_equal(resumed, train(base / "whole", SIXTY_STEPS))
    print("all is well")


def program(function: str, base: Path) -> str:
    return (
        "import pathlib, jax.experimental.multihost_utils\n"
        f"from {__name__} import {function}\n{function}(pathlib.Path({str(base)!r}))"
    )


@pytest.mark.slow
def test_training_resumes_bit_for_bit_in_two_processes_and_across(
    tmp_path: Path,
) -> None:
    single = toy_config(epochs=1 / 3)
    classifier, theta_0 = toy_classifier()
    fine_tune(
        classifier, theta_0, toy_dataset(48), None, single, run_dir=tmp_path / "one", mesh=None
    )
    np.savez(tmp_path / "one.npz", **restored(tmp_path / "one"))  # type: ignore[arg-type]
    done = run_processes(2, program("resume_in_two_processes", tmp_path), devices_per_process=2)
    for each in done:
        assert each.returncode == 0, each.stderr
        assert each.stdout.endswith("all is well\n")
        assert f"{tmp_path}/broken/checkpoints/4 is damaged" in each.stderr
        assert "it isn't used, and kept as damaged-4" in each.stderr
    with np.load(tmp_path / "two.npz") as two:
        assert_equal(restored(tmp_path / "whole"), two)
    assert_equal(
        flatten_paths(restore_params(tmp_path / "broken")[0]),
        flatten_paths(restore_params(tmp_path / "whole")[0]),
    )


def records(run_dir: Path) -> list[dict[str, Any]]:
    log = run_dir / "train.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def stop_one_of(group: Group, run_dir: Path, index: int, signum: int) -> list[Any]:
    deadline = time.monotonic() + DEADLINE_SECS
    while len(records(run_dir)) < 3:
        assert all(process.poll() is None for process in group.processes), group.wait()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    group.processes[index].send_signal(signum)
    return group.wait()


@pytest.mark.parametrize(
    ("index", "signum"),
    [
        (1, signal.SIGTERM),
        pytest.param(0, signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(1, signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_a_signal_to_one_preempts_both_and_the_run_resumes_in_two_processes(
    tmp_path: Path, index: int, signum: signal.Signals
) -> None:
    with started(2, program("preempted", tmp_path), devices_per_process=2) as group:
        done = stop_one_of(group, tmp_path / "run", index, signum)
    assert [each.returncode for each in done] == [EXIT_INTERRUPTED] * 2, done
    (step,) = Checkpoints(tmp_path / "run").steps()
    assert 3 <= step < 60
    for each in done:
        assert f"saved after step {step} in {tmp_path}/run" in each.stderr
        assert "to continue, in every process: the same call with resume=True" in each.stderr
    assert records(tmp_path / "run")[-1]["step"] == step
    for each in run_processes(2, program("go_on", tmp_path), devices_per_process=2):
        assert each.returncode == 0, each.stderr
        assert each.stdout.endswith("all is well\n")
