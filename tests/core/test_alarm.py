"""A failure reaches every process with its message; so does the end of one that was killed."""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.processes import Done, run_processes
from wiseft_jax.core.alarm import Alarm, Failure, Invitation

HEARS_WITHIN_SECS = 30


class Trio:
    """Three connected alarms that hang up at a failure, and note it, in place of ending."""

    def __init__(self) -> None:
        self.heard: list[queue.Queue[Failure]] = [queue.Queue() for _ in range(3)]
        self.alarms = [Alarm(index, 3, self._end(index)) for index in range(3)]
        self.invitation = Invitation.from_json(self.alarms[0].invite("127.0.0.1").to_json())
        assert all(alarm.answer(self.invitation) for alarm in self.alarms)

    def _end(self, index: int) -> Callable[[Failure, int], None]:
        def end(failure: Failure, count: int) -> None:
            assert count == 3
            self.heard[index].put(failure)
            self.alarms[index].close()

        return end

    def hear(self, index: int) -> Failure:
        return self.heard[index].get(timeout=HEARS_WITHIN_SECS)

    def nothing_more(self) -> bool:
        time.sleep(0.3)
        return all(each.empty() for each in self.heard)


@pytest.fixture
def trio() -> Iterator[Trio]:
    trio = Trio()
    yield trio
    for alarm in trio.alarms:
        alarm.close()


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_everybody_hears_of_a_failure(trio: Trio, failing: int):
    trio.alarms[failing].raise_failure(2, "--data.train: no such file")
    for index in range(3):
        failure = trio.hear(index)
        assert (failure.process, failure.code) == (failing, 2)
        assert failure.message == "--data.train: no such file"
        assert failure.host == socket.gethostname()
    assert trio.nothing_more()


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_everybody_hears_of_a_process_that_was_killed(trio: Trio, killed: int):
    trio.alarms[killed].close()  # as the kernel does
    for index in {0, 1, 2} - {killed}:
        failure = trio.hear(index)
        assert (failure.process, failure.code) == (killed, 1)
        assert "ended without a message" in failure.message


def test_after_the_farewell_an_end_is_no_failure(trio: Trio):
    for alarm in trio.alarms:
        alarm.leave()
    for alarm in trio.alarms:
        alarm.close()
    assert trio.nothing_more()


@pytest.mark.parametrize("of_the_kernel", [False, True])
def test_the_hub_outlives_a_line_that_is_closed_while_it_comes_in(of_the_kernel: bool):
    hub = Alarm(0, 2, lambda failure, count: None)
    admit, closed = hub._admit, []

    def admit_and_close() -> Any:
        line = admit()
        if line is not None and not closed:
            closed.append(line)
            if of_the_kernel:  # between asking for its number and watching it
                os.close(line.socket.fileno())
            else:
                line.close()
        return line

    hub._admit = admit_and_close  # type: ignore[method-assign]
    invitation = hub.invite("127.0.0.1")
    for _ in range(2):
        other = Alarm(1, 2, lambda failure, count: None)
        assert other.answer(invitation)
        other.leave()
        other.close()
    assert closed
    closed[0].socket.detach()
    hub.leave()
    hub.close()


def test_of_two_failures_everybody_tells_one(trio: Trio):
    threads = [
        threading.Thread(target=alarm.raise_failure, args=(2, str(alarm.index)))
        for alarm in trio.alarms
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HEARS_WITHIN_SECS)
    assert {trio.hear(index).message for index in range(3)} <= {"0", "1", "2"}
    assert trio.nothing_more()


def test_strangers_are_not_heard(trio: Trio):
    lie = b'{"failure": {"process": 1, "host": "x", "code": 0, "message": "lie"}}\n'
    port = trio.invitation.port
    for hello in (b"GET / HTTP/1.1\r\n\r\n", '{"token": "é", "process": 1}\n'.encode(), b"\xff\n"):
        with socket.create_connection(("127.0.0.1", port), 5) as stranger:
            stranger.sendall(hello + lie)
    wrong = Alarm(1, 3, lambda failure, count: None)
    assert not wrong.answer(Invitation(("127.0.0.1",), port, "guess"))
    assert trio.nothing_more()
    trio.alarms[2].raise_failure(1, "the real one")
    assert [trio.hear(index).message for index in range(3)] == ["the real one"] * 3


def test_a_hub_that_cannot_be_reached_is_said(caplog: pytest.LogCaptureFixture):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        alarm = Alarm(1, 2)
        assert not alarm.answer(Invitation(("127.0.0.1",), port, "token"))
    assert f"can't be reached at port {port} of 127.0.0.1" in caplog.text


def test_the_sentence_names_process_and_host():
    failure = Failure(1, "node07", 2, "no such file")
    assert failure.sentence(4) == "wiseft: error: process 1 of 4 (node07): no such file"
    stopped = Failure(0, "node06", 42, "SIGINT")
    assert stopped.sentence(4).startswith("wiseft: interrupted: process 0 of 4")


PROGRAM = """
import os, sys, time
from wiseft_jax.core.alarm import Alarm, Invitation

rank, failing, path = int(os.environ["JAX_PROCESS_ID"]), int(sys.argv[1]), sys.argv[2]
alarm = Alarm(rank, 3)
if rank == 0:
    invitation = alarm.invite("127.0.0.1")
    with open(path + ".part", "w") as file:
        file.write(f"{invitation.port} {invitation.token}")
    os.rename(path + ".part", path)
else:
    while not os.path.exists(path):
        time.sleep(0.02)
    port, token = open(path).read().split()
    assert alarm.answer(Invitation(("127.0.0.1",), int(port), token))
time.sleep(1)
if rank == failing:
    alarm.raise_failure(3, "it is broken")
while True:
    sum(range(1000))  # the main thread is busy; the alarm's ends the process
"""


@pytest.mark.parametrize("failing", [0, 2])
def test_failure_ends_all_processes(tmp_path: Path, failing: int):
    command = [sys.executable, "-c", PROGRAM, str(failing), str(tmp_path / "invitation")]
    done: list[Done] = run_processes(3, command, timeout_secs=HEARS_WITHIN_SECS)
    assert [each.returncode for each in done] == [3, 3, 3], done
    host = socket.gethostname()
    expected = f"wiseft: error: process {failing} of 3 ({host}): it is broken\n"
    assert [each.stderr for each in done] == [expected] * 3
