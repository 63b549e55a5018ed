"""Tables of what a set is scored by beside top-1: worst region, macro-F1, pm-0 and pm-10."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from wiseft_jax.core.results import Row

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""A header, and lines of as many cells."""

_TITLES = {
    "worst_region": "worst region",
    "macro_f1": "macro-F1",
    "pm0": "pm-0 (anchors)",
    "pm10": "pm-10 (whole sets of frames)",
}


def score_table(
    rows: Sequence[Mapping[str, Any]], names: Mapping[str, str] | None = None
) -> Table | None:
    """Return a line for each row of another metric than top-1; None where there is none.

    Args:
      rows: Result rows; with ``model``, of several models.
      names: What models are called in the table; None: there is one.
    """
    others = [row for row in rows if row["metric"] != "top1"]
    if not others:
        return None
    header = ("dataset", *(("model",) if names else ()), "metric", "%", "95 % interval", "n")
    lines = [
        (
            row["dataset"],
            *((names[row["model"]],) if names else ()),
            _title(row),
            f"{100 * row['value']:.1f}",
            f"{100 * row['ci_low']:.1f} to {100 * row['ci_high']:.1f}",
            str(row["n"]),
        )
        for row in others
    ]
    return header, lines


def scores_section(rows: Sequence[Row], alphas: Collection[float]) -> str:
    """Return the Markdown table of other metrics than top-1 at some alphas; empty without any.

    Args:
      rows: Of every set and alpha.
      alphas: Which to show.
    """
    found = [row for row in rows if row["metric"] != "top1" and row["alpha"] in alphas]
    if not found:
        return ""
    lines = ["| dataset | metric | alpha | % | 95 % interval | n |", "|---|---|---|---|---|---|"]
    for row in found:
        between = f"{100 * row['ci_low']:.1f} to {100 * row['ci_high']:.1f}"
        if "band_low" in row and row["band_low"] < row.get("band_high", 0.0):
            band = f"{100 * row['band_low']:.1f} to {100 * row.get('band_high', 0.0):.1f}"
            between += f"; by what is uncertain {band}"
        name = row["dataset"].replace("|", "\\|")
        cells = (name, _title(row), f"{row['alpha']:g}", f"{100 * row['value']:.1f}")
        lines.append(f"| {' | '.join((*cells, between, str(row['n'])))} |")
    return "\n".join(lines)


def _title(row: Mapping[str, Any]) -> str:
    title = _TITLES.get(row["metric"], str(row["metric"]))
    return f"{title}: {row['group']}" if "group" in row else title
