"""Two processes through the command line: the same result as one, and one end when one fails."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.conftest import Workshop
from tests.helpers.processes import LOW_TIMEOUTS, Done, Group, run_processes, started
from wiseft_jax.core.results import read_rows
from wiseft_jax.evaluation.predictions import load_predictions

ENDS_WITHIN_SECS = 60
"""From a failure to the end of every process; far below JAX's heartbeat and shutdown timeouts."""

SLOW_HEARTBEAT = (
    *("--distributed.init-timeout-secs", "120"),
    *("--distributed.heartbeat-timeout-secs", "300"),
    *("--distributed.shutdown-timeout-secs", "300"),
)

PROGRAM = """
import os, sys
from wiseft_jax.cli.main import main

rank = int(os.environ["JAX_PROCESS_ID"])
arguments = sys.argv[1:]
{fault}
sys.exit(main(arguments))
"""


def wiseft(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "wiseft_jax", *arguments]


def faulty(fault: str, *arguments: str) -> list[str]:
    """Return the command of a program that has a fault in one process."""
    return [sys.executable, "-c", PROGRAM.format(fault=fault), *arguments]


def run_arguments(inputs: Workshop, out: Path, *more: str) -> list[str]:
    return ["run", "custom/folder", *inputs.options(), "--out", str(out), *SLOW_HEARTBEAT, *more]


def said(done: list[Done]) -> str:
    return "\n".join(f"--- {index}: {each}" for index, each in enumerate(done))


def assert_same_predictions(found: Path, expected: Path) -> None:
    """Compare every prediction whose margin is more than rounding."""
    ours, theirs = load_predictions(found), load_predictions(expected)
    assert ours.keys() == theirs.keys()
    for name, predictions in ours.items():
        others = theirs[name]
        assert predictions.ids == others.ids
        np.testing.assert_array_equal(predictions.labels, others.labels)
        np.testing.assert_allclose(predictions.margin, others.margin, rtol=0, atol=1e-3)
        sure = others.margin > 1e-3
        assert sure.mean() > 0.9
        np.testing.assert_array_equal(predictions.top1[sure], others.top1[sure])


def assert_same_training(found: Path, expected: Path) -> None:
    """Compare the log: the same steps and counts; losses up to rounding, that Adam enlarges."""
    ours, theirs = (
        [json.loads(line) for line in _lines(p / "train.jsonl")] for p in (found, expected)
    )
    assert [r["step"] for r in ours] == [r["step"] for r in theirs]
    for record, other in zip(ours, theirs, strict=True):
        assert record.keys() == other.keys()
        if "loss" in record:
            first = record["step"] == 1
            assert record["loss"] == pytest.approx(other["loss"], rel=1e-6 if first else 1e-3)
            assert record["count"] == other["count"]


def test_a_run_in_two_processes_equals_one(workshop: Workshop, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = run_processes(2, wiseft(*run_arguments(workshop, run, "--json")))
    assert [each.returncode for each in done] == [0, 0], said(done)
    rows = read_rows(run)
    assert json.loads(done[0].stdout)["rows"] == rows
    assert done[1].stdout == ""
    assert "INFO fine-tuning" in done[0].stderr
    assert "INFO fine-tuning" not in done[1].stderr
    expected = read_rows(workshop.run)
    facts = ("dataset", "split", "role", "alpha", "n", "metric")
    assert [[r[f] for f in facts] for r in rows] == [[r[f] for f in facts] for r in expected]
    assert_same_predictions(run, workshop.run)
    assert_same_training(run, workshop.run)
    assert {path.name for path in run.iterdir()} == {path.name for path in workshop.run.iterdir()}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ("if rank: arguments += ['--training.seed', '5']", 2, "config.training.seed (0 on process"),
        ("if rank: arguments += ['--data.train', 'folder:/nowhere']", 2, "/nowhere"),
        ("if rank: arguments += ['--resume']", 2, "resume (False on process"),
    ],
    ids=["another configuration", "no images", "only one resumes"],
)
def test_what_one_process_is_given_ends_both_processes(
    inputs: Workshop, tmp_path: Path, fault: str, code: int, message: str
) -> None:
    started_at = time.monotonic()
    done = run_processes(2, faulty(fault, *run_arguments(inputs, tmp_path / "run")))
    assert time.monotonic() - started_at < ENDS_WITHIN_SECS
    for each in done:
        assert each.returncode == code, said(done)
        assert "wiseft: error: process" in each.stderr
        assert message in each.stderr
        assert "Traceback" not in each.stderr
    assert not (tmp_path / "run").exists()


BROKEN_READ = """
if rank:
    from wiseft_jax.data import pipeline
    read, calls = pipeline.load_image, []
    def load_image(dataset, position):
        calls.append(position)
        if len(calls) > 60:
            raise RuntimeError("the disk of this host is gone")
        return read(dataset, position)
    pipeline.load_image = load_image
"""

LONG = ("--training.epochs", "5000", "--training.eval-every-epochs", "None")


@pytest.mark.slow
def test_an_error_in_the_training_loop_ends_both_processes(
    inputs: Workshop, tmp_path: Path
) -> None:
    started_at = time.monotonic()
    done = run_processes(2, faulty(BROKEN_READ, *run_arguments(inputs, tmp_path / "run", *LONG)))
    assert time.monotonic() - started_at < 2 * ENDS_WITHIN_SECS
    for each in done:
        assert each.returncode == 1, said(done)
        assert "wiseft: error: process 1 of 2" in each.stderr
        assert "the disk of this host is gone" in each.stderr
    assert (tmp_path / "run" / "train.jsonl").is_file()


def wait_for_training(group: Group, run: Path) -> None:
    deadline = time.monotonic() + 240
    log = run / "train.jsonl"
    while not (log.is_file() and len(_lines(log)) > 5):
        assert all(process.poll() is None for process in group.processes), group.stderr(0)
        assert time.monotonic() < deadline, "training never started"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_other(inputs: Workshop, tmp_path: Path, killed: int) -> None:
    run = tmp_path / "run"
    with started(2, wiseft(*run_arguments(inputs, run, *LONG))) as group:
        wait_for_training(group, run)
        group.processes[killed].kill()
        started_at = time.monotonic()
        done = group.wait(ENDS_WITHIN_SECS)
        assert time.monotonic() - started_at < ENDS_WITHIN_SECS
    assert done[killed].returncode == -signal.SIGKILL
    survivor = done[1 - killed]
    assert survivor.returncode == 1, said(done)
    assert f"process {killed} of 2" in survivor.stderr
    assert "ended without a message" in survivor.stderr


@pytest.mark.slow
def test_a_bad_image_of_one_process(inputs: Workshop, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(inputs.shifted, photos)
    victim = sorted(photos.rglob("*.png"))[4]
    victim.write_bytes(victim.read_bytes()[:100])
    command = ["evaluate", "--model", str(inputs.model), "--data", f"set=folder:{photos}", "--json"]
    done = run_processes(2, wiseft(*command, *LOW_TIMEOUTS))
    for each in done:
        assert each.returncode == 2, said(done)
        assert victim.name in each.stderr
    command += ["--on-bad-image", "skip"]
    skipping = run_processes(2, wiseft(*command, *LOW_TIMEOUTS))
    assert [each.returncode for each in skipping] == [0, 0], said(skipping)
    (row,) = json.loads(skipping[0].stdout)
    assert row["n"] == 8
    alone = run_processes(1, wiseft(*command))
    assert json.loads(alone[0].stdout) == [row]


@pytest.mark.slow
def test_sigterm_to_one_process_saves_and_ends_both_processes(
    inputs: Workshop, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with started(2, wiseft(*run_arguments(inputs, run, *LONG))) as group:
        wait_for_training(group, run)
        group.processes[1].terminate()
        done = group.wait(ENDS_WITHIN_SECS)
    for each in done:
        assert each.returncode == 42, said(done)
        assert "; saved after step" in each.stderr
    assert "wiseft: interrupted: stopped by preemption;" in done[0].stderr
    assert "wiseft: interrupted: stopped by SIGTERM;" in done[1].stderr
    (saved,) = {
        line.split("saved after step ")[1].split()[0]
        for line in done[0].stderr.splitlines()
        if "saved after step" in line
    }
    assert (run / "checkpoints" / saved).is_dir()


def wait_for_word(group: Group, word: str) -> None:
    """Wait until every process has written ``word`` to stderr."""
    deadline = time.monotonic() + 240
    while not all(word in group.stderr(index) for index in range(2)):
        assert all(process.poll() is None for process in group.processes), group.stderr(0)
        assert time.monotonic() < deadline, f"never {word}"
        time.sleep(0.1)


ENDLESS_SWEEP = """
import time
from wiseft_jax.evaluation import sweep as module
def sweep(*arguments, **options):
    print("sweeping", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.1)
module.sweep = sweep
"""


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_after_training_ends_both_processes(
    inputs: Workshop, tmp_path: Path, signum: int
) -> None:
    arguments = run_arguments(inputs, tmp_path / "run")
    with started(2, faulty(ENDLESS_SWEEP, *arguments)) as group:
        wait_for_word(group, "sweeping")
        group.processes[1].send_signal(signum)
        done = group.wait(ENDS_WITHIN_SECS)
    for each in done:
        assert each.returncode == 42, said(done)
        assert "wiseft: interrupted: process 1 of 2" in each.stderr
        assert "; to continue, in every process: " in each.stderr


ENDLESS_EVALUATION = """
import time
from wiseft_jax.evaluation import evaluator as module
def evaluate(*arguments, **options):
    print("evaluating", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.1)
module.evaluate = evaluate
"""


@contextlib.contextmanager
def evaluating(inputs: Workshop) -> Iterator[Group]:
    """Start two processes, and wait until they evaluate, which doesn't end."""
    options = ["--model", str(inputs.model), "--data", f"set=folder:{inputs.shifted}"]
    command = faulty(ENDLESS_EVALUATION, "evaluate", *options, *SLOW_HEARTBEAT)
    with started(2, command) as group:
        wait_for_word(group, "evaluating")
        yield group


@pytest.mark.parametrize(
    "signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_to_one_evaluating_process_ends_both(
    inputs: Workshop, signum: signal.Signals
) -> None:
    with evaluating(inputs) as group:
        group.processes[1].send_signal(signum)
        done = group.wait(ENDS_WITHIN_SECS)
    for each in done:
        assert each.returncode == 42, said(done)
        assert "wiseft: interrupted: process 1 of 2" in each.stderr
        assert "; to start again" in each.stderr


@pytest.mark.parametrize(
    "signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_while_the_other_is_frozen_ends_the_one_with_its_message(
    inputs: Workshop, signum: signal.Signals
) -> None:
    """The signal is repeated after 3 s; that the other doesn't answer takes 5 s to find out."""
    with evaluating(inputs) as group:
        group.processes[1].send_signal(signal.SIGSTOP)
        group.processes[0].send_signal(signum)
        assert group.processes[0].wait(20) == 42, group.stderr(0)
        last = group.stderr(0).splitlines()[-1]
    assert last.startswith("wiseft: interrupted: process 0 of 2 (")
    assert "; to start again" in last


SIGNAL_BEFORE_TRAINING = """
if rank:
    import signal
    from wiseft_jax.cli import run as module
    def experiment_data(config):
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal was lost")
    module.experiment_data = experiment_data
"""


@pytest.mark.slow
def test_sigterm_before_training_ends_both_processes(inputs: Workshop, tmp_path: Path) -> None:
    arguments = run_arguments(inputs, tmp_path / "run")
    done = run_processes(2, faulty(SIGNAL_BEFORE_TRAINING, *arguments))
    for each in done:
        assert each.returncode == 42, said(done)
        assert "wiseft: interrupted: process 1 of 2" in each.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_of_two_processes_one_that_is_frozen_ends_the_other(
    inputs: Workshop, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = [*run_arguments(inputs, run, *LONG), *LOW_TIMEOUTS]  # a heartbeat of 10 s
    with started(2, wiseft(*arguments)) as group:
        wait_for_training(group, run)
        group.processes[1].send_signal(signal.SIGSTOP)  # as if its host had lost the network
        assert group.processes[0].wait(ENDS_WITHIN_SECS) != 0
        assert "stopped sending heartbeats" in group.stderr(0)
