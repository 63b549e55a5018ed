"""SIGTERM goes from JAX to Python and back, and is passed on: in real processes that joined."""

from __future__ import annotations

import json
import signal

from tests.helpers.processes import run_processes
from wiseft_jax.core import preemption


def test_alone_sigterm_is_pythons_already() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert not preemption.take_sigterm_back()
    assert signal.getsignal(signal.SIGTERM) is before


PROGRAM = """
import json, os, signal, time

import jax
from jax.experimental import multihost_utils

from wiseft_jax.core import preemption
from wiseft_jax.core.distributed import barrier, gather_json
from wiseft_jax.core.interrupt import catch_signals

first = jax.process_index() == 0
heard = []
found = {"was of JAX": [preemption.take_sigterm_back(), preemption.take_sigterm_back()]}
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
os.kill(os.getpid(), signal.SIGTERM)
found["heard"] = list(heard)

with catch_signals() as interruption:
    if first:
        os.kill(os.getpid(), signal.SIGTERM)
    found["at the last step"] = interruption.stop_requested(0, last=True)
found["not again"] = list(heard)

barrier("the loop starts")
steps = 0
with catch_signals() as interruption:
    while not interruption.stop_requested(steps + 1) and steps < 600:
        steps += 1
        time.sleep(0.1)
found["common step"] = gather_json(steps) == [steps, steps] and steps < 600

with catch_signals():
    os.kill(os.getpid(), signal.SIGTERM)
found["sent again"] = len(heard)
print(json.dumps(found), flush=True)
"""


def test_in_two_processes_python_has_sigterm_and_the_loop_tells_jax() -> None:
    done = run_processes(2, PROGRAM)
    assert [each.returncode for each in done] == [0, 0], done
    for each in done:
        assert json.loads(each.stdout.splitlines()[-1]) == {
            "was of JAX": [True, False],
            "heard": [1],
            "at the last step": True,
            "not again": [1],
            "common step": True,
            "sent again": 2,
        }
