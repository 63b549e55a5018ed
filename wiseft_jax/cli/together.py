"""Run a verb as one of several processes, where options or the environment ask for it.

Whatever ends one process ends all of them, with its message (``core.alarm``). Process 0 alone
prints results; the others log warnings only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from wiseft_jax.cli.common import CommonOptions
from wiseft_jax.cli.failures import explain
from wiseft_jax.core.distributed_config import DistributedConfig, Rendezvous
from wiseft_jax.core.errors import EXIT_INTERNAL, InputError, Interrupted
from wiseft_jax.core.mesh_config import MeshConfig

if TYPE_CHECKING:
    from wiseft_jax.core.alarm import Alarm
    from wiseft_jax.core.run_directory import RunDirectory

_ANOTHERS_SECS = 5.0
"""How long a broken collective waits for the message of the process that broke it."""


@contextlib.contextmanager
def together(
    common: CommonOptions,
    config: DistributedConfig,
    mesh: MeshConfig = MeshConfig(),
) -> Iterator[bool]:
    """Set up logging and, if there are other processes, join them; yield whether this one prints.

    Args:
      common: The options of every verb.
      config: Where the others are.
      mesh: The devices that the verb will use.
    """
    common.apply()
    rendezvous = config.rendezvous()
    if rendezvous is None:
        _cache_programs()
        yield True
        return
    _keep_stdout()
    alarm = _join(rendezvous, config, common)
    if alarm is None:
        _cache_programs()
        yield True
        return
    from wiseft_jax.core import distributed

    try:
        distributed.warm_up(mesh.build())
        yield distributed.is_first()
        distributed.barrier("end of the program")
        alarm.leave()
    except Interrupted as error:
        _turn_deaf()
        _part(error, alarm, config)
        raise
    except BaseException as error:
        _end_all(error, alarm, debug=common.debug)
    distributed.leave()


def _join(rendezvous: Rendezvous, config: DistributedConfig, common: CommonOptions) -> Alarm | None:
    """Join the others and connect to them; None if there are none after all (a single TPU VM)."""
    import jax

    from wiseft_jax.core import distributed
    from wiseft_jax.core.alarm import Alarm, Invitation

    try:
        distributed.join(rendezvous, config, _give_up)
        index, count = jax.process_index(), jax.process_count()
        if count == 1:
            return None
        common.apply(process_index=index)
        _cache_programs()
        alarm = Alarm(index, count)
        host = rendezvous.coordinator.rpartition(":")[0] if rendezvous.coordinator else None
        invitation = distributed.of_first(alarm.invite(host).to_json() if index == 0 else {})
        alarm.answer(Invitation.from_json(invitation))
        distributed.barrier("alarms are set")
    except (KeyboardInterrupt, Exception) as error:
        _give_up(error)
    return alarm


def _give_up(error: BaseException) -> NoReturn:
    """Say why and end this process; a normal exit would wait for the others."""
    ending = explain(error)
    print(f"wiseft: {ending.what}: {ending.message}", file=sys.stderr, flush=True)
    os._exit(ending.code)


def _cache_programs() -> None:
    from wiseft_jax.core import compilation_cache

    compilation_cache.enable()


def _keep_stdout() -> None:
    """Leave stdout to Python: Gloo reports its connections there, amid what ``--json`` prints."""
    try:
        sys.stdout.flush()
        kept = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    except OSError:
        return
    sys.stdout = os.fdopen(kept, "w", encoding=sys.stdout.encoding)


def _turn_deaf() -> None:
    """Let no signal, nor the one that repeats a signal, break off what ends this process."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)


def _part(error: Interrupted, alarm: Alarm, config: DistributedConfig) -> None:
    """Leave the others, where all have saved; somebody may still be closing files."""
    from wiseft_jax.core import distributed

    code, message = explain(error).code, str(error)
    timer = threading.Timer(config.shutdown_timeout_secs, alarm.raise_failure, (code, message))
    timer.daemon = True
    timer.start()
    try:
        distributed.barrier("end of an interrupted program")
        alarm.leave()
        timer.cancel()
        distributed.leave()
    except BaseException:  # what was saved is there, whatever has become of the others
        try:
            alarm.raise_failure(code, message)
        finally:
            os._exit(code)


def _end_all(error: BaseException, alarm: Alarm, *, debug: bool) -> NoReturn:
    """End all processes with this one's message; it never returns, whatever goes wrong."""
    code = EXIT_INTERNAL
    try:
        _turn_deaf()
        import jax

        from wiseft_jax.core.alarm import LINGER_SECS

        ending = explain(error)
        code = ending.code
        if isinstance(error, jax.errors.JaxRuntimeError):
            time.sleep(_ANOTHERS_SECS)  # most likely another's end; its message ends this process
        if debug:
            traceback.print_exception(error)
        alarm.raise_failure(code, ending.message)
        time.sleep(_ANOTHERS_SECS + LINGER_SECS)  # another's failure is passed on, and ends this
    finally:
        os._exit(code)


def prepare(directory: RunDirectory, config: Any, facts: dict[str, Any], **mode: Any) -> None:
    """Check that all processes run the same experiment; create its directory, in process 0.

    Args:
      directory: The run directory; on a file system that all processes share.
      config: The resolved configuration.
      facts: What else must be the same.
      **mode: As of ``RunDirectory.prepare``.

    Raises:
      InputError: If something differs, or another process's directory isn't this one.
    """
    from wiseft_jax.core import distributed
    from wiseft_jax.core.config_io import read_json
    from wiseft_jax.core.run_directory import describe

    described = describe(config)
    asked = {name: mode.get(name, False) for name in ("resume", "overwrite")}
    distributed.assert_same({**described, **facts, **asked, "out": str(directory.path)})
    if distributed.is_first():
        directory.prepare(config, **mode)
    distributed.barrier("the run directory is there")

    def look() -> bool:
        return directory.config_file.is_file() and read_json(directory.config_file) == described

    if not distributed.all_see(look, directory.config_file) and not look():
        raise InputError(
            f"{directory.path}: the configuration that process 0 wrote there isn't to be seen from"
            " here: --out must be a directory that all hosts share (NFS, say)"
        )


@contextlib.contextmanager
def held(directory: RunDirectory, option: str = "--out") -> Iterator[None]:
    """Let no other program of process 0's host work in a run directory during the block.

    Args:
      directory: The run.
      option: What gives another one; empty where nothing does.

    Raises:
      InputError: In process 0, if one does.
    """
    from wiseft_jax.core.distributed import is_first
    from wiseft_jax.core.run_lock import hold

    with hold(directory.path, option=option) if is_first() else contextlib.nullcontext():
        yield
