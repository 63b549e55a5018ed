"""The picture of a study: how fine-tuned models scatter, and where WiSE-FT takes them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.axes import percent, set_logit_scale
from wiseft_jax.reporting.grid_tables import kinds_shown
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.saving import PNG_AND_SVG, save_kinds
from wiseft_jax.reporting.style import BLACK, STYLE

RATE = "training.learning_rate"
_MOST_NAMED = 6
_MARKERS = "os^Dvp"
_DARKEST, _PALEST = 0.0, 0.82  # of viridis; its yellow end can't be seen on white
_OTHER = "#777777"


def draw_scatter(
    facts: Mapping[str, Any], path: Path | str, *, kinds: Sequence[str] = PNG_AND_SVG
) -> list[Path]:
    """Draw the picture, as PNG and SVG if not told otherwise, and return the paths.

    Left: accuracy on the reference against the mean of the shifts; a point for each fine-tuned
    model, a thin line from it along alpha to the zero-shot model, a star at its chosen alpha.
    Right: the same models' accuracies under shift, fine-tuned and merged, so that the scatter can
    be compared.

    Args:
      facts: The content of ``grid.json``.
      path: Where to; ``grid.png`` gives ``grid.png`` and ``grid.svg``.
      kinds: Formats, of ``reporting.saving.KINDS``.

    Raises:
      InputError: If there is neither a reference set nor a shift to draw.
    """
    with matplotlib.rc_context(STYLE):
        figure = scatter_figure(facts)
        return save_kinds(figure, path, kinds)


def scatter_figure(facts: Mapping[str, Any]) -> Figure:
    """Return the picture; without shifts, or a reference, it has the right panel alone."""
    study, runs = facts["study"], facts["runs"]
    if study["reference"] is None and not study["shifts"]:
        raise InputError("there is neither a reference set nor a shift to draw")
    both = study["reference"] is not None and bool(study["shifts"])
    figure = Figure(figsize=(12.4 if both else 6.8, 5.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 1 + both, squeeze=False, width_ratios=[1.25, 1][-1 - both :])
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08, wspace=0.03)  # type: ignore[union-attr]
    field = colour_field(study["fields"], [run["varied"] for run in runs])
    styles, named = run_styles(field, runs)
    if both:
        _draw_paths(panels[0, 0], facts, styles)
    _draw_columns(panels[0, -1], facts, styles)
    _add_legend(panels[0, 0], field, named, facts, both=both)
    add_footnote(figure, _footnote(facts))
    return figure


def colour_field(fields: Sequence[str], varied: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the field that colours tell: the learning rate, or the first one that differs."""
    differing = [field for field in fields if len({repr(each.get(field)) for each in varied}) > 1]
    return RATE if RATE in differing else next(iter(differing), None)


def run_styles(
    field: str | None, runs: Sequence[Mapping[str, Any]]
) -> tuple[list[tuple[Any, str]], dict[str, tuple[Any, str]]]:
    """Return colour and marker of each run, and those of the values of ``field``, rising.

    Numbers go from dark to pale (viridis without its yellow end, which keeps its order for the
    colour-blind and in grey), and each value has a marker of its own. With more than six numbers
    runs are sorted into six classes with as many runs each.

    Args:
      field: What colours tell; None: nothing.
      runs: Of ``grid.json``.
    """
    values = [None if field is None else run["varied"].get(field) for run in runs]
    classes = _classes(values)
    names = list(dict.fromkeys(name for _, name in sorted(classes, key=lambda each: each[0])))
    shades = np.linspace(_DARKEST, _PALEST, max(len(names), 2))
    colours = matplotlib.colormaps["viridis"](shades)
    styles = {
        name: (to_hex(colours[place]), _MARKERS[place % len(_MARKERS)])
        for place, name in enumerate(names)
    }
    return [styles[name] for _, name in classes], styles if field is not None else {}


def _classes(values: Sequence[Any]) -> list[tuple[tuple[int, Any], str]]:
    """Return for each value what it is sorted by, and the name of its class."""
    numbers = sorted({v for v in values if _is_number(v)})
    found: list[tuple[tuple[int, Any], str]] = []
    parts = np.array_split(np.array(numbers), min(_MOST_NAMED, max(len(numbers), 1)))
    for value in values:
        if not _is_number(value):
            text = "none" if value is None else str(value).lower()
            found.append(((1, text), text))
            continue
        part = next(each for each in parts if value <= each[-1])
        low, high = f"{part[0]:.3g}", f"{part[-1]:.3g}"
        found.append(((0, float(part[0])), low if low == high else f"{low} to {high}"))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _draw_paths(axes: Axes, facts: Mapping[str, Any], styles: Sequence[tuple[Any, str]]) -> None:
    study, runs = facts["study"], facts["runs"]
    sizes = study["reference_n"], sum(study["shifts"].values())
    xs = [_inside(run["reference"], sizes[0]) for run in runs]
    ys = [_inside(run["shifts"], sizes[1]) for run in runs]
    alphas = study["alphas"]
    set_logit_scale(axes, "x", [float(v) for x in xs for v in x])
    set_logit_scale(axes, "y", [float(v) for y in ys for v in y])
    last = alphas.index(1.0) if 1.0 in alphas else len(alphas) - 1
    for run, x, y, (colour, marker) in zip(runs, xs, ys, styles, strict=True):
        axes.plot(x, y, color=colour, linewidth=0.9, alpha=0.75, zorder=2)
        axes.plot(
            x[last], y[last], marker, color=colour, markersize=8.5, markeredgecolor="white",
            markeredgewidth=0.7, zorder=4,
        )  # fmt: skip
        if run["chosen"] in alphas:
            at = alphas.index(run["chosen"])
            axes.plot(
                x[at], y[at], "*", color=colour, markersize=12.5, markeredgecolor=BLACK,
                markeredgewidth=0.8, zorder=5,
            )  # fmt: skip
    if 0.0 in alphas:
        at = alphas.index(0.0)
        axes.plot(
            xs[0][at], ys[0][at], "s", color="white", markersize=9.5, markeredgecolor=BLACK,
            markeredgewidth=1.5, zorder=6,
        )  # fmt: skip
    axes.set_xlabel(f"accuracy on {study['reference']} (reference)")
    axes.set_ylabel(_shift_name(study))
    axes.set_title("Every fine-tuned model, and its path to zero-shot")


def _shift_name(study: Mapping[str, Any]) -> str:
    names = list(study["shifts"])
    if len(names) == 1:
        return f"accuracy on {names[0]} (shift)"
    return f"mean accuracy on {len(names)} shifts"


def _inside(values: Sequence[float], n: int) -> np.ndarray:
    """Return accuracies at least half an example away from 0 and 1, which are infinitely far."""
    return np.clip(np.asarray(values, float), 0.5 / n, 1 - 0.5 / n)


def _draw_columns(axes: Axes, facts: Mapping[str, Any], styles: Sequence[tuple[Any, str]]) -> None:
    """Draw a column of the runs' accuracies for each kind of model, and its mean and spread."""
    study, runs = facts["study"], facts["runs"]
    key = "shifts" if study["shifts"] else "reference"
    names = kinds_shown(facts)
    columns = [(kind, _column(kind, runs, key, study["alphas"])) for kind in names]
    curves = np.array([values for _, values in columns])
    for place, (colour, marker) in enumerate(styles):
        axes.plot(range(len(columns)), curves[:, place], color=colour, linewidth=0.6, alpha=0.55)
        axes.plot(
            range(len(columns)), curves[:, place], marker, color=colour, markersize=6.5,
            markeredgecolor="white", markeredgewidth=0.5,
        )  # fmt: skip
    for x, (_, values) in enumerate(columns):
        if len(values) > 1:
            mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
            axes.errorbar(
                x + 0.22, mean, yerr=sd, fmt="_", color=BLACK, markersize=9, capsize=4,
                linewidth=1.4,
            )  # fmt: skip
            axes.annotate(
                f"±{100 * sd:.1f}", (x + 0.22, mean), xytext=(6, 0), textcoords="offset points",
                va="center", fontsize=8.5,
            )  # fmt: skip
    axes.set_xlim(-0.35, len(columns) - 1 + 0.7)
    axes.set_xticks(range(len(columns)), [_narrow(name) for name in names.values()])
    axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda accuracy, _: percent(accuracy)))
    axes.set_ylabel(_shift_name(study) if key == "shifts" else f"accuracy on {study['reference']}")
    axes.set_title("What is left of the scatter")


def _narrow(name: str) -> str:
    """Return a kind of model in short lines."""
    words = name.replace(" (", "\n(").replace(" by ", " by\n").replace("_", " ")
    return "\n".join(part for line in words.split("\n") for part in textwrap.wrap(line, 16))


def _column(
    kind: str, runs: Sequence[Mapping[str, Any]], key: str, alphas: Sequence[float]
) -> list[float]:
    fixed = {"fine_tuned": 1.0, "constant": 0.5}
    if kind == "best":
        return [max(run[key]) for run in runs]
    return [run[key][alphas.index(fixed.get(kind, run["chosen"]))] for run in runs]


def _add_legend(
    axes: Axes,
    field: str | None,
    named: Mapping[str, tuple[Any, str]],
    facts: Mapping[str, Any],
    *,
    both: bool,
) -> None:
    handles = [
        Line2D([], [], color=colour, marker=marker, linewidth=0.9, markersize=7, label=name)
        for name, (colour, marker) in named.items()
    ]
    if both:
        chosen = f"chosen ({facts['study']['rule'].replace('_', ' ')})"
        star: dict[str, Any] = {"markeredgecolor": BLACK, "linestyle": "none"}
        handles += [
            Line2D([], [], marker="s", color="white", markersize=8, label="zero-shot", **star),
            Line2D([], [], marker="*", color="0.75", markersize=11, label=chosen, **star),
        ]
    if handles:
        title = None if field is None else field.removeprefix("training.").replace("_", " ")
        legend = axes.legend(
            handles=handles, title=title, loc="best", fontsize=8.5, framealpha=0.9, edgecolor="0.85"
        )
        legend.set_zorder(7)


def _footnote(facts: Mapping[str, Any]) -> str:
    study = facts["study"]
    parts = [f"{len(facts['runs'])} runs"]
    if study["reference"] is not None:
        parts.append(f"n = {study['reference_n']} ({study['reference']})")
    sizes = sorted(set(study["shifts"].values()))
    if sizes:
        counted = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        parts.append(f"{counted} per shift")
    varied = ", ".join(field.removeprefix("training.") for field in study["fields"])
    text = f"{', '.join(parts)}; varied: {varied}; ±: standard deviation over the runs"
    if study["failed"]:
        text += f"; left out, diverged: {len(study['failed'])}"
    return text
