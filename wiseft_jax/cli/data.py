"""``wiseft data NAME``: what is known of published data sets; find the part and run it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from wiseft_jax.core.errors import EXIT_DONE, InputError, unknown_name

PARTS = {
    "list": "every data set that has a name here",
    "info": "one of them: layout, classes, prompts, score, licence, how to get it",
}
"""Name -> summary; ``wiseft_jax.cli.data_<name>`` runs it."""

_USAGE = """usage: wiseft data NAME [options]

parts:
{parts}

  wiseft data NAME --help     the options of a part
"""


def usage() -> str:
    """Return the text of ``wiseft data --help``."""
    lines = [f"  {name:<8} {summary}" for name, summary in PARTS.items()]
    return _USAGE.format(parts="\n".join(lines))


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    if argv and argv[0] in ("-h", "--help"):
        print(usage(), end="")
        return EXIT_DONE
    if not argv:
        raise InputError(f"no part is named\n{usage()}")
    name, *rest = argv
    if name not in PARTS:
        raise unknown_name("part of data", name, PARTS)
    return importlib.import_module(f"wiseft_jax.cli.data_{name}").main(rest)
