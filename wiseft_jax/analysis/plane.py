"""Loss and accuracy on the plane through three models. Loads no jax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float64

from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.plane_result import PlaneResult, missing_plane, plane_file
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.analysis_rows import AnalysisRow, analysis_row
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import Accuracy

ANALYSIS = "plane"
ZERO_SHOT_NAME, FINE_TUNED_NAME, CHOSEN_NAME = "zero_shot", "fine_tuned", "chosen"


def plane(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return loss and accuracy at every point of the stored plane.

    ``group`` is the point, ``"x=1.5 y=0.25"``. Rows of the three models and of the chosen one have
    ``other``: ``zero_shot``, ``fine_tuned``, ``chosen``, or the third model's name.

    Args:
      run: The run.
      options: Not read: what was drawn is stored.

    Raises:
      InputError: If no plane of the run's present models is stored, with the command.
    """
    if why := missing_plane(run):
        raise InputError(f"{run.path}: {why.replace('RUN', str(run.path))}")
    return plane_rows(PlaneResult.load(plane_file(run.path)), run.config_hash)


def plane_rows(found: PlaneResult, config_hash: str) -> list[AnalysisRow]:
    """Return the rows; see ``plane``.

    Losses are means with the interval of Student's law, accuracies have exact ones.

    Args:
      found: The plane.
      config_hash: Of the run.
    """
    names = (ZERO_SHOT_NAME, FINE_TUNED_NAME, found.third, CHOSEN_NAME)
    alphas = (0.0, 1.0, None, found.chosen)
    rows = []
    for number, (x, y) in enumerate(found.points.tolist()):
        accuracy = Accuracy.of(found.correct[number])
        mean, low, high = mean_with_interval(np.asarray(found.loss[number], np.float64))
        fields: dict[str, Any] = {
            "dataset": found.dataset,
            "split": found.split,
            "role": found.role,
            "alpha": alphas[number] if number < len(names) else None,
            "other": names[number] if number < len(names) else None,
            "group": f"x={x!r} y={y!r}",
            "config_hash": config_hash,
            "seed": found.settings["seed"],
        }
        interval = None if low is None or high is None else (low, high)
        rows += [
            analysis_row(ANALYSIS, "loss", mean, len(found.ids), interval=interval, **fields),
            analysis_row(
                ANALYSIS, "accuracy", accuracy.compute(), accuracy.n,
                interval=accuracy.interval(), **fields,
            ),
        ]  # fmt: skip
    return rows


def mean_with_interval(
    values: Float64[np.ndarray, " N"], confidence: float = 0.95
) -> tuple[float, float | None, float | None]:
    """Return a mean and its interval by Student's law; no interval of a single number.

    Args:
      values: At least one.
      confidence: Coverage.
    """
    mean, count = float(values.mean()), len(values)
    if count == 1:
        return mean, None, None
    from scipy.stats import t

    width = float(t.ppf((1 + confidence) / 2, count - 1)) * float(values.std(ddof=1))
    return mean, mean - width / math.sqrt(count), mean + width / math.sqrt(count)
