"""A signal raises in the block, wherever Python was when it came."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import time

import pytest

from wiseft_jax.core import raised_signals as module
from wiseft_jax.core.raised_signals import raised_signals


@pytest.fixture
def discarded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What Python would print as "Exception ignored in"."""
    found: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda each: found.append(each.exc_type))
    return found


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_and_handlers_are_put_back(signum: signal.Signals) -> None:
    before, hook = signal.getsignal(signum), sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), raised_signals():
        signal.raise_signal(signum)
    assert signal.getsignal(signum) is before
    assert sys.unraisablehook is hook
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_one_in_a_callback_of_the_collector_comes_again_and_is_not_printed(
    discarded: list[object],
) -> None:
    """As JAX's: what it raises is discarded."""
    called = []

    def collected(phase: str, facts: dict[str, int]) -> None:
        if not called:
            called.append(phase)
            signal.raise_signal(signal.SIGINT)

    def work() -> None:
        with raised_signals():
            gc.collect()
            time.sleep(60)

    gc.callbacks.append(collected)
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        gc.callbacks.remove(collected)
    assert called == ["start"]
    assert discarded == []


def test_one_in_a_finalizer_comes_again_and_other_errors_are_printed(
    discarded: list[object],
) -> None:
    class Held:
        def __init__(self, error: BaseException | None = None) -> None:
            self.error = error

        def __del__(self) -> None:
            if self.error is not None:
                raise self.error
            signal.raise_signal(signal.SIGTERM)

    def work() -> None:
        with raised_signals():
            Held(ValueError("a bug"))
            Held()
            time.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert discarded == [ValueError]


def test_one_that_is_swallowed_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RAISE_AGAIN_SECS", 0.2)

    def swallow_once() -> None:
        with raised_signals():
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            time.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        swallow_once()
