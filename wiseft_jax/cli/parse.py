"""Parse a verb's options with tyro, in one style for every verb."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import tyro

from wiseft_jax.core.errors import InputError, did_you_mean

ArgsT = TypeVar("ArgsT")

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = "╭╮╰╯│─+|-"
_UNBROKEN = "100000"
_CHECKED = re.compile(
    r"Error parsing (?P<parsed>[\w.]+): (?:(?=--)|(?P<field>\w+(?:\.\w+)+)(?=: ))"
)
_AROUND = re.compile(r"\AError parsing [\w.]+: |\n+For full helptext, see [^\n]*\Z")
_JOINED = re.compile(
    r"Error parsing (?P<option>--\S+): Could not find valid parse for arguments:"
    r" \['(?P<given>.*)'\]"
)
_UNRECOGNIZED = re.compile(r"Unrecognized options: (?P<given>\S+)")
_UNION = re.compile(
    r"(?P<option>Error parsing --\S+: )no type matching .* could be instantiated from .*\n+"
    r"Got errors:\n(?P<reasons>(?:- .*(?:\n|\Z))+)"
)
_NONE = "<class 'NoneType'>"
_CHOICE = re.compile(r"invalid choice '(?P<given>[^']*)' for .*Expected one of \((?P<known>.*)\)\.")


def parse(args_type: type[ArgsT], argv: Sequence[str], verb: str, *, default: Any = None) -> ArgsT:
    """Return the parsed options; ``--help`` prints it and exits.

    Args:
      args_type: A frozen dataclass of options; its docstring is the help.
      argv: The arguments after the verb.
      verb: The verb, for the usage line.
      default: An instance whose values are the defaults.

    Raises:
      InputError: An unknown option, with a suggestion; a value that doesn't fit.
    """
    extra = {} if default is None else {"default": default}
    asks_for_help = bool({"-h", "--help"} & set(argv))
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), _lines_unbroken(not asks_for_help):
            return tyro.cli(
                args_type,
                args=list(argv),
                prog=f"wiseft {verb}",
                **extra,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        message = suggesting(naming_options(without_none(unboxed(said.getvalue()))))
        message += hint_on_values(message, argv)
        if _is_own_check(stop):
            message = without_parsing(message)
        said = io.StringIO()
        raise InputError(message) from None
    finally:
        sys.stderr.write(said.getvalue())


def unboxed(text: str) -> str:
    """Return what tyro says in a box without the box, its title, its rules and its colours.

    Args:
      text: As tyro prints an error.
    """
    lines = [line for line in _ESCAPES.sub("", text).splitlines() if line]
    inner = [line[2:-2].rstrip() for line in lines[1:-1]]
    kept = [line for line in inner if line.strip(_FRAME) or not line]
    return "\n".join(kept) or lines[0].strip(_FRAME + " ")


def without_none(text: str) -> str:
    r"""Return an error of an option that may be None as of one that may not: it names no types.

    Args:
      text: Unboxed.

    Example:
      >>> without_none(
      ...     "Error parsing --limit: no type matching {None}|INT could be instantiated from [].\n"
      ...     "\nGot errors:\n- <class 'NoneType'>: ['a'] does not match choices ('None',)\n"
      ...     "- <class 'int'>: invalid literal for int() with base 10: 'a'"
      ... )
      "Error parsing --limit: invalid literal for int() with base 10: 'a'\n"
    """

    def told(found: re.Match[str]) -> str:
        parted = [line[2:].partition(": ") for line in found["reasons"].splitlines()]
        reasons = [reason for kind, _, reason in parted if kind != _NONE]
        return f"{found['option']}{'; or '.join(reasons)}\n"

    return _UNION.sub(told, text)


def naming_options(text: str) -> str:
    """Return an error of a configuration's own check with the option in place of its field.

    Args:
      text: Unboxed.

    Example:
      >>> naming_options("Error parsing racing: racing.batch_size: expected at least 1, found 0")
      '--racing.batch-size: expected at least 1, found 0'
    """
    found = _CHECKED.match(text)
    if found is None:
        return text
    rest = text[found.end() :]
    if found["field"] is None:
        return rest
    group = found["field"].rpartition(".")[0]
    if not f".{found['parsed']}".endswith(f".{group}"):
        return text
    return f"--{found['field'].replace('_', '-')}{rest}"


def without_parsing(text: str) -> str:
    """Return an error of a configuration's own check without what tyro says around it.

    Args:
      text: Unboxed; of which options are named already (``naming_options``).

    Example:
      >>> without_parsing("Error parsing SweepArgs: runs/a: is there")
      'runs/a: is there'
    """
    return _AROUND.sub("", text)


def _is_own_check(stop: SystemExit) -> bool:
    """Return whether an ``InputError`` made tyro exit: what tyro itself refuses has none."""
    error: BaseException | None = stop
    while error is not None and not isinstance(error, InputError):
        error = error.__context__
    return error is not None


def suggesting(text: str) -> str:
    """Return an error with "did you mean" behind each choice that isn't among those there are.

    Args:
      text: Unboxed.
    """

    def suggest(found: re.Match[str]) -> str:
        known = re.findall(r"'([^']*)'", found["known"])
        return found[0] + did_you_mean(found["given"], known)

    return _CHOICE.sub(suggest, text)


def hint_on_values(text: str, argv: Sequence[str]) -> str:
    r"""Return how values are written, where it looks as if that was the mistake; else nothing.

    Args:
      text: The error, unboxed.
      argv: The arguments.

    Example:
      >>> hint_on_values("Unrecognized options: True", ["--learn=True"])
      '\n--learn is on or off, and takes no value: leave out =True (--help has its opposite)'
    """
    found = _JOINED.search(text)
    values = [] if found is None else re.split(r"[,; ]+", found["given"].strip("()[], "))
    if found is not None and len(values) > 1 and "..." in text:
        return f"\nSeveral values are written one by one: {found['option']} {' '.join(values)}"
    found = _UNRECOGNIZED.search(text)
    for each in argv if found is not None else ():
        option, equals, value = each.partition("=")
        if equals and found is not None and value == found["given"]:
            return (
                f"\n{option} is on or off, and takes no value: leave out ={value} (--help has its"
                " opposite)"
            )
    return ""


@contextlib.contextmanager
def _lines_unbroken(wanted: bool) -> Iterator[None]:
    """Let tyro break no line: a terminal breaks an error's itself, and a log needn't."""
    if not wanted:
        yield
        return
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _UNBROKEN
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before
