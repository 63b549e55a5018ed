"""The tables of a run or of a study of hyper-parameters, for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.core.results import Row
from wiseft_jax.reporting import grid_tables, study_tables
from wiseft_jax.reporting.gains_table import GAINS_NOTE, HEADS, gains_cells
from wiseft_jax.reporting.paper_tables import PaperTable
from wiseft_jax.reporting.score_tables import score_table
from wiseft_jax.reporting.series import Curves, Series
from wiseft_jax.reporting.tables import accuracy_cells, alpha_name

_ROW = (
    "dataset", "split", "role", "metric", "group", "alpha", "value", "ci_low", "ci_high", "n",
    "method", "band_low", "band_high", "config_hash",
)  # fmt: skip
_ENDS = {0.0: "zero-shot", 1.0: "fine-tuned"}


def tables_of_run(
    rows: Sequence[Row],
    selection: Mapping[str, Any],
    gains: Sequence[Mapping[str, Any]],
    studies: Mapping[str, Mapping[str, Any]],
) -> list[PaperTable]:
    """Return the tables of a run.

    Args:
      rows: Its results.
      selection: ``Selection.facts()``.
      gains: ``SweepResult.gains`` of the chosen alpha; empty without predictions.
      studies: ``learned`` and ``rules`` -> the content of their files, as far as they fit.
    """
    found = [_accuracy(rows, selection), _gains(rows, float(selection["alpha"]), gains)]
    found.append(_scores(rows, {0.0, float(selection["alpha"]), 1.0}))
    found += [_TABLES_OF[name](facts) for name, facts in studies.items()]
    return [table for table in found if table is not None]


def tables_of_study(facts: Mapping[str, Any]) -> list[PaperTable]:
    """Return the tables of a study of hyper-parameters.

    Args:
      facts: The content of ``grid.json``.
    """
    spread_heads, spread = grid_tables.spread_cells(facts)
    found = [
        PaperTable("spread", grid_tables.spread_caption(facts), _heads(spread_heads), spread),
        PaperTable("runs", "Accuracies in %.", *grid_tables.runs_cells(facts)),
    ]
    if facts["rules"]:
        heads, lines = grid_tables.rules_cells(facts)
        found.append(PaperTable("rules", grid_tables.rules_caption(facts), heads, lines))
    return found


def _accuracy(rows: Sequence[Row], selection: Mapping[str, Any]) -> PaperTable:
    cells = accuracy_cells(rows, selection=selection)
    lines = [
        [
            alpha_name(alpha, chosen=index == cells.chosen),
            *(_percent(each, alpha) for each in cells.sets),
        ]
        for index, alpha in enumerate(cells.alphas)
    ]
    heads = ["alpha", *(f"{each.name} (n={each.n})" for each in cells.sets)]
    caption = (
        "Top-1 accuracy in % by the mixing coefficient alpha (0: zero-shot, 1: fine-tuned); the"
        " mean of the shifts is unweighted, and its n counts all their images."
    )
    chosen = float(selection["alpha"])
    records = [
        {**{name: row.get(name) for name in _ROW}, "chosen": row["alpha"] == chosen} for row in rows
    ]
    bold = () if cells.chosen is None else (cells.chosen,)
    return PaperTable("accuracy", caption, heads, lines, records, bold)


def _percent(series: Series, alpha: float) -> str:
    point = series.at(alpha)
    return "-" if point is None else f"{100 * point.value:.1f}"


def _gains(
    rows: Sequence[Row], alpha: float, gains: Sequence[Mapping[str, Any]]
) -> PaperTable | None:
    curves = Curves.of(rows)
    lines = gains_cells(curves, alpha, gains)
    if not lines:
        return None
    tested = {(each["dataset"], each["split"], each["end"]): each for each in gains}
    records = []
    for series in curves.all:
        for end, name in _ENDS.items():
            point, other = series.at(alpha), series.at(end)
            if point is None or other is None or alpha == end:
                continue
            gain = tested.get((series.name, series.split, end), {})
            records.append(
                {
                    "dataset": series.name,
                    "split": series.split,
                    "role": series.role,
                    "n": series.n,
                    "alpha": alpha,
                    "value": point.value,
                    "ci_low": point.low,
                    "ci_high": point.high,
                    "against": name,
                    "difference": point.value - other.value,
                    "difference_low": gain.get("low"),
                    "difference_high": gain.get("high"),
                    "p_value": gain.get("p_value"),
                }
            )
    caption = f"At the chosen alpha = {alpha:g}; accuracies in %. "
    caption += GAINS_NOTE if gains else "Differences without intervals: there are no predictions."
    return PaperTable("gains", caption, HEADS, lines, records)


def _scores(rows: Sequence[Row], alphas: set[float]) -> PaperTable | None:
    shown = [row for row in rows if row["alpha"] in alphas and row["metric"] != "top1"]
    table = score_table(shown)
    if table is None:
        return None
    heads, lines = table
    lines = [(f"{row['alpha']:g}", *line) for row, line in zip(shown, lines, strict=True)]
    records = [{name: row.get(name) for name in _ROW} for row in shown]
    caption = "What else the sets are scored by, in %."
    return PaperTable("scores", caption, ("alpha", *heads), lines, records)


def _learned(facts: Mapping[str, Any]) -> PaperTable:
    lines = [
        [
            study_tables.MODELS.get(row["model"], row["model"]),
            "by group" if row["alpha"] is None else f"{row['alpha']:g}",
            row["dataset"],
            f"{row['n']}",
            f"{100 * row['value']:.1f}",
            "-" if row["p_holm"] is None else study_tables.p_in_brackets(row["p_holm"]),
        ]
        for row in facts["rows"]
    ]
    caption = (
        f"Coefficients by {facts['config']['granularity']}, fitted on {facts['dataset']}"
        f" (n={facts['n']}), beside single alphas: accuracy in %; p of McNemar's exact test against"
        " the learned ones, corrected for the sets (Holm)."
    )
    heads = ("model", "alpha", "set", "n", "accuracy", "p")
    return PaperTable("learned", caption, heads, lines, facts["rows"])


def _rules(facts: Mapping[str, Any]) -> PaperTable:
    heads, lines = study_tables.rules_cells(facts)
    caption = f"What each rule for alpha costs: {study_tables.rules_caption(facts)}."
    return PaperTable("rules", caption, _heads(heads), lines, facts["costs"])


_TABLES_OF = {"learned": _learned, "rules": _rules}


def _heads(heads: Sequence[tuple[str, str, str]]) -> list[str]:
    return [name if not kind else f"{name} ({kind}, {_counted(n)})" for name, kind, n in heads]


def _counted(n: str) -> str:
    return f"n={n}" if n.isdigit() else n
