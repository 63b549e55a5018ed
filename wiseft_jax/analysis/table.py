"""Every analysis in one table: its function, what it needs of a run, and a line of help."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

from wiseft_jax.analysis.options import AnalysisOptions, Need, missing
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError, unknown_name

Analysis: TypeAlias = Callable[[StoredRun, AnalysisOptions], list[AnalysisRow]]


@dataclasses.dataclass(frozen=True)
class AnalysisSpec:
    """An analysis.

    Attributes:
      function: ``(run, options) -> rows``; loads no jax unless it says so.
      needs: What a run must have for it.
      help: What it answers, in one line.
    """

    function: Analysis
    needs: tuple[Need, ...]
    help: str

    def missing(self, run: StoredRun) -> str:
        """Return why it can't be made of a run, with the command; empty if it can."""
        return next((why for need in self.needs if (why := missing(run, need))), "")


ANALYSES: dict[str, AnalysisSpec] = {}
"""Name -> analysis; the name is that of its file in ``RUN/analyses``."""


def chosen_analyses(names: Sequence[str]) -> list[str]:
    """Return the analyses that names ask for, each once, in their order; ``"all"`` is all.

    Raises:
      InputError: If there is none of that name, with the closest one.
    """
    for name in names:
        if name != "all" and name not in ANALYSES:
            raise unknown_name("analysis", name, ["all", *ANALYSES])
    if "all" in names:
        return list(ANALYSES)
    return list(dict.fromkeys(names))


def analyse(
    run: StoredRun, name: str, options: AnalysisOptions = AnalysisOptions()
) -> list[AnalysisRow]:
    """Return the rows of one analysis of a run.

    Args:
      run: The run.
      name: A key of ``ANALYSES``.
      options: Seed, samples, baselines.

    Raises:
      InputError: If there is no such analysis, or the run lacks what it needs; the latter with
        the command that makes it.

    Example:
      >>> analyse(StoredRun.load("runs/mine"), "diversity")[0]["metric"]
      'prediction_diversity'
    """
    if name not in ANALYSES:
        raise unknown_name("analysis", name, ANALYSES)
    spec = ANALYSES[name]
    if why := spec.missing(run):
        raise InputError(f"{run.path}: {name}: {why}".replace("RUN", str(run.path)))
    return spec.function(run, options)
