"""SIGINT and SIGTERM as KeyboardInterrupt, also where Python would discard it."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

_RAISE_AGAIN_SECS = 3.0
_DISCARDED_AGAIN_SECS = 0.05


@contextlib.contextmanager
def raised_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block on SIGINT and SIGTERM, until the block has seen it.

    What is raised inside a callback of the garbage collector (JAX has one) or a ``__del__`` is
    printed as a stray traceback and discarded: such a KeyboardInterrupt isn't printed, and comes
    again at once. One that other code swallows comes again after some seconds. Handlers are put
    back at the end. It needs the main thread, and SIGALRM.
    """
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    previous = {each: signal.signal(each, _interrupt) for each in signals}
    hook = sys.unraisablehook
    sys.unraisablehook = _raising_again(hook)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = hook
        for each, handler in previous.items():
            signal.signal(each, handler)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    signal.setitimer(signal.ITIMER_REAL, _RAISE_AGAIN_SECS)
    raise KeyboardInterrupt


def _raising_again(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a hook that lets a discarded KeyboardInterrupt come again, and passes on the rest."""

    def raise_again(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, _DISCARDED_AGAIN_SECS)
        else:
            hook(unraisable)

    return raise_again
