"""Accuracy on the eight variants: a dot plot of models side by side, and the tables as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.backgrounds_titles import VARIANT_TITLES
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.saving import save_figure
from wiseft_jax.reporting.style import BLACK, BLUE, GREY, STYLE, VERMILLION

GAPS = {"files": "as released", "composed": "composed"}
_COLOURS = (BLUE, VERMILLION, BLACK, GREY, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKS = "osD^vPX*"

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def evaluation_tables(summary: Mapping[str, Any]) -> list[Table]:
    """Return title, header and lines of each table; percentages and points.

    Args:
      summary: Of ``evaluation_summary``.
    """
    models = summary["models"]
    tables: list[Table] = [
        (
            "models",
            ("model", "protocol", "weights", "images"),
            [(each["name"], each["protocol"], each["weights"], each["fed"]) for each in models],
        )
    ]
    lines = [
        (
            VARIANT_TITLES[kind],
            *(_interval(each["variants"][kind]) for each in models),
            _counts(models, kind),
        )
        for kind in summary["origins"]
        if kind in models[0]["variants"]
    ]
    names = tuple(each["name"] for each in models)
    tables.append(("accuracy in %, with 95 % intervals", ("variant", *names, "n"), lines))
    gaps = [
        (each["name"], GAPS[origin], *_gap_cells(gap))
        for each in models
        for origin, gap in each["gap"].items()
        if gap is not None
    ]
    if gaps:
        header = ("model", "mixed images", "BG-Gap", "95 %", "by pairing", "spread", "n")
        tables.append(("BG-Gap in points: Mixed-Same minus Mixed-Rand", header, gaps))
    tables += [_category_table(models)] if any(each["categories"] for each in models) else []
    for model in models:
        kinds = list(model["variants"])
        rows = [
            (name, *(_percent(model["classes"][kind][label]) for kind in kinds))
            for label, name in enumerate(summary["class_names"])
        ]
        header = ("class", *(VARIANT_TITLES[kind] for kind in kinds))
        tables.append((f"accuracy of each class in %: {model['name']}", header, rows))
    return tables


def evaluation_markdown(summary: Mapping[str, Any]) -> str:
    """Return the tables and the notes as Markdown."""
    parts = [f"# Backgrounds: {summary['set']}, {summary['n']} images"]
    for title, header, lines in evaluation_tables(summary):
        rows = [header, ("---",) * len(header), *lines]
        table = "\n".join(
            f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows
        )
        parts.append(f"## {title[0].upper()}{title[1:]}\n\n{table}")
    if summary["notes"]:
        parts.append("\n".join(f"- {note}" for note in summary["notes"]))
    return "\n\n".join(parts) + "\n"


def draw_evaluation(summary: Mapping[str, Any], path: Path | str) -> Path:
    """Draw the dot plot as PNG, and return its path.

    Raises:
      InputError: If there are no models.
    """
    with matplotlib.rc_context(STYLE):
        figure = evaluation_figure(summary)
        return save_figure(figure, path)


def evaluation_figure(summary: Mapping[str, Any]) -> Figure:
    """Return accuracy on each variant, models side by side, as a matplotlib figure.

    Raises:
      InputError: If there are no models.
    """
    models: Sequence[Mapping[str, Any]] = summary["models"]
    if not models:
        raise InputError("there are no models to draw")
    kinds = [kind for kind in VARIANT_TITLES if kind in models[0]["variants"]]
    height = 1.9 + len(kinds) * max(0.36, 0.17 * len(models))
    figure = Figure(figsize=(7.4, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, model in enumerate(models):
        shift = 0.0 if len(models) == 1 else 0.6 * (place / (len(models) - 1) - 0.5)
        shown = [(at, model["variants"][kind]) for at, kind in enumerate(kinds)]
        shown = [(at, found) for at, found in shown if found["n"]]
        values = [100 * found["accuracy"] for _, found in shown]
        errors = [
            [100 * (found["accuracy"] - found["ci_low"]) for _, found in shown],
            [100 * (found["ci_high"] - found["accuracy"]) for _, found in shown],
        ]
        gap = model["gap"]["composed"] or model["gap"]["files"]
        told = "" if gap is None else f": BG-Gap {_signed(gap['gap'])} {_whose(model['gap'])}"
        axes.errorbar(
            values, [at + shift for at, _ in shown], xerr=errors, linestyle="none", capsize=2.5,
            marker=_MARKS[place % len(_MARKS)], markersize=6, elinewidth=1.3,
            color=_COLOURS[place % len(_COLOURS)], label=f"{model['name']}{told}",
        )  # fmt: skip
    chance = 100 / len(summary["class_names"])
    axes.axvline(chance, color=GREY, linewidth=1, linestyle=":")
    axes.text(chance, -0.62, " chance", color=GREY, fontsize=8.5, va="bottom")
    axes.set_yticks(range(len(kinds)), [VARIANT_TITLES[kind] for kind in kinds])
    axes.set_ylim(len(kinds) - 0.4, -0.65)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy, %")
    axes.set_title(f"{summary['set']}: {summary['n']} images")
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, -0.13 * 4.8 / height), frameon=False, fontsize=8.5
    )
    add_footnote(figure, "bars: 95 % Clopper-Pearson; BG-Gap in points, Mixed-Same - Mixed-Rand")
    return figure


def _category_table(models: Sequence[Mapping[str, Any]]) -> Table:
    names = next(each["categories"] for each in models if each["categories"])["counts"]
    lines = [
        (
            each["name"],
            *(
                _share(count, found["n"], found["intervals"][name])
                for name, count in found["counts"].items()
            ),
            str(found["n"]),
            str(found["unmatched"]),
        )
        for each in models
        if (found := each["categories"]) and found["n"]
    ]
    return (
        "what the background does to each image, % with 95 % intervals",
        ("model", *names, "n", "unmatched"),
        lines,
    )


def _share(count: int, n: int, interval: Sequence[float]) -> str:
    low, high = interval
    return f"{100 * count / n:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _gap_cells(gap: Mapping[str, Any]) -> tuple[str, ...]:
    by_seed = " ".join(_signed(each) for each in gap["by_seed"])
    spread = "-" if gap["spread"] is None else f"{100 * gap['spread']:.1f}"
    interval = f"{_signed(gap['ci_low'])} to {_signed(gap['ci_high'])}"
    return _signed(gap["gap"]), interval, by_seed, spread, str(gap["n"])


def _whose(gap: Mapping[str, Any]) -> str:
    """Return of which mixed images a gap is: those drawn above are of one pairing."""
    composed = gap["composed"]
    return f"(mean of {len(composed['by_seed'])} pairings)" if composed else "(as released)"


def _signed(fraction: float) -> str:
    return f"{100 * fraction:+.1f}"


def _percent(found: Mapping[str, Any]) -> str:
    return "-" if not found["n"] else f"{100 * found['accuracy']:.1f}"


def _interval(found: Mapping[str, Any]) -> str:
    if not found["n"]:
        return "-"
    return f"{_percent(found)} ({100 * found['ci_low']:.1f} to {100 * found['ci_high']:.1f})"


def _counts(models: Sequence[Mapping[str, Any]], kind: str) -> str:
    return str(models[0]["variants"][kind]["n"])
