"""Every analysis in one table: its function, what it needs of a run, and a line of help."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

from wiseft_jax.analysis.calibration import calibration
from wiseft_jax.analysis.class_changes import by_class
from wiseft_jax.analysis.disagreement import overridden
from wiseft_jax.analysis.diversity import diversity
from wiseft_jax.analysis.ensembles import ensembles
from wiseft_jax.analysis.landscape import along_the_line
from wiseft_jax.analysis.options import AnalysisOptions, Need, missing
from wiseft_jax.analysis.other_sets import other_sets
from wiseft_jax.analysis.robustness import robustness
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.analysis.turns import flips
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

    def missing(self, run: StoredRun, options: AnalysisOptions) -> str:
        """Return why it can't be made of a run, with the command; empty if it can."""
        found = (missing(run, options, need) for need in self.needs)
        return next((why.replace("RUN", str(run.path)) for why in found if why), "")


ANALYSES: dict[str, AnalysisSpec] = {
    "effective_robustness": AnalysisSpec(
        robustness,
        ("labels", "reference", "shifts", "baselines"),
        "accuracy under shift beyond the line of other models (--baselines CSV)",
    ),
    "diversity": AnalysisSpec(
        diversity,
        ("labels", "ends"),
        "how differently zero-shot, fine-tuned and merged err",
    ),
    "overrides": AnalysisSpec(
        overridden,
        ("labels", "ends", "override"),
        "whose answer the merged model gives where the ends disagree",
    ),
    "landscape": AnalysisSpec(
        along_the_line,
        ("labels", "ends", "alphas"),
        "whether the path is above the chord and both ends, and its barrier",
    ),
    "calibration": AnalysisSpec(
        calibration,
        ("labels", "logits"),
        "calibration error, likelihood, Brier score and temperature against alpha",
    ),
    "ensembles": AnalysisSpec(
        ensembles,
        ("labels", "ends", "logits"),
        "mixing both ends' logits or probabilities, beside the merged weights",
    ),
    "classes": AnalysisSpec(
        by_class,
        ("labels", "ends", "chosen"),
        "which classes gain and which lose, with exact tests",
    ),
    "flips": AnalysisSpec(
        flips,
        ("labels", "several"),
        "which examples turn right or wrong, and at which alpha",
    ),
    "other_sets": AnalysisSpec(
        other_sets,
        ("other_sets",),
        "what is left of the zero-shot ability on sets of other classes",
    ),
}
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
    if why := spec.missing(run, options):
        raise InputError(f"{run.path}: {name}: {why}")
    return spec.function(run, options)
