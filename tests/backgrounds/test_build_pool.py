"""The map over processes: order, laziness, errors, and no orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wiseft_jax.backgrounds.build_pool import default_workers, map_in_order


def doubled(thing: int) -> int:
    time.sleep(0.01 * (thing % 2))
    return 2 * thing


def own_pid(thing: int) -> int:
    del thing
    return os.getpid()


def fail(thing: int) -> int:
    raise OSError(28, f"no space for {thing}")


def die(thing: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return thing


def test_results_come_in_order_and_things_are_taken_as_needed():
    taken = []

    def things():
        for thing in range(40):
            taken.append(thing)
            yield thing

    results = map_in_order(doubled, things(), 2)
    assert next(results) == 0
    assert len(taken) <= 8
    assert list(results) == [2 * thing for thing in range(1, 40)]
    assert os.getpid() not in set(map_in_order(own_pid, range(4), 2))
    assert list(map_in_order(own_pid, range(2), 1)) == [os.getpid()] * 2


def test_a_workers_error_is_raised_and_a_killed_worker_is_told():
    with pytest.raises(OSError, match="no space for 0"):
        list(map_in_order(fail, range(3), 2))
    with pytest.raises(RuntimeError, match="a worker process was killed"):
        list(map_in_order(die, range(3), 2))


def test_there_is_at_least_one_worker_and_not_too_many():
    assert 1 <= default_workers() <= 8


PROGRAM = """
import time
from tests.backgrounds.test_build_pool import own_pid
from wiseft_jax.backgrounds.build_pool import map_in_order
if __name__ == "__main__":
    results = map_in_order(own_pid, iter(range(100)), 2)
    print(next(results), flush=True)
    time.sleep(60)
"""


def test_workers_end_when_the_program_is_killed(tmp_path: Path):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen(
        [sys.executable, str(file)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    ) as program:
        assert program.stdout is not None
        worker = int(program.stdout.readline())
        program.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{worker}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break  # ended; nobody has asked how
        time.sleep(0.05)
    assert time.monotonic() < deadline
