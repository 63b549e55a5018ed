"""Tables of what differs between two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.core.results import kind_of_set
from wiseft_jax.core.run_differences import Difference
from wiseft_jax.reporting.tables import p_text

PLACES = {"zero_shot": "zero-shot", "chosen": "chosen", "fine_tuned": "fine-tuned"}
PAIRED_HEADS = (
    "at", "set", "kind", "n", "first", "second", "second - first [95 %]", "McNemar", "Holm",
)  # fmt: skip
PAIRED_NOTE = (
    "Accuracies in %; differences in points, paired by image: Newcombe's 95 % intervals (of the"
    " mean put together from them), McNemar's exact test of each set by itself, and corrected for"
    " the sets at that place of the path (Holm)."
)
_LONGEST = 60


def difference_cells(differences: Sequence[Difference]) -> list[list[str]]:
    """Return name, first and second of each."""
    return [[each.name, _shown(each.first), _shown(each.second)] for each in differences]


def paired_cells(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the cells below ``PAIRED_HEADS``.

    Args:
      rows: ``evaluation.paired_runs.PairedRow`` as dictionaries.
    """
    return [
        [
            _place(row),
            row["dataset"],
            kind_of_set(row["split"], row["role"]),
            f"{row['n']}",
            *(f"{100 * value:.1f}" for value in row["values"]),
            f"{_points(row['difference'])} [{_points(row['low'])}, {_points(row['high'])}]",
            "-" if row["p_value"] is None else p_text(row["p_value"]),
            "-" if row["p_holm"] is None else p_text(row["p_holm"]),
        ]
        for row in rows
    ]


def _place(row: Mapping[str, Any]) -> str:
    name = PLACES[row["at"]]
    if row["at"] != "chosen":
        return name
    return f"{name} ({' and '.join(f'{alpha:g}' for alpha in dict.fromkeys(row['alphas']))})"


def _points(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:+.1f}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else f"{value!r}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
