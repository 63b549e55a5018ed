"""Loss and accuracy on the plane through three models, as contours, with WiSE-FT's segment."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.labels import Label, add_footnote, place_labels
from wiseft_jax.reporting.saving import save_png_and_svg
from wiseft_jax.reporting.style import BLACK, STYLE

_LEVELS = 14
_ROOM = 1.5
"""How far the scale goes beyond the worst of the named models: of its loss, and of its error."""
_POINT = re.compile(r"x=(\S+) y=(\S+)")
_SHOWN = {"zero_shot": "zero-shot", "fine_tuned": "fine-tuned"}
_MARKERS = {"zero_shot": "o", "fine_tuned": "s", "chosen": "D"}


@dataclasses.dataclass(frozen=True)
class Surface:
    """One metric on the grid, and at the named models.

    Attributes:
      x: The grid's first coordinates, rising.
      y: Its second ones.
      values: By y, then x.
      models: Name -> (x, y, value, alpha).
    """

    x: Float[np.ndarray, " X"]
    y: Float[np.ndarray, " Y"]
    values: Float[np.ndarray, "Y X"]
    models: dict[str, tuple[float, float, float, float | None]]

    @classmethod
    def of(cls, rows: Sequence[AnalysisRow], metric: str) -> Surface:
        """Return the surface of a metric.

        Raises:
          InputError: If there are no rows of it, or they don't fill a grid.
        """
        grid: dict[tuple[float, float], float] = {}
        models = {}
        for row in rows:
            if row["metric"] != metric:
                continue
            x, y = _point(row)
            if row["other"] is None:
                grid[x, y] = row["value"]
            else:
                models[row["other"]] = (x, y, row["value"], row["alpha"])
        x, y = (sorted({point[axis] for point in grid}) for axis in (0, 1))
        if not grid or len(grid) != len(x) * len(y):
            raise InputError(
                f"the {metric} of {len(grid)} points isn't a grid to draw; make it again: wiseft"
                " report RUN --analyses plane --plane.other DIR"
            )
        values = np.array([[grid[a, b] for a in x] for b in y])
        return cls(np.array(x), np.array(y), values, models)


def draw_plane(rows: Sequence[AnalysisRow], path: Path | str) -> list[Path]:
    """Draw both contours as PNG and SVG, and return both paths.

    Args:
      rows: Of the analysis ``plane``.
      path: Where to.

    Raises:
      InputError: If they don't fill a grid.
    """
    with matplotlib.rc_context(STYLE):
        figure = plane_figure(rows)
        return save_png_and_svg(figure, path)


def plane_figure(rows: Sequence[AnalysisRow]) -> Figure:
    """Return both contours as a matplotlib figure; see ``draw_plane``."""
    loss, accuracy = Surface.of(rows, "loss"), Surface.of(rows, "accuracy")
    figure = Figure(figsize=(12.4, 5.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    worst = max(value for _, _, value, _ in loss.models.values())
    top = min(float(loss.values.max()), _ROOM * worst)
    low = float(min(loss.values.min(), *(each[2] for each in loss.models.values())))
    levels = _levels(low, top)
    _fill(figure, left, loss, levels, "viridis_r", "nats")
    shares = dataclasses.replace(accuracy, values=100 * accuracy.values)
    error = 100 * (1 - min(value for _, _, value, _ in accuracy.models.values()))
    floor = max(float(shares.values.min()), 100 - _ROOM * error)
    shown = _levels(floor, float(shares.values.max()))
    _fill(figure, right, shares, shown[shown <= 100], "viridis", "%")
    left.set_title("Loss", pad=8)
    right.set_title("Accuracy", pad=8)
    figure.draw_without_rendering()  # the layout, before labels look for room
    _mark(left, loss, lambda value: f"{value:.3f}")
    _mark(right, accuracy, lambda value: f"{100 * value:.1f} %")
    first = rows[0]
    figure.suptitle(
        f"The plane through three models, on {first['dataset']}", x=0.012, ha="left",
        fontweight="bold",
    )  # fmt: skip
    side = len(loss.x)
    cut = ""
    if loss.values.max() > levels[-1]:
        cut += f" Losses above {levels[-1]:.3g} share a colour."
    if shares.values.min() < shown[0]:
        cut += f" Accuracies below {shown[0]:.3g} % share a colour."
    add_footnote(
        figure,
        f"n = {first['n']} images (seed {first['seed']}); {side} × {len(loss.y)} models; contours"
        " between them are interpolated. Axes are distances between weights; the line is WiSE-FT's"
        f" segment.{cut}",
    )
    return figure


def _point(row: AnalysisRow) -> tuple[float, float]:
    found = _POINT.fullmatch(str(row["group"]))
    if found is None:
        raise InputError(f"a row of the plane: expected a group 'x=1 y=2', found {row['group']!r}")
    return float(found[1]), float(found[2])


def _levels(low: float, high: float) -> Float[np.ndarray, " L"]:
    """Return round numbers from below ``low`` to above ``high``."""
    return np.asarray(MaxNLocator(_LEVELS).tick_values(low, max(high, low + 1e-6)))


def _fill(
    figure: Figure, axes: Axes, surface: Surface, levels: np.ndarray, colours: str, unit: str
) -> None:
    beyond = surface.values.min() < levels[0], surface.values.max() > levels[-1]
    kinds = {(True, True): "both", (True, False): "min", (False, True): "max"}
    extend = kinds.get((bool(beyond[0]), bool(beyond[1])), "neither")
    options: dict[str, Any] = {"levels": levels, "extend": extend}
    filled = axes.contourf(surface.x, surface.y, surface.values, cmap=colours, **options)
    axes.contour(
        surface.x, surface.y, surface.values, levels=levels, colors="white", linewidths=0.4,
        alpha=0.6,
    )  # fmt: skip
    axes.set_aspect("equal")
    axes.grid(False)
    axes.set_xlabel("towards fine-tuned (distance of weights)")
    axes.set_ylabel("towards the third model")
    bar = figure.colorbar(filled, ax=axes, fraction=0.05, pad=0.02, format="%.3g")
    bar.set_label(unit)
    bar.outline.set_visible(False)  # pyright: ignore


def _mark(axes: Axes, surface: Surface, said_of: Callable[[float], str]) -> None:
    """Draw the segment and the named models, each with its value."""
    halo = [patheffects.withStroke(linewidth=2.6, foreground="white")]
    ends = [surface.models[name][:2] for name in ("zero_shot", "fine_tuned")]
    axes.plot(*zip(*ends, strict=True), color="white", linewidth=3.2, zorder=3)
    axes.plot(*zip(*ends, strict=True), color=BLACK, linewidth=1.6, zorder=4)
    labels = []
    for name, (x, y, value, alpha) in surface.models.items():
        axes.plot(
            x, y, _MARKERS.get(name, "^"), color=BLACK, markeredgecolor="white", markersize=8.5,
            zorder=5,
        )  # fmt: skip
        said = f"chosen (α = {alpha:g})" if name == "chosen" else _SHOWN.get(name, name)
        style = {"fontsize": 8.5, "color": BLACK, "path_effects": halo, "zorder": 6}
        labels.append(Label(x, y, f"{said}\n{said_of(value)}", required=True, style=style))
    place_labels(axes, labels, [ends, *([(x, y)] for x, y, _, _ in surface.models.values())])
