"""What analyses can be told, and what they need of a run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float32

from wiseft_jax.analysis.layer_features import missing_features
from wiseft_jax.analysis.layers_file import missing_layers
from wiseft_jax.analysis.plane_result import missing_plane
from wiseft_jax.analysis.stored_run import FINE_TUNED, ZERO_SHOT, StoredRun
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import RESULTS_FILE
from wiseft_jax.evaluation.predictions import Predictions

_FEWEST_ALPHAS = 3
OTHER_SETS_DIR = "other_sets"
"""In a run directory: predictions on sets of other classes (``wiseft study other_sets``)."""
NO_BASELINES = (
    "it needs other models' accuracies; give a table of them: --baselines CSV, with a column model"
    " and one for each set, fractions"
)

Need: TypeAlias = Literal[
    "labels",
    "ends",
    "several",
    "alphas",
    "chosen",
    "override",
    "reference",
    "shifts",
    "logits",
    "baselines",
    "other_sets",
    "features",
    "layers",
    "plane",
]


@dataclasses.dataclass(frozen=True)
class AnalysisOptions:
    """What every analysis can be told.

    Attributes:
      seed: Of what is drawn for intervals.
      samples: Bootstrap samples.
      baselines: A CSV of other models' accuracies, for effective robustness.
      override_alpha: The alpha at which overrides are counted.
    """

    seed: int = 0
    samples: int = 2_000
    baselines: Path | None = None
    override_alpha: float = 0.5

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        if self.seed < 0:
            raise InputError(f"--seed: expected 0 or more, found {self.seed}")
        if self.samples < 1:
            raise InputError(f"--samples: expected at least 1, found {self.samples}")
        if not math.isfinite(self.override_alpha):
            raise InputError(f"--override-alpha: expected a number, found {self.override_alpha}")


def missing(run: StoredRun, options: AnalysisOptions, need: Need) -> str:
    """Return why a run lacks what an analysis needs, with the command; empty if it is there.

    Args:
      run: The run; ``RUN`` stands for it in the command.
      options: What the analysis is told.
      need: What is needed.
    """
    return NEEDS[need](run, options)


def stored_logits(predictions: Predictions, alpha: float) -> Float32[np.ndarray, "N K"] | None:
    """Return the stored logits of a set at one alpha, or None where there are none."""
    try:
        return predictions.logits_at(alpha)
    except InputError:
        return None


def _labels(run: StoredRun, _: AnalysisOptions) -> str:
    return "" if run.sets() else "no set has labels; sweep over one that has: wiseft sweep RUN"


def _ends(run: StoredRun, _: AnalysisOptions) -> str:
    return _grid(run, (ZERO_SHOT, FINE_TUNED))


def _alphas(run: StoredRun, _: AnalysisOptions) -> str:
    inside = [alpha for alpha in run.alphas if 0 <= alpha <= 1]
    if len(inside) >= _FEWEST_ALPHAS:
        return ""
    return (
        f"it needs {_FEWEST_ALPHAS} alphas from 0 to 1 or more, and the sweep has"
        f" {len(inside)}; sweep with more: wiseft sweep RUN --sweep.alphas 0 0.25 0.5 0.75 1"
    )


def _chosen(run: StoredRun, _: AnalysisOptions) -> str:
    return _grid(run, (run.chosen,))


def _override(run: StoredRun, options: AnalysisOptions) -> str:
    return _grid(run, (options.override_alpha,))


def _several(run: StoredRun, _: AnalysisOptions) -> str:
    if len(run.alphas) > 1:
        return ""
    return (
        "it needs two alphas or more, and the sweep has one; sweep with more: wiseft sweep RUN"
        " --sweep.alphas 0 0.25 0.5 0.75 1"
    )


def _baselines(run: StoredRun, options: AnalysisOptions) -> str:
    del run
    return "" if options.baselines is not None else NO_BASELINES


def _other_sets(run: StoredRun, _: AnalysisOptions) -> str:
    if (run.path / OTHER_SETS_DIR / RESULTS_FILE).is_file():
        return ""
    return "no set of other classes is evaluated; do it: wiseft study other_sets RUN --sets SPEC..."


def _grid(run: StoredRun, wanted: tuple[float, ...]) -> str:
    lacking = [alpha for alpha in wanted if alpha not in run.alphas]
    if not lacking:
        return ""
    listed = " ".join(f"{alpha:g}" for alpha in sorted({*run.alphas, *wanted}))
    return (
        f"the sweep lacks alpha {' and '.join(f'{alpha:g}' for alpha in lacking)}; sweep with"
        f" it: wiseft sweep RUN --sweep.alphas {listed}"
    )


def _reference(run: StoredRun, _: AnalysisOptions) -> str:
    if run.reference is not None:
        return ""
    return "there is no test or validation set of the reference; wiseft sweep RUN --data.test SPEC"


def _shifts(run: StoredRun, _: AnalysisOptions) -> str:
    if run.shifts:
        return ""
    return "there is no shifted test set; add one: wiseft sweep RUN --data.shifts SPEC"


def _logits(run: StoredRun, _: AnalysisOptions) -> str:
    alphas = (ZERO_SHOT, FINE_TUNED)
    if any(stored_logits(each, alpha) is not None for each in run.sets() for alpha in alphas):
        return ""
    try:
        next(iter(run.predictions.values())).logits_at(ZERO_SHOT)
    except InputError as error:
        return str(error)
    return ""


NEEDS: dict[Need, Callable[[StoredRun, AnalysisOptions], str]] = {
    "labels": _labels,
    "ends": _ends,
    "several": _several,
    "alphas": _alphas,
    "chosen": _chosen,
    "override": _override,
    "reference": _reference,
    "shifts": _shifts,
    "logits": _logits,
    "baselines": _baselines,
    "other_sets": _other_sets,
    "features": lambda run, _: missing_features(run),
    "layers": lambda run, _: missing_layers(run),
    "plane": lambda run, _: missing_plane(run),
}
"""What an analysis may need -> why a run lacks it, empty where it doesn't."""
