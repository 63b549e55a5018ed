"""SIGTERM and SIGINT: finish the step, save, leave with the command that continues."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from wiseft_jax.core import preemption
from wiseft_jax.core.errors import Interrupted

logger = logging.getLogger(__name__)

_PROCESS_ID = "--distributed.process-id"
_EACH_ITS_OWN = f", each with its own {_PROCESS_ID}"
_SAID_ANEW = ("--overwrite", "--no-overwrite", "--resume", "--no-resume")


class Interruption:
    """Whether a signal asked the program to stop; made by ``catch_signals``."""

    def __init__(self) -> None:
        self._signum: int | None = None
        self._heeded = False

    def stop_requested(self, step: int = 0, *, last: bool = False) -> bool:
        """Return whether to save and leave now; ask once after every step.

        With several processes, JAX's preemption service turns a signal to any of them into one
        common step, at which this is true everywhere. After the last step there is no later one to
        agree on: then the processes tell each other, in a collective.

        Args:
          step: The number of complete steps, the same on every process.
          last: Whether this is the last time that it is asked.
        """
        import jax

        stop = self._signum is not None
        if jax.process_count() > 1:
            from jax.experimental import multihost_utils

            from wiseft_jax.core.distributed import gather_json

            reached = multihost_utils.reached_preemption_sync_point(step)
            stop = any(gather_json(stop or reached)) if last else reached
        self._heeded = self._heeded or stop
        return stop

    def stop(self, where: str, run_dir: Path) -> Interrupted:
        """Return the exception to raise once everything is saved.

        Args:
          where: What was saved, for example ``"saved after step 40"``.
          run_dir: The run directory.
        """
        name = "preemption" if self._signum is None else signal.Signals(self._signum).name
        return Interrupted(f"stopped by {name}; {where} in {run_dir}; {how_to_continue(run_dir)}")

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._signum is not None:
            if signum == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self._signum = signum
        logger.warning(
            "%s: finishing this step and saving (Ctrl-C to stop at once)",
            signal.Signals(signum).name,
        )

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        """Tell the other processes too, through JAX."""
        first = self._signum is None
        self._handle(signum, frame)
        if first:
            preemption.notify()

    def _unheeded(self) -> int | None:
        """Return the signal that came too late for anybody to ask."""
        return None if self._heeded else self._signum


@contextlib.contextmanager
def catch_signals() -> Iterator[Interruption]:
    """Turn the first SIGTERM or SIGINT of the block into a flag; a second SIGINT aborts.

    With several processes the signal to any of them is passed on to JAX's preemption service, and
    so stops all of them after a common step. Handlers are put back at the end; a signal that came
    after the block last asked is sent again then, and has its usual effect. Outside of the main
    thread none are installed.

    Example:
      >>> with catch_signals() as interruption:
      ...     for step in range(1, 101):
      ...         state = train_step(state)
      ...         if interruption.stop_requested(step):
      ...             save(state)
      ...             raise interruption.stop(f"saved after step {step}", run_dir)
    """
    import jax

    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    several = jax.process_count() > 1
    was_of_jax = several and preemption.take_sigterm_back()
    handler = interruption._pass_on if several else interruption._handle
    previous = {each: signal.signal(each, handler) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield interruption
    finally:
        for each, before in previous.items():
            signal.signal(each, before)
        if was_of_jax:
            preemption.hand_sigterm_over()
    late = interruption._unheeded()
    if late is not None:
        os.kill(os.getpid(), late)


def how_to_continue(run_dir: Path) -> str:
    """Return ``"to continue: COMMAND"`` for this program and a run directory."""
    import jax

    if jax.process_count() == 1:
        return f"to continue: {continue_command(sys.argv, run_dir)}"
    argv = _of_all(sys.argv)
    own = _EACH_ITS_OWN if argv != sys.argv else ""
    return f"to continue, in every process{own}: {continue_command(argv, run_dir)}"


def continue_command(argv: Sequence[str], run_dir: Path) -> str:
    """Return the command that continues the run that ``argv`` (``sys.argv``) started.

    What starts the processes (srun, torchrun) isn't in ``argv``: it goes before the command as it
    did the first time.

    Example:
      >>> continue_command(["/usr/bin/wiseft", "run", "flowers"], Path("runs/a"))
      'wiseft run flowers --out runs/a --resume'
    """
    start = _start(argv)
    if start is None:
        return "the same call with resume=True"
    words = [word for word in argv[1:] if word not in _SAID_ANEW]
    if not any(word == "--out" or word.startswith("--out=") for word in words):
        words += ["--out", str(run_dir)]
    return shlex.join([*start, *words, "--resume"])


def how_to_start_again() -> str:
    """Return ``"to start again: COMMAND"`` for this program."""
    argv = _of_all(sys.argv)
    own = f", in every process{_EACH_ITS_OWN}" if argv != sys.argv else ""
    return f"to start again{own}: {same_command(argv)}"


def how_to_go_on() -> str:
    """Return ``"to go on: COMMAND"``, of a program that goes on when it is called again.

    ``--overwrite`` is left out: it would begin again.
    """
    return f"to go on: {same_command([word for word in sys.argv if word != '--overwrite'])}"


def how_to_make_the_rest() -> str:
    """Return ``"the same command makes the rest: COMMAND"``."""
    return f"the same command makes the rest: {same_command(sys.argv)}"


def same_command(argv: Sequence[str]) -> str:
    """Return the command that ``argv`` (``sys.argv``) was.

    Example:
      >>> same_command(["/usr/bin/wiseft", "sweep", "runs/a"])
      'wiseft sweep runs/a'
    """
    start = _start(argv)
    return "the same call" if start is None else shlex.join([*start, *argv[1:]])


def _of_all(argv: Sequence[str]) -> list[str]:
    """Return the arguments without those that one of several processes alone was given."""
    kept, drops = [], False
    for word in argv:
        name, given, _ = word.replace("_", "-").partition("=")
        if drops or name == _PROCESS_ID:
            drops = not drops and not given
        else:
            kept.append(word)
    return kept


def _start(argv: Sequence[str]) -> list[str] | None:
    """Return how the program was called; None if it wasn't from the command line."""
    program = Path(argv[0]) if argv else Path()
    if program.parts[-2:] == ("wiseft_jax", "__main__.py"):
        return ["python", "-m", "wiseft_jax"]
    return ["wiseft"] if program.name == "wiseft" else None
