"""Accuracy on the line: the path of alpha beside other models, reference against shift."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.baseline_range import beyond_baselines
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.analysis_figures import name_panel, panel_grid, rows_of, short
from wiseft_jax.reporting.analysis_tables import interval_text, value_text
from wiseft_jax.reporting.axes import SCALES, set_logit_scale
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.style import BLACK, BLUE, GREY, VERMILLION

_WIDTH = 4.3
_MARKED = {0.0: ("s", 7.5, "zero-shot (α = 0)"), 0.5: ("D", 6.5, "α = 0.5"),
           1.0: ("^", 8.0, "fine-tuned (α = 1)")}  # fmt: skip


def robustness_figure(
    rows: Sequence[AnalysisRow], scale: str = "logit", chosen: float | None = None
) -> Figure:
    """Return the picture: a panel a shift, both axes logit- or probit-scaled.

    Args:
      rows: Of the analysis ``effective_robustness``.
      scale: ``"logit"`` or ``"probit"``.
      chosen: The chosen alpha, a star.

    Raises:
      InputError: If there are no such rows.
    """
    pairs = list(
        dict.fromkeys(
            (row["other"], row["dataset"])
            for row in rows_of(rows, "effective_robustness", group=scale)
        )
    )
    if not pairs:
        raise InputError(f"there is no effective robustness on {scale} axes to draw")
    title = f"Accuracy on the line, {scale} axes: effective robustness is the height above it"
    figure, panels = panel_grid(len(pairs), title, (_WIDTH, 3.9))
    for axes, (axis, shift) in zip(panels, pairs, strict=True):
        _draw(axes, rows, str(axis), str(shift), scale, chosen)
    handles = [
        Line2D([], [], marker="o", linestyle="none", color="0.6", markersize=5, label="baselines"),
        Line2D([], [], color=GREY, linewidth=1.4, label="their line"),
        Line2D([], [], color=BLACK, linewidth=0.9, linestyle=(0, (1, 1.5)), label="y = x"),
        Line2D([], [], color=VERMILLION, marker="o", markersize=3.5, label="path of α"),
    ]
    marked = _MARKED | ({} if chosen is None else {chosen: ("*", 13.0, f"α = {chosen:g}, chosen")})
    handles += [
        Line2D([], [], marker=marker, linestyle="none", color="white", markeredgecolor=BLACK,
               markersize=0.85 * size, label=label)
        for marker, size, label in marked.values()
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=9)
    add_footnote(
        figure,
        "bars: exact binomial 95 % intervals of both axes; ρ: effective robustness in points with"
        " the 95 % interval that counts both, and the baselines'; R²: how well these lie on a line"
        + _unmatched(rows)
        + "".join(f"\n{each}" for each in beyond_baselines(rows)),
    )
    return figure


def _unmatched(rows: Sequence[AnalysisRow]) -> str:
    """Return what to say of shifts that are set against more classes than they have."""
    found = [
        f"{row['dataset']} has {round(row['value'] * row['n'])} of {row['n']} classes"
        for row in rows_of(rows, "share_of_classes")
        if row["value"] < 1
    ]
    return f"\nnot class-matched, so ρ counts that too: {', '.join(found)}" if found else ""


def _inside(row: AnalysisRow) -> tuple[float, float, float]:
    """Return value, low and high, half an example away from 0 and 1."""
    edge = 0.5 / row["n"]
    ends = row["value"], row["ci_low"], row["ci_high"]
    value, low, high = (min(max(row["value"] if e is None else e, edge), 1 - edge) for e in ends)
    return value, low, high


def _draw(
    axes: Axes,
    rows: Sequence[AnalysisRow],
    axis: str,
    shift: str,
    scale: str,
    chosen: float | None,
) -> None:
    x = {r["alpha"]: _inside(r) for r in rows_of(rows, "accuracy", dataset=axis, other=shift)}
    y = {r["alpha"]: _inside(r) for r in rows_of(rows, "accuracy", dataset=shift, other=axis)}
    models = [
        {row["group"]: row["value"] for row in found}
        for found in (
            rows_of(rows, "baseline_accuracy", dataset=axis, other=shift),
            rows_of(rows, "baseline_accuracy", dataset=shift, other=axis),
        )
    ]
    marked = dict(_MARKED)
    if chosen is not None:
        marked[chosen] = ("*", 13.0, "")
    shown = [alpha for alpha in marked if alpha in x]
    xs = [*models[0].values(), *(v for a in x for v in (x[a] if a in shown else x[a][:1]))]
    ys = [*models[1].values(), *(v for a in y for v in (y[a] if a in shown else y[a][:1]))]
    set_logit_scale(axes, "x", xs, scale=scale)
    set_logit_scale(axes, "y", ys, scale=scale)
    forward, backward = SCALES[scale]
    low, high = (float(forward(limit)) for limit in axes.get_xlim())
    ends = np.linspace(low, high, 60)
    (slope, intercept) = (
        rows_of(rows, f"baseline_{name}", dataset=shift, group=scale)[0]["value"]
        for name in ("slope", "intercept")
    )
    axes.plot(backward(ends), backward(slope * ends + intercept), color=GREY, linewidth=1.4)
    axes.plot(backward(ends), backward(ends), color=BLACK, linewidth=0.9, linestyle=(0, (1, 1.5)))
    axes.plot([models[0][m] for m in models[1]], list(models[1].values()), "o", color="0.6",
              markersize=4.5, markeredgecolor="white", markeredgewidth=0.4)  # fmt: skip
    path = list(x)
    axes.plot([x[a][0] for a in path], [y[a][0] for a in path], "o-", color=VERMILLION,
              linewidth=1.8, markersize=3.2, zorder=3)  # fmt: skip
    for alpha in shown:
        marker, size, _ = marked[alpha]
        (vx, lx, hx), (vy, ly, hy) = x[alpha], y[alpha]
        axes.errorbar(vx, vy, xerr=[[vx - lx], [hx - vx]], yerr=[[vy - ly], [hy - vy]],
                      fmt="none", ecolor=BLUE, elinewidth=1.0, capsize=2, zorder=2)  # fmt: skip
        axes.plot(vx, vy, marker, color="white", markeredgecolor=BLACK, markersize=size, zorder=5)
    roles = {row["role"] for row in rows_of(rows, "accuracy", dataset=axis, other=shift)}
    matched = " (class-matched)" if "matched_reference" in roles else ""
    axes.set_xlabel(f"accuracy on {short(axis, 30)}{matched}")
    axes.set_ylabel("accuracy under shift")
    name_panel(axes, shift, _WIDTH, pad=18)
    at = chosen if chosen in x else 0.5
    (fit,) = rows_of(rows, "baseline_r_squared", dataset=shift, group=scale)
    for row in rows_of(rows, "effective_robustness", dataset=shift, group=scale, alpha=at):
        text = f"ρ = {value_text(row['metric'], row['value'])} {interval_text(row)} at α = {at:g}"
        text += f"; R² = {fit['value']:.2f}"
        axes.annotate(
            text, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
            fontsize=8, color="0.3",
        )  # fmt: skip
