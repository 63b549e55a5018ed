"""``wiseft data NAME``: what is known of published data sets; find the part and run it."""

from __future__ import annotations

from collections.abc import Sequence

from wiseft_jax.cli.parts import part_lines, run_part

PARTS = {
    "list": "every data set that has a name here",
    "info": "one of them: layout, classes, prompts, score, licence, how to get it",
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
