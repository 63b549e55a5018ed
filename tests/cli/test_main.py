"""The entry point: usage, errors, exit codes, start-up."""

from __future__ import annotations

import signal
import time

import pytest

from tests.helpers.light_help import light_help
from wiseft_jax import __version__
from wiseft_jax.cli import main as cli
from wiseft_jax.core import errors


def test_help_names_every_verb(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    for verb in cli.VERBS:
        assert f"\n  {verb} " in printed


def test_version(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"wiseft-jax {__version__}\n"


def test_no_verb_is_bad_input() -> None:
    assert cli.main([]) == 2


def test_a_mistyped_verb(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["quickstrat"]) == 2
    assert "Did you mean 'quickstart'?" in capsys.readouterr().err


@pytest.mark.parametrize("verb", sorted(cli.VERBS))
def test_help_of_a_verb_loads_nothing_heavy(verb: str) -> None:
    assert "--" in light_help(verb)


@pytest.mark.parametrize("verb", sorted(cli.VERBS))
def test_an_unknown_option_is_bad_input(verb: str) -> None:
    first = {"run": ["custom/folder"], "train": ["custom/folder"]}.get(verb, [])
    assert cli.main([verb, *first, "--no-such-option"]) == 2


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (errors.InputError("file x: expected y"), 2, "file x: expected y"),
        (errors.NonFiniteLossError("step 3"), 1, "step 3"),
        (errors.Interrupted("continue with z"), 42, "continue with z"),
        (KeyboardInterrupt(), 42, "to start again: "),
        (KeyboardInterrupt("to continue: z"), 42, "to continue: z"),
        (RuntimeError("a bug"), 1, "RuntimeError: a bug"),
    ],
)
def test_exit_codes(
    raised: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    from wiseft_jax.cli import evaluate

    def fail(argv: list[str]) -> int:
        raise raised

    monkeypatch.setattr(evaluate, "main", fail)
    assert cli.main(["evaluate"]) == code
    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed


def test_debug_shows_where_and_changes_no_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from wiseft_jax.cli import evaluate

    def fail(argv: list[str]) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(evaluate, "main", fail)
    assert cli.main(["evaluate", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_in_a_callback_is_no_stray_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from wiseft_jax.cli import evaluate

    def interrupted_in_a_finalizer(argv: list[str]) -> int:
        class Held:
            def __del__(self) -> None:
                signal.raise_signal(signal.SIGTERM)

        Held()
        time.sleep(60)
        return 0

    monkeypatch.setattr(evaluate, "main", interrupted_in_a_finalizer)
    assert cli.main(["evaluate"]) == 42
    printed = capsys.readouterr().err
    assert "interrupted" in printed
    assert "Traceback" not in printed
