from __future__ import annotations

import io
import logging
import sys

import pytest

from wiseft_jax.core.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def log_level():
    """The package's logger at INFO, as the command line sets it; restored afterwards."""
    logger = logging.getLogger("wiseft_jax")
    old = logger.level
    logger.setLevel(logging.INFO)
    yield logger.setLevel
    logger.setLevel(old)


def run_bar(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO) -> str:
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_bar("evaluate", total=4, unit="images") as advance:
        advance(2)
        advance(2)
    return stderr.getvalue()


def test_a_terminal_sees_a_bar(monkeypatch: pytest.MonkeyPatch, log_level):
    monkeypatch.setenv("TERM", "xterm")
    shown = run_bar(monkeypatch, Terminal())
    assert "evaluate" in shown
    assert "4/4" in shown
    assert "images/s" in shown


def test_a_pipe_sees_nothing(monkeypatch: pytest.MonkeyPatch, log_level):
    assert run_bar(monkeypatch, io.StringIO()) == ""


def test_quiet_is_quiet(monkeypatch: pytest.MonkeyPatch, log_level):
    log_level(logging.WARNING)
    assert run_bar(monkeypatch, Terminal()) == ""


def test_an_exception_passes_through(monkeypatch: pytest.MonkeyPatch, log_level):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(KeyError), progress_bar("x", total=1):
        raise KeyError("x")


def test_verbose_is_told_now_and_then_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, log_level, caplog: pytest.LogCaptureFixture
):
    log_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "wiseft_jax")
    clock = iter([0.0, 4.0, 11.0, 12.0])
    monkeypatch.setattr("wiseft_jax.core.progress.time.monotonic", lambda: next(clock))
    with progress_bar("evaluate", total=8, unit="images") as advance:
        for _ in range(3):
            advance(2)
    assert [each.message for each in caplog.records] == [
        "evaluate: 4 of 8 images, 0.364 a second, 11 s left"
    ]
