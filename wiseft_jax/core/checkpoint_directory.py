"""A directory of checkpoints made ready: it is there, takes files, and is one run's alone.

In a run directory it is that run's. Elsewhere (``checkpoints.directory``) two runs may be sent to
the same place, on different hosts, too, and into a bucket, where there are no locks; so the run
that works there says so in a file, ``owner.json``, and nobody else saves there or removes anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
from etils import epath

from wiseft_jax.core.checkpoint_errors import first_line, is_of_files, together
from wiseft_jax.core.checkpoint_files import (
    has_facts,
    is_directory,
    is_remote,
    not_shared,
    reaching,
)
from wiseft_jax.core.distributed import all_see
from wiseft_jax.core.errors import CheckpointWriteError, InputError
from wiseft_jax.core.run_lock import hold
from wiseft_jax.core.writers import write_json, write_text

logger = logging.getLogger(__name__)

OWNER_FILE = "owner.json"
"""Says whose a directory of checkpoints is that isn't in a run directory."""

RUN_ID_FILE = "run_id"
"""In a run directory: what its checkpoints elsewhere know it by, wherever it is moved."""

PARTIAL = ".orbax-checkpoint-tmp"
"""What the name of a local directory holds while it is being written."""


@dataclasses.dataclass(frozen=True)
class Owner:
    """What ``owner.json`` says.

    Attributes:
      run: The id of the run, random; also in its run directory.
      session: The id of the program that opened the directory last, random.
      task: The hash of what decides the run's weights; empty if it isn't known.
      where: ``HOST:DIRECTORY`` of the run when it opened the directory.
    """

    run: str
    session: str
    task: str
    where: str


class Ownership:
    """The claim of a run to its directory of checkpoints; for process 0 alone.

    Args:
      directory: The directory of checkpoints.
      run_dir: The run directory.
      outside: Whether the one isn't in the other.
    """

    def __init__(self, directory: epath.Path, run_dir: Path, *, outside: bool) -> None:
        self._directory, self._run_dir, self._outside = directory, Path(run_dir), outside
        self._where = f"{socket.gethostname()}:{self._run_dir.absolute()}"
        self._held = contextlib.ExitStack()
        self._owner: Owner | None = None

    def check_free(self) -> None:
        """Refuse another run's directory, and change nothing.

        Raises:
          InputError: Says whose it is, and what to do.
        """
        found = read_owner(self._directory)
        if found is not None and not self._is_own(found):
            raise InputError(self._of_another(found))

    def take(self, task: str, *, resume: bool) -> None:
        """Make the directory this run's, until ``release``.

        A run that is resumed may take over what a run of the same task has left: its run directory
        may be lost, or elsewhere under another name.

        Args:
          task: The hash of what decides the run's weights; empty if it isn't known.
          resume: Whether an earlier run is continued.

        Raises:
          InputError: If it is another run's, or a program is at work there.
        """
        self.release()
        with contextlib.ExitStack() as stack:
            if not is_remote(self._directory):
                lock = hold(
                    Path(self._directory), "directory of checkpoints", "--checkpoints.directory"
                )
                stack.enter_context(lock)
            found = read_owner(self._directory)
            if found is not None and not self._is_own(found):
                if not (resume and task and found.task == task):
                    raise InputError(self._of_another(found))
                logger.warning("%s: taken over from the run at %s", self._directory, found.where)
            if self._outside:
                self._claim(task, is_new=found is None)
            self._held = stack.pop_all()

    def check(self) -> None:
        """See that the directory is still this run's.

        Raises:
          CheckpointWriteError: If another program has taken it over.
        """
        if self._owner is None:
            return
        found = read_owner(self._directory)
        if found != self._owner:
            who = "somebody removed its owner.json" if found is None else f"by {found.where}"
            raise CheckpointWriteError(
                f"{self._directory}: no longer this run's: taken over ({who}); nothing is saved"
                " there any more. Two runs need two directories (--checkpoints.directory)"
            )

    def release(self) -> None:
        """Let others of this host in again."""
        self._held.close()

    def _claim(self, task: str, *, is_new: bool) -> None:
        partial = next(iter(partial_saves(self._directory)), None) if is_new else None
        if partial is not None:
            raise InputError(
                f"{partial}: an incomplete save of another run, which may be at work; remove it if"
                " that run is over, or give another --checkpoints.directory"
            )
        session = secrets.token_hex(8)
        run = self._run_id() or session
        if task:  # of a run; else somebody only uses the class
            write_text(self._run_dir / RUN_ID_FILE, run + "\n")
        owner = Owner(run, session, task, self._where)
        if is_remote(self._directory):
            (self._directory / OWNER_FILE).write_text(json.dumps(dataclasses.asdict(owner)))
        else:
            write_json(Path(self._directory / OWNER_FILE), dataclasses.asdict(owner))
        self._owner = owner

    def _is_own(self, owner: Owner) -> bool:
        return owner.where == self._where or owner.run == self._run_id()

    def _run_id(self) -> str | None:
        try:
            return (self._run_dir / RUN_ID_FILE).read_text(encoding="utf-8").strip() or None
        except OSError:
            return None

    def _of_another(self, owner: Owner) -> str:
        return (
            f"{self._directory}: it belongs to another run ({owner.where}), which may be at work;"
            " give another --checkpoints.directory, or, if that run is over and not to be"
            f" continued, remove {self._directory / OWNER_FILE}"
        )


def read_owner(directory: epath.Path) -> Owner | None:
    """Return whose a directory of checkpoints is; None if nobody has said so.

    Raises:
      InputError: If it can't be read.
    """
    file = directory / OWNER_FILE
    with reaching(directory):
        if not is_directory(directory) or not file.exists():
            return None
        text = file.read_text()
    try:
        return Owner(**json.loads(text))
    except (ValueError, TypeError):
        raise InputError(
            f"{file}: it doesn't say whose the directory is; remove it if no run is at work there"
        ) from None


def prepare_directory(directory: epath.Path) -> None:
    """Make the directory, and see in every process that one may write there; a collective.

    Raises:
      InputError: If one may not, or if the processes don't share it.
    """
    if not is_remote(directory):  # there are no directories in a bucket
        is_first = jax.process_index() == 0
        together(lambda: _keeping(directory, _make_directory) if is_first else None)
        if not all_see(lambda: is_directory(directory), directory):
            raise InputError(not_shared(directory))
    together(lambda: _keeping(directory, _probe_writing))


def partial_saves(directory: epath.Path) -> list[epath.Path]:
    """Return what is being saved in a local directory, or was when its process was killed."""
    if is_remote(directory):  # a save to a bucket is broken off without a trace
        return []
    return [path for path in directory.iterdir() if PARTIAL in path.name and is_directory(path)]


def remove_partial(directory: epath.Path, steps: Sequence[int]) -> None:
    """Remove what a process of this run that was killed left in a local directory, and say so.

    Args:
      directory: Where the checkpoints are; this run's own.
      steps: Those that look complete, in order. An old one without facts was being removed.
    """
    for path in partial_saves(directory):
        logger.warning("%s: an incomplete save of an earlier process; removed", path)
        path.rmtree()
    for path in (directory / str(step) for step in steps[:-1]):
        if not has_facts(path):
            logger.warning("%s: an old checkpoint that was removed in part; removed", path)
            path.rmtree()


def _keeping(directory: epath.Path, act: Callable[[epath.Path], None]) -> None:
    try:
        act(directory)
    except Exception as error:
        if not (is_of_files(error) or is_remote(directory)):
            raise
        raise InputError(
            f"{directory}: checkpoints can't be written there ({first_line(error)}); make that"
            " possible, or give another directory (of the run, or as checkpoints.directory)"
        ) from None


def _make_directory(directory: epath.Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)


def _probe_writing(directory: epath.Path) -> None:
    """Write a file of this process's there, and remove it."""
    probe = directory / f".write-probe-{jax.process_index()}-{secrets.token_hex(4)}"
    probe.write_text("This file may be removed.\n", encoding="utf-8")
    probe.unlink()
