"""Verbs that have parts, as ``wiseft data NAME``: find the part and run it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

from wiseft_jax.core.errors import EXIT_DONE, InputError, unknown_name

_LEAST_WIDTH = 8


def part_lines(parts: Mapping[str, str]) -> str:
    """Return a line for each part, for the verb's ``--help``.

    Args:
      parts: Name -> summary.
    """
    width = max(_LEAST_WIDTH, *(len(name) + 2 for name in parts))
    return "\n".join(f"  {name:<{width}} {summary}" for name, summary in parts.items())


def run_part(
    verb: str, argv: Sequence[str], parts: Mapping[str, str], usage: str, *, noun: str = "part"
) -> int:
    """Run the part that is named first, ``wiseft_jax.cli.VERB_NAME``; return its exit code.

    Args:
      verb: The verb.
      argv: What follows it.
      parts: Name -> summary.
      usage: The text of ``--help``.
      noun: What a part is called.

    Raises:
      InputError: No part is named, or an unknown one.
    """
    if argv and argv[0] in ("-h", "--help"):
        print(usage, end="")
        return EXIT_DONE
    if not argv:
        raise InputError(f"no {noun} is named\n{usage}")
    name, *rest = argv
    if name not in parts:
        raise unknown_name(noun if noun == verb else f"{noun} of {verb}", name, parts)
    return importlib.import_module(f"wiseft_jax.cli.{verb}_{name}").main(rest)
