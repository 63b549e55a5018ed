"""The picture of diversity: how differently each pair of models errs, set by set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.reporting.analysis_figures import panel_grid, rows_of, set_names, short, spread_of
from wiseft_jax.reporting.analysis_tables import metric_name
from wiseft_jax.reporting.axes import percent
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.style import BLACK, BLUE, VERMILLION

METRICS = ("prediction_diversity", "kappa_complement", "kl_divergence")
_PAIRS = {
    "zero_shot/fine_tuned": ("zero-shot / fine-tuned", VERMILLION, ""),
    "zero_shot/merged": ("zero-shot / merged", BLUE, "///"),
    "merged/fine_tuned": ("merged / fine-tuned", "#999999", "..."),
}


def diversity_figure(rows: Sequence[AnalysisRow]) -> Figure:
    """Return the picture: a panel a measure, a group of bars a set, a bar a pair of models.

    Raises:
      InputError: If there are no rows of a set.
    """
    names = set_names(rows)
    metrics = [metric for metric in METRICS if rows_of(rows, metric)]
    pairs = [pair for pair in _PAIRS if rows_of(rows, "prediction_diversity", group=pair)]
    figure, panels = panel_grid(
        len(metrics),
        "How differently two models err",
        (3.9, 0.55 + 0.24 * len(names) * len(pairs)),
        sharey=True,
    )
    height = 0.8 / len(pairs)
    for axes, metric in zip(panels, metrics, strict=True):
        for place, pair in enumerate(pairs):
            found = {row["dataset"]: row for row in rows_of(rows, metric, group=pair)}
            there = [(y, found[name]) for y, name in enumerate(names) if name in found]
            values, spread = spread_of([row for _, row in there])
            label, colour, hatch = _PAIRS[pair]
            axes.barh(
                [y - 0.4 + (place + 0.5) * height for y, _ in there], values, height, xerr=spread,
                color=colour, edgecolor="white", hatch=hatch, linewidth=0.5,
                label=label, error_kw={"elinewidth": 1.0, "capsize": 2, "ecolor": BLACK},
            )  # fmt: skip
        axes.set_yticks(np.arange(len(names)), [short(name) for name in names.values()])
        axes.grid(visible=False, axis="y")
        axes.set_xlim(left=0)
        if metric == "prediction_diversity":
            axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: percent(share)))
        title = metric_name(metric) + (" (nats)" if metric == "kl_divergence" else "")
        axes.set_title(title, fontsize=10, pad=6)
    panels[0].set_ylim(len(names) - 0.45, -0.55)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=len(pairs),
        frameon=False, fontsize=9,
    )  # fmt: skip
    note = "bars with 95 % intervals; 0: the same answers, or errors"
    if "kl_divergence" in metrics:
        note += "; the divergence is from the first model of a pair to the second"
    add_footnote(figure, note)
    return figure
