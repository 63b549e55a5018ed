"""The plane through three models as a run stores it: ``RUN/analyses/plane.npz``. Loads no jax."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from wiseft_jax.analysis.layer_features import other_ends, read_with_facts
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.analysis_rows import ANALYSES_DIR
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.writers import atomic_open
from wiseft_jax.evaluation.mapped import write_arrays

PLANE_COMMAND = "wiseft report RUN --analyses plane --plane.other DIR"
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


def missing_plane(run: StoredRun) -> str:
    """Return why there is no plane of a run's present models, with the command; empty if there is.

    Raises:
      InputError: If the stored one can't be read.
    """
    path = plane_file(run.path)
    if not path.is_file():
        return (
            "it needs a third model, another run or an exported model of the same CLIP and"
            f" classes: {PLANE_COMMAND}"
        )
    why = why_stale(PlaneResult.load(path), run)
    return f"the stored plane is another one ({why}); make it again: {PLANE_COMMAND}" if why else ""
