"""The main picture: accuracy on the reference against the shifts, and accuracy against alpha."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.curve_rows import CurveRow
from wiseft_jax.core.results import Row
from wiseft_jax.reporting.axes import percent, set_logit_scale
from wiseft_jax.reporting.chosen import Chosen
from wiseft_jax.reporting.continuous import continuous
from wiseft_jax.reporting.labels import Label, add_footnote, named, place_labels, spread
from wiseft_jax.reporting.saving import PNG_AND_SVG, save_kinds
from wiseft_jax.reporting.series import Curves, Series, Value
from wiseft_jax.reporting.style import (
    BLACK,
    GREY,
    SET_COLOURS,
    SET_DASHES,
    STYLE,
    VERMILLION,
)

_SAME = 1e-9


def draw_curve(
    rows: Sequence[Row],
    path: Path | str,
    *,
    selection: Mapping[str, Any] | None = None,
    title: str = "",
    curve_rows: Sequence[CurveRow] = (),
    kinds: Sequence[str] = PNG_AND_SVG,
) -> list[Path]:
    """Draw the main picture, as PNG and SVG if not told otherwise, and return the paths.

    Args:
      rows: Top-1 rows; test sets fill the left panel, all sets the right one.
      path: Where to; ``curve.png`` gives ``curve.png`` and ``curve.svg``.
      selection: ``Selection.facts()``: the chosen alpha and its rule.
      title: A line above the panels.
      curve_rows: Continuous curves; lines are drawn from them, and ``rows`` are points on them.
      kinds: Formats, of ``reporting.saving.KINDS``.

    Raises:
      InputError: If there are no rows to draw.
    """
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # One alpha far outside [0, 1] leaves no room for labels; the rest is still right.
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        figure = curve_figure(rows, selection=selection, title=title, curve_rows=curve_rows)
        return save_kinds(figure, path, kinds)


def curve_figure(
    rows: Sequence[Row],
    *,
    selection: Mapping[str, Any] | None = None,
    title: str = "",
    curve_rows: Sequence[CurveRow] = (),
) -> Figure:
    """Return the picture as a matplotlib figure; without shifts it has the right panel alone."""
    curves = Curves.of(rows)
    dense = continuous(curve_rows, rows)
    chosen = None if selection is None else float(selection["alpha"])
    both = curves.reference is not None and curves.mean is not None
    figure = Figure(figsize=(12.4 if both else 7.2, 5.3), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(
        1, 2 if both else 1, squeeze=False, width_ratios=[1, 1.12][-1 - both :]
    )
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08, wspace=0.02)  # type: ignore[union-attr]
    if title:
        figure.suptitle(title, x=0.012, ha="left", fontsize=12.5)
    mark = None if chosen is None else Chosen.of(chosen, curves, dense, rows)
    add_footnote(figure, _footnote(curves, selection, dense, mark))
    _draw_by_alpha(panels[0, -1], curves, mark, dense)
    if both:
        # Last: labels look for free places, which move with the layout.
        _draw_path(panels[0, 0], curves, mark, dense)
    return figure


def _draw_path(axes: Axes, curves: Curves, mark: Chosen | None, dense: Curves | None) -> None:
    reference, mean = curves.axis, curves.mean
    assert reference is not None
    assert mean is not None
    alphas = [alpha for alpha in mean.alphas if alpha in reference.points]
    xs = [_inside(reference.points[alpha], reference.n) for alpha in alphas]
    ys = [_inside(mean.points[alpha], mean.n) for alpha in alphas]
    x, y = [each.value for each in xs], [each.value for each in ys]
    chosen = None if mark is None else mark.alpha
    marked = _marked(alphas, mark)
    shown = [i for i, alpha in enumerate(alphas) if alpha in marked] or list(range(len(alphas)))
    set_logit_scale(axes, "x", x + [v for i in shown for v in (xs[i].low, xs[i].high)])
    set_logit_scale(axes, "y", y + [v for i in shown for v in (ys[i].low, ys[i].high)])
    axes.plot(*_path(dense or curves), color=VERMILLION, linewidth=1.8, zorder=3)
    axes.plot(x, y, "o", color=VERMILLION, markersize=3.6, zorder=4)
    labels, bars = [], []
    for index in shown:
        bars += [[(xs[index].low, y[index]), (xs[index].high, y[index])]]
        bars += [[(x[index], ys[index].low), (x[index], ys[index].high)]]
        marker, size, name = marked.get(alphas[index], ("o", 6, f"α = {alphas[index]:g}"))
        axes.errorbar(
            x[index],
            y[index],
            xerr=[[x[index] - xs[index].low], [xs[index].high - x[index]]],
            yerr=[[y[index] - ys[index].low], [ys[index].high - y[index]]],
            fmt="none",
            ecolor="0.62",
            elinewidth=1.0,
            capsize=2.5,
            zorder=2,
        )
        face = mark.face if mark is not None and alphas[index] == chosen else "white"
        axes.plot(
            x[index], y[index], marker, markersize=size, color=face, markeredgecolor=BLACK,
            markeredgewidth=1.5, zorder=5,
        )  # fmt: skip
        bold = {"fontweight": "bold"} if alphas[index] == chosen else {}
        labels.append(Label(x[index], y[index], name, True, {"fontsize": 9.5, **bold}))
    if mark is not None and chosen not in alphas and mark.axis and mark.mean:
        at = _inside(mark.axis, reference.n).value, _inside(mark.mean, mean.n).value
        axes.plot(*at, "*", markersize=15, color=mark.face, markeredgecolor=BLACK, zorder=5)
        name = f"α = {chosen:g}, chosen{_below(mark)}"
        labels.append(Label(*at, name, True, {"fontsize": 9.5, "fontweight": "bold"}))
    rest = [index for index in _round_first(alphas) if index not in shown]
    small = {"fontsize": 8, "color": "0.35"}
    labels += [Label(x[i], y[i], f"{alphas[i]:g}", False, small) for i in rest]
    kind = reference.role.replace("_", " ")
    what = kind if reference.split == "test" else f"{reference.split}, {kind}"
    axes.set_xlabel(f"accuracy on {reference.name} ({what}), logit scale")
    several = len(curves.shifts) > 1
    axes.set_ylabel(
        f"mean accuracy on {len(curves.shifts)} shifts, logit scale" if several
        else f"accuracy on {curves.shifts[0].name} (shift), logit scale"
    )  # fmt: skip
    axes.set_title("Reference against shift, along the path of α")
    line = list(zip(*_path(dense or curves), strict=True))
    place_labels(axes, labels, [line, list(zip(x, y, strict=True)), *bars])


def _path(curves: Curves) -> tuple[list[float], list[float]]:
    """Return the accuracies on the axis, and of the mean, at the alphas that both have."""
    reference, mean = curves.axis, curves.mean
    assert reference is not None
    assert mean is not None
    alphas = [alpha for alpha in mean.alphas if alpha in reference.points]
    return (
        [_inside(reference.points[alpha], reference.n).value for alpha in alphas],
        [_inside(mean.points[alpha], mean.n).value for alpha in alphas],
    )


def _inside(point: Value, n: int) -> Value:
    """Return ``point`` at least half an example away from 0 and 1, which are infinitely far."""
    edge = 0.5 / n
    value, low, high = (
        min(max(each, edge), 1 - edge) for each in (point.value, point.low, point.high)
    )
    return Value(value, low, high)


def _marked(alphas: Sequence[float], mark: Chosen | None) -> dict[float, tuple[str, float, str]]:
    """Return marker, size and name of the alphas that stand out, the chosen one last."""
    marked = {
        0.0: ("s", 8.0, "zero-shot (α = 0)"),
        0.5: ("D", 7.5, "α = 0.5"),
        1.0: ("^", 9.0, "fine-tuned (α = 1)"),
    }
    if mark is not None:
        ends = {0.0: "zero-shot, chosen (α = 0)", 1.0: "fine-tuned, chosen (α = 1)"}
        name = ends.get(mark.alpha, f"α = {mark.alpha:g}, chosen")
        marked[mark.alpha] = ("*", 15.0, name + _below(mark))
    return {alpha: marked[alpha] for alpha in marked if alpha in alphas}


def _below(mark: Chosen) -> str:
    """Return what the chosen alpha's name says beside, on a line of its own: it needs less room."""
    return mark.how.replace(" ", "\n", 1)


def _round_first(alphas: Sequence[float]) -> list[int]:
    """Return the indices of ``alphas``, tenths first: they get their labels first."""
    return sorted(
        range(len(alphas)), key=lambda i: abs(alphas[i] * 10 - round(alphas[i] * 10)) > _SAME
    )


def _draw_by_alpha(axes: Axes, curves: Curves, mark: Chosen | None, dense: Curves | None) -> None:
    drawn = []
    lines = {} if dense is None else {(each.name, each.split): each for each in dense.all}
    for series, style in _styled(curves):
        if style["linewidth"] > 2:
            low = [point.low for point in series.points.values()]
            high = [point.high for point in series.points.values()]
            axes.fill_between(
                series.alphas, low, high, color=style["color"], alpha=0.13, linewidth=0
            )
        line = lines.get((series.name, series.split))
        if line is not None:
            _draw_line(axes, line, series, style)
        else:
            marker = "o" if len(series.points) == 1 else ""
            axes.plot(series.alphas, series.values, marker=marker, **style)
        drawn.append((series, style))
    low, high = curves.alphas[0], curves.alphas[-1]
    axes.set_xticks(_alpha_ticks(low, high))
    if high == low:
        low, high = low - 0.5, high + 0.5
    width = high - low
    axes.set_xlim(low - 0.03 * width, high + 0.02 * width)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, min(top, 1.005) if top > 1 else top)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda accuracy, _: percent(accuracy)))
    axes.set_xlabel("α   (0: zero-shot, 1: fine-tuned)")
    axes.set_ylabel("accuracy")
    axes.set_title("Accuracy against α")
    _label_ends(axes, drawn, high, width)
    if mark is not None:
        _mark_chosen(axes, mark)


def _draw_line(axes: Axes, line: Series, direct: Series, style: Mapping[str, Any]) -> None:
    """Draw a continuous curve, its band of uncertain predictions, and the points asked for."""
    # At those points predictions may have been run directly: there the band has no width.
    between = {at: point for at, point in line.points.items() if at not in direct.points}
    band = between or line.points
    axes.fill_between(
        list(band),
        [point.low for point in band.values()],
        [point.high for point in band.values()],
        color=style["color"],
        alpha=0.35,
        linewidth=0,
    )
    axes.plot(line.alphas, line.values, **style)
    size = 4.2 if style["linewidth"] > 2 else 2.6
    axes.plot(direct.alphas, direct.values, "o", color=style["color"], markersize=size)


def _mark_chosen(axes: Axes, mark: Chosen) -> None:
    chosen = mark.alpha
    axes.axvline(chosen, color="0.25", linewidth=1.2, linestyle=(0, (1, 1.5)), zorder=1)
    axes.annotate(
        f"α = {chosen:g}, chosen{mark.how}",
        (chosen, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        fontweight="bold",
        annotation_clip=False,
    )
    for point in (mark.reference, mark.mean):
        if point is not None:
            axes.plot(
                chosen, point.value, "*", markersize=13, color=mark.face, markeredgecolor=BLACK,
                markeredgewidth=1.3, zorder=5,
            )  # fmt: skip


def _alpha_ticks(low: float, high: float) -> list[float]:
    if high == low:
        return [low]
    step = 0.2 if high - low <= 1.5 else 0.5
    first, last = round(low / step), round(high / step)
    ticks = [round(index * step, 6) for index in range(first, last + 1)]
    return [tick for tick in ticks if low - _SAME <= tick <= high + _SAME]


def _styled(curves: Curves) -> list[tuple[Series, dict[str, Any]]]:
    """Return each set with its line style; the important ones last, so that they lie on top."""
    styled: list[tuple[Series, dict[str, Any]]] = []
    for index, series in enumerate(curves.others):
        dashes = SET_DASHES[-2 - index % 3]
        styled.append((series, {"color": GREY, "linewidth": 1.2, "linestyle": (0, dashes)}))
    for index, series in enumerate(curves.shifts if len(curves.shifts) > 1 else ()):
        # Six colours, seven dashes: the first 42 pairs differ.
        colour = SET_COLOURS[index % len(SET_COLOURS)]
        dashes = SET_DASHES[index % len(SET_DASHES)]
        styled.append((series, {"color": colour, "linewidth": 1.7, "linestyle": (0, dashes)}))
    if curves.mean is not None:
        mean = curves.mean if len(curves.shifts) > 1 else next(iter(curves.shifts))
        styled.append((mean, {"color": VERMILLION, "linewidth": 3.0}))
    if curves.reference is not None:
        styled.append((curves.reference, {"color": BLACK, "linewidth": 3.0}))
    return styled


def _label_ends(
    axes: Axes, drawn: Sequence[tuple[Series, dict[str, Any]]], end: float, width: float
) -> None:
    """Name each line at its right end, with a sample of it; names that would collide move apart."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    low, high = axes.get_ylim()
    height = axes.get_window_extent().height
    gap = (high - low) * 9.5 * 1.35 * figure.dpi / 72 / height
    wanted = [series.values[-1] for series, _ in drawn]
    for (series, style), y, own in zip(
        drawn, spread(wanted, gap, low + gap / 2, high - gap / 2), wanted, strict=True
    ):
        bold = "bold" if style["linewidth"] > 2 else "normal"
        x = [series.alphas[-1], end + 0.04 * width, end + 0.06 * width, end + 0.15 * width]
        axes.plot(x[:3], [own, y, y], color="0.7", linewidth=0.6, zorder=1, clip_on=False)
        axes.plot(x[2:], [y, y], **style, clip_on=False)
        axes.annotate(
            named(_short(series.name), series.split, series.role),
            (x[3], y),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            fontweight=bold,
            annotation_clip=False,
        )


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _footnote(
    curves: Curves,
    selection: Mapping[str, Any] | None,
    dense: Curves | None,
    mark: Chosen | None,
) -> str:
    parts = []
    if curves.reference is not None:
        parts.append(f"n = {curves.reference.n} ({_short(curves.reference.name)})")
    sizes = sorted({series.n for series in curves.shifts})
    if sizes:
        counted = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        parts.append(f"{counted} per shift")
    interval = "95 % intervals: exact binomial"
    if len(curves.shifts) > 1:
        interval += "; of the mean: combined as if the shifts were independent"
    text = "; ".join([", ".join(parts), interval]) if parts else interval
    if mark is not None and mark.how and (mark.reference or mark.mean):
        text += "; grey star: read off the curve, not run"
    if dense is not None:
        text += "\nlines: the continuous curve, points: the alphas asked for; dark bands: between"
        text += " them, uncertain predictions counted as wrong or right"
    if selection is not None and selection.get("rule"):
        text += f"; chosen by the rule {selection['rule']}"
    ends = [v for series in (curves.reference, curves.mean) if series for v in series.values]
    if curves.mean is not None and (0.0 in ends or 1.0 in ends):
        text += "; 0 and 100 % are drawn half an example inside on the left"
    return text
