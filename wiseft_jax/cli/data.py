"""``wiseft data NAME``: what is known of published data sets, copies checked, any set prepared."""

from __future__ import annotations

from collections.abc import Sequence

from wiseft_jax.cli.parts import part_lines, run_part

PARTS = {
    "list": "every data set that has a name here",
    "info": "one of them: layout, classes, prompts, score, licence, how to get it",
    "check": "whether a copy of one is whole and as its authors ship it, and how to mend it",
    "prepare": "ArrayRecord of a folder, an archive or a published set, for random access on a pod",
}
"""Name -> summary; ``wiseft_jax.cli.data_<name>`` runs it."""

_USAGE = """usage: wiseft data NAME [options]

parts:
{parts}

  wiseft data NAME --help     the options of a part
"""


def usage() -> str:
    """Return the text of ``wiseft data --help``."""
    return _USAGE.format(parts=part_lines(PARTS))


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    return run_part("data", argv, PARTS, usage())
