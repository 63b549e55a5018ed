"""Exceptions become exit codes and messages."""

from __future__ import annotations

import pytest

from wiseft_jax.cli.failures import Ending, explain
from wiseft_jax.core import errors


@pytest.mark.parametrize(
    ("error", "verb", "expected"),
    [
        (errors.InputError("file x"), "run", Ending(2, "file x")),
        (errors.FaultyDataError("image y"), "run", Ending(2, "image y")),
        (errors.NonFiniteLossError("step 3"), "train", Ending(1, "step 3")),
        (errors.CheckpointWriteError("step 4"), "train", Ending(1, "step 4")),
        (errors.Interrupted("saved"), "run", Ending(42, "saved", "interrupted")),
    ],
)
def test_the_programs_own_errors(error: BaseException, verb: str, expected: Ending) -> None:
    assert explain(error, verb) == expected


def test_anything_else_is_internal() -> None:
    found = explain(KeyError("x"), "run")
    assert (found.code, found.what) == (1, "error")
    assert found.message.startswith("KeyError: 'x' (internal error")


@pytest.mark.parametrize(
    ("verb", "said"), [("run", "--resume"), ("train", "--resume"), ("sweep", "starts again")]
)
def test_an_interruption_says_how_to_go_on(verb: str, said: str) -> None:
    found = explain(KeyboardInterrupt(), verb)
    assert (found.code, found.what) == (42, "interrupted")
    assert said in found.message
