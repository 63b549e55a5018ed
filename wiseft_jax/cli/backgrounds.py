"""``wiseft backgrounds NAME``: how much a model leans on backgrounds; find the part and run it."""

from __future__ import annotations

from collections.abc import Sequence

from wiseft_jax.cli.parts import part_lines, run_part

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
    return _USAGE.format(parts=part_lines(PARTS))


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    return run_part("backgrounds", argv, PARTS, usage())
