"""Rows of the continuous curve: the schema of ``curves.jsonl``, written and read without jax."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict, cast

from wiseft_jax.core.results import read_rows_of_sets
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.core.writers import write_text

CURVES_FILE = "curves.jsonl"


class CurveRow(TypedDict):
    """The accuracy of one set at every alpha, tabulated, and where single predictions change.

    ``hits``, ``low`` and ``high`` are counts among ``n``, one for each of ``alphas``: the curve,
    and the same with every uncertain prediction counted as wrong, or as right. ``lost`` and ``won``
    are the alphas at which an example turns from right to wrong, and from wrong to right, rising.
    ``summary`` has what it took, and how sure it is.
    """

    schema: int
    dataset: str
    split: Split
    role: Role
    n: int
    alphas: list[float]
    hits: list[int]
    low: list[int]
    high: list[int]
    lost: list[float]
    won: list[float]
    summary: dict[str, Any]
    config_hash: str


def write_curve_rows(path: Path | str, rows: Iterable[CurveRow]) -> None:
    """Write rows to ``path`` as JSON lines, atomically."""
    write_text(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))


def read_curve_rows(path: Path | str) -> list[CurveRow]:
    """Return the rows of a ``curves.jsonl`` file, or of a run directory; [] where there is none.

    Raises:
      InputError: If a line isn't a row, or its schema is newer than this program's.
    """
    path = Path(path)
    path = path / CURVES_FILE if path.is_dir() else path
    if not path.is_file():
        return []
    return cast(list[CurveRow], read_rows_of_sets(path, "curve row", [*CurveRow.__annotations__]))
