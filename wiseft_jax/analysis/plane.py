"""Loss and accuracy on the plane through three models, as a run stores them. Loads no jax."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from wiseft_jax.analysis.layer_features import other_ends, read_with_facts
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.analysis_rows import ANALYSES_DIR, AnalysisRow, analysis_row
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.writers import atomic_open
from wiseft_jax.evaluation.mapped import write_arrays

ANALYSIS = "plane"
COMMAND = "wiseft report RUN --analyses plane --plane.other RUN2"
ZERO_SHOT_NAME, FINE_TUNED_NAME, CHOSEN_NAME = "zero_shot", "fine_tuned", "chosen"
_FORMAT = 1
_FACTS = ("format", "dataset", "split", "role", "third", "chosen", "settings", "made_from")


@dataclasses.dataclass(frozen=True)
class PlaneResult:
    """What models at some points of a plane make of a sample of a set's labelled images.

    The first four points are zero-shot, fine-tuned, the third model, and the chosen one on the
    line between the first two; a square grid follows, row by row.

    Attributes:
      dataset: The set's name.
      split: Its split.
      role: Its role.
      third: What the third model is called.
      chosen: The alpha of the fourth point.
      points: float64[P, 2], in units of the weights' Euclidean distance.
      loss: float32[P, N], cross-entropy in nats.
      correct: bool[P, N].
      ids: The N images.
      settings: What was asked for: images, points a side, margin, seed.
      made_from: ``core.study_files.made_from``, and the hash of the third model.
    """

    dataset: str
    split: str
    role: str
    third: str
    chosen: float
    points: Float64[np.ndarray, "P 2"]
    loss: Float32[np.ndarray, "P N"]
    correct: Bool[np.ndarray, "P N"]
    ids: tuple[str, ...]
    settings: Mapping[str, Any]
    made_from: Mapping[str, Any]

    def save(self, run_dir: Path | str) -> Path:
        """Write ``run_dir/analyses/plane.npz``, atomically and without pickle; return its path."""
        path = plane_file(run_dir)
        facts = {name: getattr(self, name) for name in _FACTS if name != "format"}
        arrays = {
            "facts": np.asarray(json.dumps({"format": _FORMAT, **facts})),
            "ids": np.asarray(self.ids, np.str_),
            "points": self.points,
            "loss": self.loss,
            "correct": np.packbits(self.correct, axis=1),
        }
        with atomic_open(path) as file:
            write_arrays(file, arrays)
        return path

    @classmethod
    def load(cls, path: Path | str) -> PlaneResult:
        """Read what ``save`` wrote.

        Raises:
          InputError: If the file is missing, damaged, or of a newer format.
        """
        arrays, facts = read_with_facts(path, "a plane", _FACTS, _FORMAT)
        missing = [name for name in ("ids", "points", "loss", "correct") if name not in arrays]
        if missing:
            raise InputError(f"{path}: damaged, {', '.join(missing)} missing; remove it")
        ids = tuple(arrays["ids"].tolist())
        correct = np.unpackbits(np.asarray(arrays["correct"]), axis=1, count=len(ids)).astype(bool)
        shape = (len(arrays["points"]), len(ids))
        if arrays["loss"].shape != shape or correct.shape != shape:
            raise InputError(f"{path}: damaged, its arrays differ in length; remove it")
        return cls(
            points=np.asarray(arrays["points"]),
            loss=arrays["loss"],
            correct=correct,
            ids=ids,
            **{name: facts[name] for name in _FACTS if name != "format"},
        )


def plane_file(run_dir: Path | str) -> Path:
    """Return where the plane of a run is stored."""
    return Path(run_dir) / ANALYSES_DIR / "plane.npz"


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
    path = plane_file(run.path)
    why = "there is no plane through this run's models"
    found = PlaneResult.load(path) if path.is_file() else None
    if found is None or (why := why_stale(found, run)):
        raise InputError(f"{path}: {why}; make it: {COMMAND.replace('RUN', str(run.path), 1)}")
    return plane_rows(found, run.config_hash)


def why_stale(found: PlaneResult, run: StoredRun) -> str:
    """Return why a stored plane isn't of a run's present models; empty if it is.

    Args:
      found: The plane.
      run: The run.
    """
    if why := other_ends(run.path, found.made_from):
        return why
    if found.chosen != run.chosen:
        return f"it shows alpha {found.chosen:g}, and the run chose {run.chosen:g}"
    return ""


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
