"""Only the noise is dropped."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import types
import warnings
from typing import Any

import pytest

from wiseft_jax.core.orbax_noise import hush_orbax


def _record(path: str, level: int) -> logging.LogRecord:
    return logging.LogRecord("absl", level, path, 1, "message", None, None)


@pytest.mark.parametrize(
    ("path", "level", "kept"),
    [
        ("/site/orbax/checkpoint/manager.py", logging.WARNING, False),
        ("/site/orbax/checkpoint/future.py", logging.ERROR, False),
        ("/site/orbax/checkpoint/manager.py", logging.CRITICAL, True),
        ("/site/grain/loader.py", logging.WARNING, True),
    ],
)
def test_what_orbax_logs_goes_and_the_rest_stays(path: str, level: int, kept: bool):
    hush_orbax()
    assert bool(logging.getLogger("absl").filter(_record(path, level))) == kept


def test_only_what_comes_late_is_dropped(monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    hush_orbax()
    hook = sys.unraisablehook
    hush_orbax()
    assert sys.unraisablehook is hook
    errors = [
        RuntimeError("Event loop is closed"),
        Exception("Encountered error while reading array index: (slice(0, 3, 1),)"),
        Exception("another"),
        RuntimeError("another"),
        ValueError("Event loop is closed"),
    ]
    for error in errors:
        hook(types.SimpleNamespace(exc_value=error))  # type: ignore[arg-type]
    assert [unraisable.exc_value for unraisable in seen] == errors[2:]


def test_only_the_ends_of_orbaxs_threads_are_dropped(monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    hush_orbax()
    hook = threading.excepthook
    hush_orbax()
    assert threading.excepthook is hook
    theirs = type("Saver", (threading.Thread,), {"__module__": "orbax.checkpoint._src.futures"})
    ended = [types.SimpleNamespace(thread=thread) for thread in (threading.Thread(), theirs())]
    for each in ended:
        hook(each)  # type: ignore[arg-type]
    assert seen == ended[:1]


@pytest.mark.parametrize(
    ("module", "kept"), [("orbax.checkpoint._src.serialization", False), ("orbaxes", True)]
)
def test_only_the_writes_of_orbax_that_nobody_awaits_are_dropped(module: str, kept: bool):
    hush_orbax()
    written: dict[str, Any] = {"__name__": module}
    exec("def write():\n    raise ValueError('File too large')", written)
    logger = logging.getLogger("asyncio")
    try:
        written["write"]()
    except ValueError:
        info = sys.exc_info()
    record = logger.makeRecord("asyncio", logging.ERROR, "base_events.py", 1, "never", (), info)
    assert bool(logger.filter(record)) == kept
    assert logger.filter(_record("base_events.py", logging.ERROR))


@pytest.mark.parametrize(
    ("file", "kept"), [("3.orbax-checkpoint-tmp/opt/_sharding", False), ("3/_sharding", True)]
)
def test_only_what_tensorstore_says_of_a_save_is_dropped(file: str, kept: bool):
    hush_orbax()
    error = ValueError(f'RESOURCE_EXHAUSTED: Error writing local file "run/checkpoints/{file}"')
    logger = logging.getLogger("asyncio")
    info = (ValueError, error, None)
    record = logger.makeRecord("asyncio", logging.ERROR, "base_events.py", 1, "never", (), info)
    assert bool(logger.filter(record)) == kept


def test_a_coroutine_that_a_failed_save_leaves_is_no_warning():
    async def write() -> None:
        pass

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hush_orbax()
        write()  # pyright: ignore[reportUnusedCoroutine]
        gc.collect()
        warnings.warn("another", RuntimeWarning, stacklevel=1)
    assert [str(each.message) for each in caught] == ["another"]
