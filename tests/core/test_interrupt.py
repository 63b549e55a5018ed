"""Signals: the first one asks, the second one aborts, handlers are put back."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import jax
import pytest
from jax.experimental import multihost_utils

from wiseft_jax.core import preemption
from wiseft_jax.core.errors import Interrupted
from wiseft_jax.core.interrupt import (
    catch_signals,
    continue_command,
    how_to_continue,
    how_to_go_on,
    how_to_start_again,
    same_command,
)

RUN_DIR = Path("runs/a")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_a_flag(signum: signal.Signals) -> None:
    before = signal.getsignal(signum)
    with catch_signals() as interruption:
        assert not interruption.stop_requested(1)
        os.kill(os.getpid(), signum)
        assert interruption.stop_requested(2)
        stopped = interruption.stop("saved after step 2", RUN_DIR)
    assert signal.getsignal(signum) is before
    assert isinstance(stopped, Interrupted)
    assert f"stopped by {signum.name}; saved after step 2 in runs/a" in str(stopped)


def test_a_second_sigint_aborts_and_a_second_sigterm_waits() -> None:
    before = signal.getsignal(signal.SIGINT)
    with catch_signals() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.stop_requested(1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_of_the_main_thread_no_handler_is_installed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with catch_signals() as interruption:
            seen.append((signal.getsignal(signal.SIGTERM), interruption.stop_requested(1)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, False)]


def test_several_processes_agree_through_the_preemption_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(multihost_utils, "reached_preemption_sync_point", lambda step: step == 3)
    with catch_signals() as interruption:
        assert [interruption.stop_requested(step) for step in (2, 3)] == [False, True]
        said = str(interruption.stop("saved", RUN_DIR))
    assert "stopped by preemption" in said
    assert "to continue, in every process: " in said


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_of_several_processes_is_passed_on_once(
    monkeypatch: pytest.MonkeyPatch, signum: signal.Signals
) -> None:
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(multihost_utils, "reached_preemption_sync_point", lambda step: True)
    told = []
    monkeypatch.setattr(preemption, "notify", lambda: told.append(signum))
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with catch_signals() as interruption:
        os.kill(os.getpid(), signum)
        assert told == [signum]
        assert f"stopped by {signum.name}" in str(interruption.stop("saved", RUN_DIR))
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert told == [signum]
        assert interruption.stop_requested(1)
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_signal_that_nobody_asks_about_any_more_has_its_usual_effect() -> None:
    received = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: received.append(signum))
    try:
        with catch_signals() as interruption:
            assert not interruption.stop_requested(1, last=True)
            os.kill(os.getpid(), signal.SIGTERM)
            assert received == []
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/usr/bin/wiseft", "run", "flowers"], "wiseft run flowers --out runs/a --resume"),
        (
            ["wiseft", "train", "f.py", "--out=x", "--overwrite"],
            "wiseft train f.py --out=x --resume",
        ),
        (
            ["/site/wiseft_jax/__main__.py", "run", "a b", "--out", "x", "--resume"],
            "python -m wiseft_jax run 'a b' --out x --resume",
        ),
        (
            ["/opt/bin/wiseft", "quickstart", "--training.epochs", "2", "--no-resume"],
            "wiseft quickstart --training.epochs 2 --out runs/a --resume",
        ),
        (["/home/me/wiseft_jax/train.py", "run"], "the same call with resume=True"),
        (["notebook.py", "run"], "the same call with resume=True"),
        ([], "the same call with resume=True"),
    ],
)
def test_the_command_that_continues(argv: list[str], expected: str) -> None:
    assert continue_command(argv, RUN_DIR) == expected


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/usr/bin/wiseft", "sweep", "runs/a b"], "wiseft sweep 'runs/a b'"),
        (
            ["/site/wiseft_jax/__main__.py", "run", "x", "--overwrite"],
            "python -m wiseft_jax run x --overwrite",
        ),
        (["notebook.py", "sweep"], "the same call"),
    ],
)
def test_the_same_command(argv: list[str], expected: str) -> None:
    assert same_command(argv) == expected


def test_to_go_on_is_not_to_overwrite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/wiseft", "data", "prepare", "--overwrite", "a"])
    assert how_to_go_on() == "to go on: wiseft data prepare a"


@pytest.mark.parametrize(
    "own",
    [
        ["--distributed.process-id", "1"],
        ["--distributed.process-id=1"],
        ["--distributed.process_id", "1"],
    ],
)
def test_the_command_for_every_process_holds_no_ones_index(
    monkeypatch: pytest.MonkeyPatch, own: list[str]
) -> None:
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    argv = ["/bin/wiseft", "run", "flowers", "--distributed.num-processes", "2"]
    monkeypatch.setattr(sys, "argv", [*argv, *own, "--out", "x"])
    each = ", in every process, each with its own --distributed.process-id"
    command = "wiseft run flowers --distributed.num-processes 2 --out x"
    assert how_to_continue(Path("x")) == f"to continue{each}: {command} --resume"
    assert how_to_start_again() == f"to start again{each}: {command}"
    monkeypatch.setattr(sys, "argv", [*argv, "--out", "x"])  # the environment says the index
    assert how_to_continue(Path("x")) == f"to continue, in every process: {command} --resume"
    assert how_to_start_again() == f"to start again: {command}"
