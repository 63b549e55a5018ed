"""``wiseft backgrounds NAME``: how much a model leans on backgrounds; find the part and run it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from wiseft_jax.core.errors import EXIT_DONE, InputError, unknown_name

PARTS = {
    "build": "make the eight variants of your images, from masks, boxes or GrabCut",
    "show": "the eight variants of one image, and what a model answers",
    "evaluate": "accuracy on each variant, the BG-Gap, what backgrounds do to each image",
    "attack": "adversarial backgrounds: which foregrounds does any background break?",
    "train": "train on each variant, test on each: the matrix",
    "alphas": "the BG-Gap, the challenge and saliency along WiSE-FT's alpha",
}
"""Name -> summary; ``wiseft_jax.cli.backgrounds_<name>`` runs it."""

_USAGE = """usage: wiseft backgrounds NAME [options]

parts:
{parts}

  wiseft backgrounds NAME --help     the options of a part
  --demo                             all but build: the embedded miniature, nothing to prepare
"""


def usage() -> str:
    """Return the text of ``wiseft backgrounds --help``."""
    lines = [f"  {name:<10} {summary}" for name, summary in PARTS.items()]
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
        raise unknown_name("part of backgrounds", name, PARTS)
    return importlib.import_module(f"wiseft_jax.cli.backgrounds_{name}").main(rest)
