"""Exit codes, the errors that carry them, and "did you mean"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

EXIT_DONE = 0
EXIT_INTERNAL = 1
EXIT_BAD_INPUT = 2
EXIT_FAULTS_FOUND = 3
EXIT_INTERRUPTED = 42

_ALIKE = 0.6
"""How like a name must be, by ``difflib``: one far off, or far longer, would be a wild guess."""

_SPLITS = {
    word: split
    for split, words in {
        "train": ("train", "training"),
        "validation": ("val", "valid", "validation", "dev"),
        "test": ("test", "testing"),
    }.items()
    for word in words
}
"""Word in a name -> the split that it says."""

NOT_MET = "the processes didn't meet"
"""How the message of a ``RendezvousError`` begins; ``scripts/launch_*.sh`` look for it."""


class InputError(ValueError):
    """What the user gave is wrong: names the thing, what was expected, what was found, the fix.

    The command line prints the message alone, without a traceback, and exits with 2.
    """


class FaultyDataError(InputError):
    """Images of the user's are faulty; a check (``--dry-run``) reports it with exit code 3."""


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite; the command line exits with 1."""


class CheckpointWriteError(RuntimeError):
    """A checkpoint couldn't be written, for a reason that may pass; the command line exits with 1.

    The checkpoints before it are intact: to try again is to resume.
    """


class RendezvousError(RuntimeError):
    """The processes didn't meet, for a reason that may pass; the command line exits with 1.

    The message begins with ``NOT_MET``, by which the launchers know that it is worth another try.
    """

    def __init__(self, message: str) -> None:
        super().__init__(f"{NOT_MET}: {message}")


class Interrupted(Exception):  # noqa: N818  (it is not an error)
    """SIGTERM or SIGINT arrived and the state was saved; the command line exits with 42."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest option, or an empty string.

    Args:
      name: What was given.
      options: The names that exist.
    """
    close = difflib.get_close_matches(name, list(options), n=1, cutoff=_ALIKE)
    return f" Did you mean {close[0]!r}?" if close else ""


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with what is counted, in the singular or the plural.

    Args:
      count: How many there are.
      one: What one of them is called; a verb may follow.
      many: What several are called; by default ``one`` with an s.

    Example:
      >>> counted(1, "class", "classes"), counted(2000, "image"), counted(1, "file is", "files are")
      ('1 class', '2,000 images', '1 file is')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def few(names: Sequence[str], most: int = 10) -> str:
    """Return names for a message: the first ones, and of many how many there are.

    Example:
      >>> few(["a", "b", "c"], most=2)
      'a, b, ...; 3 in all'
    """
    more = f", ...; {len(names)} in all" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def first_few(names: Sequence[str], most: int) -> str:
    """Return the first names for a message, and dots where there are more.

    Example:
      >>> first_few(["a", "b", "c"], most=2)
      'a, b, ...'
    """
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def unknown_name(kind: str, name: str, options: Iterable[str]) -> InputError:
    """Return the error for a name that is in no table.

    Args:
      kind: What is named, for example ``"prompt set"``.
      name: What was given.
      options: The names that exist.
    """
    options = sorted(options)
    known = few(options, most=20)
    return InputError(f"unknown {kind} {name!r}.{did_you_mean(name, options)} Known: {known}.")


def missing_path(
    path: Path, what: str, instead: str = "", others: Collection[str] = ()
) -> InputError:
    """Return the error for a path that isn't there: how far it exists, and which name is close.

    Args:
      path: What was given; relative paths count from the working directory.
      what: What was expected there, for example ``"folder"``.
      instead: What to give, for the end of the message.
      others: As in ``how_far``.
    """
    end = f" {instead}" if instead else ""
    return InputError(f"{path}: no such {what}; {how_far(path, others)}{end}")


def how_far(path: Path, others: Collection[str] = ()) -> str:
    """Return a sentence on how far a path exists, with the closest name of what is there.

    Args:
      path: One that isn't there; relative paths count from the working directory.
      others: Names of what is there rightly, beside it: none of them was meant.
    """
    parent, missing = deepest_existing(path)
    hint = ""
    if parent.is_dir():
        names = {entry.name for entry in parent.iterdir()}.difference(others)
        hint = did_you_mean(missing, [name for name in names if not _other_split(name, missing)])
    return f"{parent} exists, without {missing!r}.{hint}"


def deepest_existing(path: Path) -> tuple[Path, str]:
    """Return the last directory (or file) of a path that is there, and the first name that isn't.

    Args:
      path: One that isn't there; relative paths count from the working directory.
    """
    parent, missing = path.absolute().parent, path.name
    while not parent.exists():
        missing, parent = parent.name, parent.parent
    return parent, missing


def _other_split(name: str, other: str) -> bool:
    """Return whether two names say two different splits: ``train1.txt`` isn't ``val1.txt``."""
    splits = [
        {_SPLITS[word] for word in re.findall(r"[a-z]+", each.lower()) if word in _SPLITS}
        for each in (name, other)
    ]
    return bool(splits[0] and splits[1]) and splits[0] != splits[1]
