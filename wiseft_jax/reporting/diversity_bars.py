"""Diversity of pairs of models as bars: how much more zero-shot and fine-tuned differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wiseft_jax.reporting.diversity_table import GROUPS, MEASURES, cka_note
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.saving import save_png_and_svg
from wiseft_jax.reporting.style import BLUE, GREY, STYLE, VERMILLION

_STYLES = {
    "zero_shot/fine_tuned": (VERMILLION, ""),
    "fine_tuned/fine_tuned": (BLUE, "///"),
    "probe/probe": (GREY, "..."),
}
_WIDTH = 0.27


def draw_diversity(facts: Mapping[str, Any], path: Path | str) -> list[Path]:
    """Draw the bars as PNG and SVG, and return both paths.

    Args:
      facts: The content of ``diversity.json``.
      path: Where to.
    """
    style: dict[Any, Any] = STYLE | {"hatch.linewidth": 0.6}
    with matplotlib.rc_context(style):
        return save_png_and_svg(diversity_figure(facts), path)


def diversity_figure(facts: Mapping[str, Any]) -> Figure:
    """Return a panel for each measure of two groups or more, with bars for each set.

    Args:
      facts: The content of ``diversity.json``.
    """
    sets = _in_order(facts["sets"])
    measures = [
        name for name in MEASURES if any(len(each["measures"].get(name, {})) > 1 for each in sets)
    ]
    height = 0.9 + 2.5 * len(measures)
    figure = Figure(figsize=(max(6.6, 2.2 + 1.05 * len(sets)), height), dpi=150)
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    panels = figure.subplots(len(measures), 1, squeeze=False, sharex=True)[:, 0]
    for axes, measure in zip(panels, measures, strict=True):
        _draw(axes, measure, sets)
    panels[0].set_title("How differently pairs of models err", pad=10)
    panels[-1].set_xticks(range(len(sets)), [_broken(each["dataset"]) for each in sets])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(handles), frameon=False)
    bootstrap = facts["bootstrap"]
    counts = ", ".join(
        f"{count} of {GROUPS[group]}" for group, count in facts["pairs"].items() if count
    )
    add_footnote(
        figure,
        f"means over pairs ({counts}); whiskers: 95 % bootstrap over images"
        f" ({bootstrap['samples']} samples), models fixed; × : times fine-tuned / fine-tuned;"
        f" n = {min(e['n'] for e in sets)} to {max(e['n'] for e in sets)} a set{cka_note(facts)}",
    )
    return figure


def _in_order(sets: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the reference, the mean of shifts, the shifts, then the rest."""

    def rank(each: Mapping[str, Any]) -> int:
        if each["role"] == "reference":
            return 0 if each["split"] == "test" else 3
        if each["role"] == "shift":
            return 1 if each["dataset"] == "mean of shifts" else 2
        return 3

    return sorted(sets, key=rank)


def _draw(axes: Axes, measure: str, sets: Sequence[Mapping[str, Any]]) -> None:
    groups = [
        group
        for group in GROUPS
        if any(group in each["measures"].get(measure, {}) for each in sets)
    ]
    for offset, group in enumerate(groups):
        colour, hatch = _STYLES[group]
        shift = (offset - (len(groups) - 1) / 2) * _WIDTH
        label = GROUPS[group]
        for place, each in enumerate(sets):
            own = each["measures"].get(measure, {}).get(group)
            if own is None:
                continue
            value = own["value"]
            axes.bar(
                place + shift, value, _WIDTH * 0.92, color=colour, hatch=hatch, label=label,
                edgecolor="white", linewidth=0.5,
            )  # fmt: skip
            label = "_nolegend_"
            axes.errorbar(
                place + shift, value, yerr=[[value - own["low"]], [own["high"] - value]],
                color="0.15", capsize=2.2, linewidth=0.9,
            )  # fmt: skip
            ratio = own["ratio"]
            if group == "zero_shot/fine_tuned" and ratio is not None:
                axes.annotate(
                    f"×{ratio['value']:.1f}", (place + shift, own["high"]), xytext=(0, 3),
                    textcoords="offset points", ha="center", fontsize=8.5,
                )  # fmt: skip
    axes.set_ylabel(MEASURES[measure] + (", nats" if measure == "kl_divergence" else ""))
    axes.grid(visible=False, axis="x")
    axes.margins(y=0.14)
    axes.set_ylim(bottom=0)


def _broken(name: str) -> str:
    return name.replace(" ", "\n").replace("_", "\n")
