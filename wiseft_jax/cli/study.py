"""``wiseft study NAME``: experiments of many models; find the study and run it."""

from __future__ import annotations

from collections.abc import Sequence

from wiseft_jax.cli.parts import part_lines, run_part

STUDIES = {
    "grid": "fine-tune under many configurations: how models scatter, what WiSE-FT makes of it",
    "alternatives": "WiSE-FT beside ensembles, averages, regularisers and early stops: one chart",
    "diversity": "how differently models err: zero-shot, fine-tuned, probes on disjoint halves",
    "other_sets": "sets of other classes: what fine-tuning took from the zero-shot ability",
    "patch": "paste a patch: which mixing augmentation makes a model look at its edges",
}
"""Name -> summary; ``wiseft_jax.cli.study_<name>`` runs it."""

_USAGE = """usage: wiseft study NAME [options]

studies:
{studies}

  wiseft study NAME --help     the options of a study
"""


def usage() -> str:
    """Return the text of ``wiseft study --help``."""
    return _USAGE.format(studies=part_lines(STUDIES))


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    return run_part("study", argv, STUDIES, usage(), noun="study")
