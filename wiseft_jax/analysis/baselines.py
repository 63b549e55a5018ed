"""Other models' accuracies from a CSV: what effective robustness is measured against."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from wiseft_jax.core.errors import InputError, did_you_mean, few, missing_path

MODEL_COLUMN = "model"
FEWEST = 3
"""Models that a line needs: two points always lie on one."""


@dataclasses.dataclass(frozen=True, eq=False)
class Baselines:
    """Accuracies of other models.

    Attributes:
      path: The file.
      models: Names of the M models.
      accuracies: Set -> float64[M]; NaN where a cell is empty.
    """

    path: Path
    models: tuple[str, ...]
    accuracies: Mapping[str, Float64[np.ndarray, " M"]]

    def pair(
        self, reference: str, shift: str
    ) -> tuple[Float64[np.ndarray, " P"], Float64[np.ndarray, " P"]]:
        """Return the accuracies on two sets, of the models that have both.

        Args:
          reference: A set.
          shift: Another.

        Raises:
          InputError: If there is no such column, or there are too few models for a line.
        """
        for name in (reference, shift):
            if name not in self.accuracies:
                known = list(self.accuracies)
                raise InputError(
                    f"{self.path}: there is no column {name!r}.{did_you_mean(name, known)} Expected"
                    f" columns named as the run's sets, {reference!r} and {shift!r} among them;"
                    f" found: {few(known)}"
                )
        x, y = self.accuracies[reference], self.accuracies[shift]
        both = self.both(reference, shift)
        if int(both.sum()) < FEWEST:
            raise InputError(
                f"{self.path}: expected {FEWEST} models or more with {reference!r} and {shift!r},"
                f" found {int(both.sum())}; a line needs them"
            )
        if np.ptp(x[both]) == 0:
            raise InputError(
                f"{self.path}: all models have the same {reference!r}, through which there is no"
                " line"
            )
        return x[both], y[both]

    def both(self, reference: str, shift: str) -> Bool[np.ndarray, " M"]:
        """Return which models have accuracies on both sets."""
        return ~np.isnan(self.accuracies[reference]) & ~np.isnan(self.accuracies[shift])


def read_baselines(path: Path | str) -> Baselines:
    """Read a CSV: a column ``model``, and a column for each set, named as the run's sets.

    Accuracies are fractions between 0 and 1, both left out; an empty cell is one that isn't known.
    Lines that begin with ``#`` are comments.

    Args:
      path: The file, UTF-8.

    Raises:
      InputError: Names the line and the column of what is wrong.

    Example:
      >>> read_baselines("baselines.csv").models
      ('ResNet-50', 'ViT-B/16')
    """
    path = Path(path)
    if not path.is_file():
        raise missing_path(path, "file of baselines")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text ({error})") from None
    lines = [
        (place, line)
        for place, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    rows = list(csv.reader([line for _, line in lines], skipinitialspace=True))
    if not rows:
        raise InputError(f"{path}: expected a header and a line for each model, found nothing")
    sets = _sets(path, rows[0])
    models, cells = [], []
    for (place, _), row in zip(lines[1:], rows[1:], strict=True):
        where = f"{path}:{place}"
        if len(row) != len(rows[0]):
            raise InputError(
                f"{where}: expected {len(rows[0])} cells as in the header, found {len(row)}"
            )
        named = dict(zip((cell.strip() for cell in rows[0]), row, strict=True))
        models.append(named[MODEL_COLUMN].strip())
        cells.append([_accuracy(named[name], f"{where}: {name}") for name in sets])
    if repeated := sorted({model for model in models if models.count(model) > 1}):
        raise InputError(f"{path}: the model {few(repeated)} is there twice; expected it once")
    table = np.array(cells, np.float64).reshape(len(models), len(sets))
    return Baselines(path, tuple(models), dict(zip(sets, table.T, strict=True)))


def _sets(path: Path, header: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in header]
    if MODEL_COLUMN not in names:
        hint = did_you_mean(MODEL_COLUMN, names)
        parted = any(mark in name for name in names for mark in ";\t")
        hint += " Columns are parted by commas." if parted else ""
        raise InputError(
            f"{path}: expected a column {MODEL_COLUMN!r} and one for each set, named as the run's;"
            f" found the columns {few(names)}.{hint}"
        )
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}: the column {few(repeated)} is there twice; expected it once")
    sets = [name for name in names if name != MODEL_COLUMN]
    if len(sets) < 2:
        raise InputError(
            f"{path}: expected a column {MODEL_COLUMN!r} and one for each set, the reference and a"
            f" shift or more, named as the run's; found the columns {few(names)}"
        )
    return sets


def _accuracy(cell: str, where: str) -> float:
    text = cell.strip()
    if not text:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{where}: expected an accuracy, found {text!r}") from None
    if not 0 < value < 1:
        remedy = "; divide percentages by 100" if 1 < value <= 100 else ""
        if value in (0, 1):
            remedy = "; 0 and 1 have no place on logit axes: leave the cell empty"
        raise InputError(f"{where}: expected a fraction between 0 and 1, found {text}{remedy}")
    return value
