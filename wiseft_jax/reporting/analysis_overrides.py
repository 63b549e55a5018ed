"""The picture of overrides: whose answer the merged model gives, and how sure each end is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.reporting.analysis_figures import panel_grid, rows_of, set_names, short, spread_of
from wiseft_jax.reporting.axes import percent
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.style import BLACK, BLUE, VERMILLION

_ANSWERS = {
    "zero_shot_overrides": ("zero-shot's answer", BLUE, ""),
    "neither": ("neither's", "#BBBBBB", "..."),
    "zero_shot_overridden": ("fine-tuned's answer", VERMILLION, "///"),
}
_ENDS = {0.0: ("zero-shot", BLUE, "s"), 1.0: ("fine-tuned", VERMILLION, "^")}


def overrides_figure(rows: Sequence[AnalysisRow]) -> Figure:
    """Return the picture: bars of shares on the left, mean margins on the right.

    Raises:
      InputError: If there are no rows of a set.
    """
    names = set_names(rows)
    alphas = {row["alpha"] for row in rows_of(rows, "zero_shot_overrides")}
    at = f" at α = {next(iter(alphas)):g}" if alphas else ""
    size = (5.4, 0.9 + 0.44 * len(names))
    figure, (answers, confidence) = panel_grid(
        2, f"Where zero-shot and fine-tuned disagree: whose answer the merged model gives{at}",
        size, columns=2, sharey=True,
    )  # fmt: skip
    _draw_answers(answers, rows, list(names))
    _draw_confidences(confidence, rows, list(names))
    answers.set_yticks(np.arange(len(names)), [short(name) for name in names.values()])
    answers.set_ylim(len(names) - 0.4, -0.6)
    add_footnote(
        figure,
        "n: examples on which the ends disagree; line: an even split. Confidence: the mean margin"
        " between the two largest logits, of all examples (filled) and of those on which the ends"
        " disagree (hollow), with 95 % intervals",
    )
    return figure


def _draw_answers(axes: Axes, rows: Sequence[AnalysisRow], names: Sequence[str]) -> None:
    left = np.zeros(len(names))
    counts: dict[str, int] = {}
    for metric, (label, colour, hatch) in _ANSWERS.items():
        found = {row["dataset"]: row for row in rows_of(rows, metric)}
        counts |= {str(name): row["n"] for name, row in found.items()}
        widths = np.array([found[name]["value"] if name in found else 0 for name in names])
        axes.barh(
            np.arange(len(names)), widths, 0.66, left=left, color=colour, hatch=hatch,
            edgecolor="white", linewidth=0.6, label=label,
        )  # fmt: skip
        left = left + widths
    for y, name in enumerate(names):
        text = f"n = {counts[name]}" if name in counts else "they never disagree"
        axes.annotate(text, (1.015, y), va="center", fontsize=8, annotation_clip=False)
    axes.axvline(0.5, color=BLACK, linewidth=0.9, linestyle=(0, (1, 1.5)))
    axes.set_xlim(0, 1)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: percent(share)))
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False, fontsize=8.5,
        borderaxespad=0.2, handlelength=1.4, columnspacing=1.0,
    )  # fmt: skip


def _draw_confidences(axes: Axes, rows: Sequence[AnalysisRow], names: Sequence[str]) -> None:
    for alpha, (label, colour, marker) in _ENDS.items():
        for group, face, shift in (("all", colour, -0.14), ("disagreement", "white", 0.14)):
            found = {
                row["dataset"]: row for row in rows_of(rows, "confidence", group=group, alpha=alpha)
            }
            there = [(y + shift, found[name]) for y, name in enumerate(names) if name in found]
            if not there:
                continue
            values, spread = spread_of([row for _, row in there])
            axes.errorbar(
                values, [y for y, _ in there], xerr=spread, fmt=marker, color=colour,
                markerfacecolor=face, markersize=6.5, capsize=2.5, linewidth=1.1,
                label=label if group == "all" else None,
            )  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_xlabel("confidence: margin in logits")
    axes.grid(visible=False, axis="y")
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=8.5,
        borderaxespad=0.2,
    )  # fmt: skip
