"""``wiseft study NAME``: experiments of many models; find the study and run it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from wiseft_jax.core.errors import EXIT_DONE, InputError, unknown_name

STUDIES = {
    "grid": "fine-tune under many configurations: how models scatter, what WiSE-FT makes of it",
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
    lines = [f"  {name:<8} {summary}" for name, summary in STUDIES.items()]
    return _USAGE.format(studies="\n".join(lines))


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    if argv and argv[0] in ("-h", "--help"):
        print(usage(), end="")
        return EXIT_DONE
    if not argv:
        raise InputError(f"no study is named\n{usage()}")
    name, *rest = argv
    if name not in STUDIES:
        raise unknown_name("study", name, STUDIES)
    return importlib.import_module(f"wiseft_jax.cli.study_{name}").main(rest)
