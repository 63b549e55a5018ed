"""A function over many things in worker processes: results in order, few in flight."""

from __future__ import annotations

import collections
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_WORKERS = 8
_IN_FLIGHT = 4
"""Things a worker that are handed out and not taken back yet."""


def default_workers() -> int:
    """Return one worker for each core that this process may use, at most ``MOST_WORKERS``."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, MOST_WORKERS))


def map_in_order(function: Callable[[T], R], things: Iterable[T], workers: int) -> Iterator[R]:
    """Yield ``function(thing)`` for each, in order.

    Processes and not threads: Pillow writes PNG under the interpreter's lock. They are started
    anew, so that no library's threads are forked, and end with this process, however it ends. A
    signal is this process's affair: a worker finishes what it is at.

    Args:
      function: Can be pickled if there are several workers, as can what it takes and returns.
      things: Are taken as they are needed, ``4 * workers`` ahead.
      workers: How many processes; 1 works in this one.

    Raises:
      RuntimeError: If a worker was killed.
    """
    if workers == 1:
        yield from map(function, things)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start)
    waiting: collections.deque[Future[R]] = collections.deque()
    try:
        for thing in things:
            waiting.append(pool.submit(function, thing))
            if len(waiting) >= _IN_FLIGHT * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise RuntimeError(
            "a worker process was killed (out of memory?); fewer --workers need less, and the same"
            " call goes on from what is finished"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start() -> None:
    """Leave signals to the parent, and end when it does."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
