"""What the runs of a study predicted, read from disk: accuracies by run, set and alpha."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import MEAN_OF_SHIFTS
from wiseft_jax.evaluation.predictions import Predictions, load_predictions
from wiseft_jax.studies.grid_files import RunRow, StudyDirectory


@dataclasses.dataclass(frozen=True)
class GridSet:
    """A dataset of a study; ``n`` are its labelled examples."""

    name: str
    split: str
    role: str
    n: int


@dataclasses.dataclass(frozen=True)
class GridResults:
    """The M finished runs of a study on its D labelled sets at its A alphas.

    Attributes:
      rows: The M rows of ``runs.jsonl``.
      failed: Those of the runs whose loss became infinite; they are in no number.
      sets: The D sets, in the sweeps' order.
      alphas: The A alphas, rising.
      accuracies: float64[M, D, A].
      chosen: float64[M], the alpha that each run's rule chose.
    """

    rows: tuple[RunRow, ...]
    failed: tuple[RunRow, ...]
    sets: tuple[GridSet, ...]
    alphas: tuple[float, ...]
    accuracies: Float64[np.ndarray, "M D A"]
    chosen: Float64[np.ndarray, " M"]

    @property
    def shifts(self) -> list[int]:
        """The places of the shifted test sets."""
        return [
            place
            for place, each in enumerate(self.sets)
            if (each.split, each.role) == ("test", "shift")
        ]

    @property
    def reference(self) -> int | None:
        """The place of the test set of the reference; without one, of its validation set."""
        for split in ("test", "validation"):
            for place, each in enumerate(self.sets):
                if (each.split, each.role) == (split, "reference"):
                    return place
        return None

    def shown(self) -> list[tuple[GridSet, Float64[np.ndarray, "M A"]]]:
        """Return the sets to show with their accuracies: reference, mean of shifts, the others."""
        reference, shifts = self.reference, self.shifts
        found = []
        if reference is not None:
            found.append((self.sets[reference], self.accuracies[:, reference]))
        if len(shifts) > 1:
            total = sum(self.sets[place].n for place in shifts)
            mean = GridSet(MEAN_OF_SHIFTS, "test", "shift", total)
            found.append((mean, self.accuracies[:, shifts].mean(axis=1)))
        rest = [place for place in range(len(self.sets)) if place not in (reference, *shifts)]
        places = [*shifts, *rest]
        return found + [(self.sets[place], self.accuracies[:, place]) for place in places]


def load_results(
    directory: StudyDirectory,
    each_run: Callable[[RunRow, dict[str, Predictions]], Any] | None = None,
) -> GridResults:
    """Read what every finished run predicted.

    Args:
      directory: The study.
      each_run: Called with each row and its predictions by dataset, which are read once.

    Raises:
      InputError: No finished run; a run's predictions aren't there, or are of other sets, examples
        or alphas than those of the others (it was swept again).
    """
    rows = directory.read_rows()
    failed = tuple(row for row in rows if "failed" in row)
    finished = tuple(row for row in rows if "failed" not in row)
    if not finished:
        reason = f": {failed[0].get('failed')}" if failed else ""
        raise InputError(f"{directory.path}: no run of the study is finished{reason}")
    sets: tuple[GridSet, ...] = ()
    alphas: tuple[float, ...] = ()
    accuracies = []
    for row in finished:
        run = directory.run_of(row)
        predictions = _in_order(row, load_predictions(run.path))
        own_sets, own_alphas = _sets_of(predictions), predictions[0].alphas
        sets, alphas = sets or own_sets, alphas or own_alphas
        if (own_sets, own_alphas) != (sets, alphas):
            raise InputError(
                f"{run.path}: its predictions are of other sets, examples or alphas than those of"
                f" {finished[0]['run']}: it was swept again with other options. Remove the run's"
                " directory and continue the study with --resume"
            )
        accuracies.append([accuracies_of(each) for each in predictions])
        if each_run is not None:
            each_run(row, {each.dataset: each for each in predictions})
    chosen = np.array([row.get("selection", {})["alpha"] for row in finished], np.float64)
    return GridResults(finished, failed, sets, alphas, np.array(accuracies), chosen)


def accuracies_of(predictions: Predictions) -> list[float]:
    """Return the accuracy at each alpha, by rising alpha."""
    return [predictions.accuracy(place).compute() for place in range(len(predictions.alphas))]


def _in_order(row: RunRow, predictions: dict[str, Predictions]) -> list[Predictions]:
    """Return the predictions of the sets of a row, in its order; those have labels."""
    names = [each["dataset"] for each in row.get("sets", [])]
    lost = [name for name in names if name not in predictions]
    if lost or not names:
        raise InputError(f"{row['run']}: no predictions of {', '.join(lost) or 'a labelled set'}")
    return [predictions[name] for name in names]


def _sets_of(predictions: Sequence[Predictions]) -> tuple[GridSet, ...]:
    return tuple(
        GridSet(each.dataset, each.split, each.role, each.accuracy(0).n) for each in predictions
    )
