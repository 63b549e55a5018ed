"""The stored analyses of a run, as a page shows them, and the commands that make the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.reporting.analysis_tables import METRICS

KNOWN: dict[str, tuple[str, str]] = {
    "effective_robustness": (
        "Effective robustness",
        "Accuracy under shift beyond what the baseline's accuracy on the reference predicts.",
    ),
    "calibration": (
        "Calibration",
        "How well the models' confidence fits their accuracy: of errors, losses and Brier scores"
        " lower is better; a temperature above 1 says that the model is too sure of itself.",
    ),
    "diversity": (
        "Diversity of predictions",
        "How differently two models answer: where exactly one is right, beyond chance agreement.",
    ),
    "overrides": (
        "Overrides",
        "Where the two ends disagree, whose answer the model in between takes.",
    ),
    "landscape": (
        "Landscape",
        "How the curve lies above the straight line between the ends.",
    ),
    "layers": (
        "Distance of the layers",
        "How far fine-tuning moved each layer's weights, and in which direction.",
    ),
    "cka": ("Similarity of features (CKA)", "How alike the features of two models are, by layer."),
    "plane": ("Plane through three models", "Accuracy or loss around the path."),
    "ensembles": ("Ensembles", "Averages of outputs beside averages of weights."),
    "other_sets": ("Other label sets", "What is left of the zero-shot ability elsewhere."),
    "classes": ("Classes", "Gains and losses of each class."),
    "flips": ("Flips", "Which images change sides, and where."),
}
"""Analysis -> its title and what it tells; the order of the page."""

ASKED_FOR = ("effective_robustness", "calibration", "diversity", "layers", "cka", "overrides")
"""Those whose command is shown where they aren't stored: the page has the others' content."""

_MORE = {"effective_robustness": " --baselines FILE.csv"}
"""What a command needs beside the analysis's name."""

MOST_ROWS = 5000
_FIELDS = (
    "metric", "dataset", "split", "alpha", "other", "group",
    "value", "n", "ci_low", "ci_high", "p_value", "p_holm",
)  # fmt: skip
_DIGITS = 6


@dataclasses.dataclass(frozen=True)
class Analysis:
    """The rows of one analysis.

    Attributes:
      name: Its name.
      title: Its heading.
      meaning: What it tells, in a sentence.
      rows: Values of ``metric, dataset, split, alpha, other, group, value, n, ci_low, ci_high,
        p_value, p_holm``, one list a row.
      left_out: Rows that aren't here, of a large table.
      units: Metric -> its unit, of the rows.
    """

    name: str
    title: str
    meaning: str
    rows: list[list[Any]]
    left_out: int = 0
    units: dict[str, str] = dataclasses.field(default_factory=dict)


def analyses_of(stored: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Analysis]:
    """Return the analyses in the page's order, unknown ones last."""
    order = [*KNOWN, *sorted(stored.keys() - KNOWN.keys())]
    shown = {name: _shown(name, stored[name]) for name in order if name in stored}
    return [_analysis(name, rows) for name, rows in shown.items() if rows]


def _shown(name: str, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows to show: of the flips those of no single image, which the page shows."""
    return [row for row in rows if name != "flips" or row.get("group") is None]


def _analysis(name: str, rows: Sequence[Mapping[str, Any]]) -> Analysis:
    title, meaning = KNOWN.get(name, (name.replace("_", " ").capitalize(), ""))
    kept = [[_shortened(row.get(field)) for field in _FIELDS] for row in rows[:MOST_ROWS]]
    units = {row["metric"]: METRICS[row["metric"]][1] for row in rows if row["metric"] in METRICS}
    return Analysis(name, title, meaning, kept, max(0, len(rows) - MOST_ROWS), units)


def _shortened(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def missing_commands(stored: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return title and command of each analysis that isn't stored."""
    return [
        (KNOWN[name][0], f"wiseft report RUN --analyses {name}{_MORE.get(name, '')}")
        for name in ASKED_FOR
        if not stored.get(name)
    ]
