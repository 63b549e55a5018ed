"""Several JAX processes on this machine, over loopback: start them, wait, read what they said."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECS = 240.0
GRACE_SECS = 60.0
"""How long the others may go on once one process has failed."""

_UNSET = ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR", "JAX_NUM_CPU_DEVICES")
"""Settings of the test session; a cache of compiled programs makes processes start unevenly."""

LOW_TIMEOUTS = (
    *("--distributed.init-timeout-secs", "120"),
    *("--distributed.heartbeat-timeout-secs", "10"),
    *("--distributed.shutdown-timeout-secs", "30"),
)
"""Options for the command line, so that a test of a failure is over soon."""

_PRELUDE = "from tests.helpers.processes import join; join()\n"


class Done(NamedTuple):
    """How a process ended; a negative ``returncode`` is the signal that killed it."""

    returncode: int
    stdout: str
    stderr: str


class Group:
    """Processes that are running.

    Attributes:
      processes: By process index.
    """

    def __init__(self, processes: list[subprocess.Popen], files: list[tuple[Path, Path]]) -> None:
        self.processes = processes
        self._files = files

    def stderr(self, index: int) -> str:
        """Return what a process has written to stderr so far."""
        return self._files[index][1].read_text(errors="replace")

    def wait(self, timeout_secs: float = TIMEOUT_SECS) -> list[Done]:
        """Return how each one ended; kill those left ``GRACE_SECS`` after another's failure.

        Raises:
          AssertionError: If some are still running after ``timeout_secs``; shows what they said.
        """
        deadline = time.monotonic() + timeout_secs
        failed = False
        while any(process.poll() is None for process in self.processes):
            if not failed and any(process.poll() for process in self.processes):
                failed, deadline = True, min(deadline, time.monotonic() + GRACE_SECS)
            if time.monotonic() > deadline and not failed:
                said = "\n".join(str(done) for done in self._results())
                raise AssertionError(f"still running after {timeout_secs:g} s:\n{said}")
            if time.monotonic() > deadline:
                self.kill()
            time.sleep(0.05)
        return self._results()

    def kill(self) -> None:
        """Kill those that are running."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _results(self) -> list[Done]:
        return [
            Done(
                -1 if process.returncode is None else process.returncode,
                *(path.read_text(errors="replace") for path in paths),
            )
            for process, paths in zip(self.processes, self._files, strict=True)
        ]


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def started(
    count: int,
    program: str | Sequence[str],
    *,
    devices_per_process: int = 1,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Group]:
    """Start processes that are told about each other; kill what is left at the end.

    Args:
      count: How many. ``JAX_COORDINATOR_ADDRESS``, ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID``
        are set in each: the command line reads them, and so does ``join``.
      program: Python source, run after ``join()`` (with one process too); or a command.
      devices_per_process: CPU devices of each.
      env: Further environment variables.
      cwd: Where they run.
    """
    command = [sys.executable, "-c", _PRELUDE + program] if isinstance(program, str) else program
    base = {
        name: value
        for name, value in os.environ.items()
        if name not in _UNSET and not name.lower().endswith("_proxy")
    } | {
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices_per_process}",
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}",
        "JAX_NUM_PROCESSES": str(count),
    }
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        files, processes = [], []
        for index in range(count):
            paths = (Path(directory, f"{index}.out"), Path(directory, f"{index}.err"))
            out, err = (stack.enter_context(path.open("wb")) for path in paths)
            environment = {**base, "JAX_PROCESS_ID": str(index), **(env or {})}
            processes.append(
                subprocess.Popen(list(command), env=environment, cwd=cwd, stdout=out, stderr=err)
            )
            files.append(paths)
        group = Group(processes, files)
        stack.callback(group.kill)
        yield group


def run_processes(
    count: int,
    program: str | Sequence[str],
    *,
    devices_per_process: int = 1,
    timeout_secs: float = TIMEOUT_SECS,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> list[Done]:
    """Run processes to their end; arguments as of ``started`` and ``Group.wait``.

    Example:
      >>> run_processes(2, "import jax; print(jax.process_count())")
      [Done(returncode=0, stdout='2\\n', ...), Done(returncode=0, stdout='2\\n', ...)]
    """
    with started(
        count, program, devices_per_process=devices_per_process, env=env, cwd=cwd
    ) as group:
        return group.wait(timeout_secs)


def join() -> None:
    """Join the other processes (nothing for one alone), and end at once if anything raises."""
    import jax

    def end(kind: type[BaseException], error: BaseException, traceback: object) -> None:
        sys.__excepthook__(kind, error, error.__traceback__)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)  # a normal exit would wait for the others, and they for this one

    sys.excepthook = end
    count = int(os.environ["JAX_NUM_PROCESSES"])
    if count > 1:
        jax.distributed.initialize(
            os.environ["JAX_COORDINATOR_ADDRESS"],
            count,
            int(os.environ["JAX_PROCESS_ID"]),
            initialization_timeout=120,
            heartbeat_timeout_seconds=10,
            shutdown_timeout_seconds=30,
        )
        _warm_up()


def _warm_up() -> None:
    """Connect all devices: Gloo waits only 30 s for the last one, and compilations may differ."""
    import jax
    import numpy as np
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    count = jax.device_count()
    mesh = jax.make_mesh((count,), ("all",), axis_types=(AxisType.Auto,))
    ones = jax.make_array_from_callback(
        (count,), NamedSharding(mesh, PartitionSpec("all")), lambda _: np.ones(1)
    )
    total = jax.jit(lambda x: x.sum(), out_shardings=NamedSharding(mesh, PartitionSpec()))(ones)
    assert float(total) == count
