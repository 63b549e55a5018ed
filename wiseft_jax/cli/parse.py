"""Parse a verb's options with tyro, in one style for every verb."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import tyro

ArgsT = TypeVar("ArgsT")


def parse(args_type: type[ArgsT], argv: Sequence[str], verb: str, *, default: Any = None) -> ArgsT:
    """Return the parsed options; exits with code 2 and a suggestion for an unknown one.

    Args:
      args_type: A frozen dataclass of options; its docstring is the help.
      argv: The arguments after the verb.
      verb: The verb, for the usage line.
      default: An instance whose values are the defaults.
    """
    extra = {} if default is None else {"default": default}
    return tyro.cli(
        args_type,
        args=list(argv),
        prog=f"wiseft {verb}",
        config=(tyro.conf.FlagCreatePairsOff,),
        **extra,
    )
