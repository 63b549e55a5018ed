"""What an exception means to the one who called the program: an exit code, and a message."""

from __future__ import annotations

import dataclasses

from wiseft_jax.core import errors


@dataclasses.dataclass(frozen=True)
class Ending:
    """How the program ends.

    Attributes:
      code: The exit code.
      message: What to print.
      what: ``"error"`` or ``"interrupted"``.
    """

    code: int
    message: str
    what: str = "error"


def explain(error: BaseException, verb: str) -> Ending:
    """Return how the program ends on an exception that a verb raised."""
    if isinstance(error, errors.InputError):
        return Ending(errors.EXIT_BAD_INPUT, str(error))
    if isinstance(error, (errors.NonFiniteLossError, errors.CheckpointWriteError)):
        return Ending(errors.EXIT_INTERNAL, str(error))
    if isinstance(error, errors.Interrupted):
        return Ending(errors.EXIT_INTERRUPTED, str(error), "interrupted")
    if isinstance(error, KeyboardInterrupt):
        return Ending(errors.EXIT_INTERRUPTED, _after_interrupt(verb), "interrupted")
    message = f"{type(error).__name__}: {error} (internal error; --debug shows where)"
    return Ending(errors.EXIT_INTERNAL, message)


def _after_interrupt(verb: str) -> str:
    if verb in ("run", "quickstart", "train"):
        return "what was saved is intact; the same command with --out DIR --resume goes on from it"
    return "nothing is half written; the same command starts again"
