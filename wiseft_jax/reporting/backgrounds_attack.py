"""Adversarial backgrounds: tables, and the strongest ones as a contact sheet; without JAX."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.saving import save_figure
from wiseft_jax.reporting.style import STYLE
from wiseft_jax.reporting.tables import escaped

if TYPE_CHECKING:
    from rich.table import Table

_CELL_INCHES, _SMALLEST_INCHES = 1.1, 0.4
_TITLE_INCHES, _NAME_INCHES, _HEAD_INCHES = 0.22, 0.45, 0.8
_PAGE_INCHES = (7.5, 10.2)
"""Of A4 and of Letter, within their margins; upright, or turned."""
_NAME_LETTERS = 14
_SHOWN = 3
_SECS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "s"))
_HEAD = ("class", "n", "challenge accuracy", "fooled (paper)", "backgrounds", "mean", "strongest")


def attack_lines(summary: Mapping[str, Any]) -> list[str]:
    """Return what the attack found, in sentences: both definitions, with their names.

    Args:
      summary: The content of ``summary.json``.
    """
    model, challenge = summary["model"], summary["challenge_accuracy"]
    front, back = summary["foregrounds"], summary["backgrounds"]
    sampled = summary["sampled_backgrounds"]
    above = "; an upper bound, as backgrounds were sampled" if sampled else ""
    lines = [
        f"{model['name']}: {model['protocol']}; weights {model['weights']}",
        f"foregrounds: {front['n']} of {front['of']}; backgrounds: {back['n']} of {back['of']}"
        " Only-BG-T images",
        f"challenge accuracy (no background breaks them): {share_text(challenge)} %{above}",
        "fooled (paper: a background of another class makes the answer its own):"
        f" {share_text(summary['paper_fooled_rate'])} %{_lower_bound(summary)}",
    ]
    if front["rejected"]:
        some = "; ".join(front["rejected"][:_SHOWN])
        lines.append(f"{len(front['rejected'])} foregrounds were left out: {some}")
    return lines + [text for text in [_rate_text(summary["timing"])] if text]


def attack_table(summary: Mapping[str, Any]) -> Table:
    """Return the table of classes for a terminal.

    Args:
      summary: The content of ``summary.json``.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text("adversarial backgrounds, %"), title_justify="left", caption=Text(_caption())
    )
    for name in _HEAD:
        table.add_column(Text(name), justify="left" if name == "class" else "right")
    for line in _class_cells(summary):
        table.add_row(*map(Text, line))
    return table


def attack_markdown(summary: Mapping[str, Any]) -> str:
    """Return everything in Markdown.

    Args:
      summary: The content of ``summary.json``.
    """
    body = [_HEAD, (":--", *["--:"] * (len(_HEAD) - 1)), *_class_cells(summary)]
    text = "".join(f"- {line}\n" for line in attack_lines(summary))
    text += f"\n{_caption()}\n\n" + _markdown(body)
    if summary["by_backgrounds"]:
        text += "\nWith fewer of these backgrounds the challenge accuracy would be, expected:\n\n"
        rows = summary["by_backgrounds"]
        text += _markdown(
            [
                ("backgrounds", *(str(row["backgrounds"]) for row in rows)),
                (":--", *["--:"] * len(rows)),
                ("accuracy, %", *(f"{100 * row['challenge_accuracy']:.1f}" for row in rows)),
            ]
        )
    if summary["strongest"]:
        head = ("strongest background", "of", "fools, %", "n", "which become")
        rows = [
            (
                escaped(each["id"]),
                escaped(each["class"]),
                share_text(each),
                str(each["n"]),
                escaped(", ".join(each["becomes"][:3])) or "-",
            )
            for each in summary["strongest"]
        ]
        text += "\n" + _markdown([head, (":--", ":--", "--:", "--:", ":--"), *rows])
    return text


def draw_strongest(
    summary: Mapping[str, Any], pictures: Sequence[np.ndarray], path: Path | str
) -> Path:
    """Draw the strongest backgrounds of each class, with what share each fools; return the path.

    Args:
      summary: The content of ``summary.json``.
      pictures: uint8[H, W, 3] of each of ``summary["strongest"]``.
      path: Where to.

    Raises:
      InputError: If there is none: after an early exit backgrounds have no rates.
    """
    with matplotlib.rc_context(STYLE):
        figure = strongest_figure(summary, pictures)
        return save_figure(figure, Path(path).with_suffix(".png"))


def strongest_figure(summary: Mapping[str, Any], pictures: Sequence[np.ndarray]) -> Figure:
    """Return the contact sheet: a row of pictures for each class, the strongest first.

    Rows lie below and beside one another so that the sheet fills a page, upright or turned.

    Args:
      summary: As ``draw_strongest``.
      pictures: As ``draw_strongest``.

    Raises:
      InputError: As ``draw_strongest``.
    """
    strongest = summary["strongest"]
    if not strongest:
        raise InputError("there are no rates of backgrounds to draw: rows ended early")
    names = list(dict.fromkeys(each["class"] for each in strongest))
    columns = max(sum(each["class"] == name for each in strongest) for name in names)
    across, size = sheet_layout(len(names), columns)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)  # type: ignore[union-attr]
    lines = -(-len(names) // across)
    panels = figure.subplots(lines, across * columns, squeeze=False)
    for axes in panels.flat:
        _clear(axes)
    for at, name in enumerate(names):  # down the first column of rows, then down the next
        first = at // lines * columns
        row = panels[at % lines][first : first + columns]
        row[0].set_ylabel(textwrap.fill(_plain(name), _NAME_LETTERS), fontsize=8)
        places = [place for place, each in enumerate(strongest) if each["class"] == name]
        for axes, place in zip(row, places, strict=False):
            each = strongest[place]
            axes.imshow(pictures[place], interpolation="nearest")
            axes.set_title(f"{100 * each['value']:.0f} %", fontsize=8, pad=2, loc="center")
    figure.suptitle("Strongest backgrounds of each class", x=0.012, ha="left", fontweight="bold")
    front = summary["foregrounds"]["n"]
    add_footnote(
        figure,
        "share of the foregrounds of other classes that a background turns into its own class;"
        f" {front} foregrounds, {summary['backgrounds']['n']} backgrounds tried;"
        f" {summary['model']['name']}",
    )
    return figure


def sheet_layout(rows: int, columns: int) -> tuple[int, tuple[float, float]]:
    """Return how many rows lie side by side, and the sheet's width and height in inches.

    Cells shrink until the sheet fits a page; of very many classes they stay large enough to be
    looked at, and the sheet is larger than a page.

    Args:
      rows: How many there are.
      columns: Cells of a row.
    """

    def size(across: int, cell: float) -> tuple[float, float]:
        down = -(-rows // across)
        width = across * (columns * cell + _NAME_INCHES)
        return width, down * (cell + _TITLE_INCHES) + _HEAD_INCHES

    def cell(across: int, page: tuple[float, float]) -> float:
        down = -(-rows // across)
        wide = (page[0] / across - _NAME_INCHES) / columns
        return min(wide, (page[1] - _HEAD_INCHES) / down - _TITLE_INCHES)

    fits = [
        (cell(across, page), across)
        for page in (_PAGE_INCHES, (_PAGE_INCHES[1], _PAGE_INCHES[0]))
        for across in range(1, rows + 1)
    ]
    largest, across = max(fits, key=lambda each: (each[0], -each[1]))
    if largest < _SMALLEST_INCHES:
        across = max(1, int(_PAGE_INCHES[0] / (columns * _SMALLEST_INCHES + _NAME_INCHES)))
    return across, size(across, min(max(largest, _SMALLEST_INCHES), _CELL_INCHES))


def share_text(share: Mapping[str, Any]) -> str:
    """Return a fraction with its interval, in per cent; ``-`` for that of nothing."""
    if share["value"] is None:
        return "-"
    low, high = 100 * share["low"], 100 * share["high"]
    return f"{100 * share['value']:.1f} [{low:.1f}, {high:.1f}]"


def duration_text(secs: float) -> str:
    """Return a duration in its largest fitting unit: ``3.2 hours``."""
    scale, unit = next((each for each in _SECS if secs >= 2 * each[0]), _SECS[-1])
    return f"{secs / scale:.1f} {unit}"


def _lower_bound(summary: Mapping[str, Any]) -> str:
    why = [
        text
        for text, holds in (
            ("backgrounds were sampled", summary["sampled_backgrounds"]),
            ("rows ended at their first wrong answer", summary["early_exit"]),
        )
        if holds
    ]
    return f"; a lower bound, as {' and '.join(why)}" if why else ""


def _rate_text(timing: Mapping[str, Any]) -> str:
    if timing["pairs_per_sec"] is None:
        return ""
    return (
        f"{timing['pairs']:,} pairs in {timing['secs']:.1f} s ({timing['pairs_per_sec']:.0f} a"
        f" second; compiling {timing['compile_secs']:.1f} s more); at this rate all"
        f" {timing['full_pairs']:,} pairs of these images take"
        f" {duration_text(timing['full_secs'])}, the {timing['official_pairs']:,} of the published"
        f" set {duration_text(timing['official_secs'])}, were its images of the same cost"
    )


def _caption() -> str:
    return (
        "exact 95 % intervals over foregrounds; mean, strongest: success of the class's backgrounds"
        " on foregrounds of other classes"
    )


def _class_cells(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            escaped(each["class"]),
            str(each["challenge_accuracy"]["n"]),
            share_text(each["challenge_accuracy"]),
            share_text(each["paper_fooled_rate"]),
            str(each["backgrounds"]),
            *(
                "-" if each[name] is None else f"{100 * each[name]:.1f}"
                for name in ("mean_success", "best_success")
            ),
        )
        for each in summary["per_class"]
    ]


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in rows)


def _plain(name: str) -> str:
    """Return a folder's name without its number."""
    number, _, rest = name.partition("_")
    return rest if number.isdigit() and rest else name


def _clear(axes: Axes) -> None:
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
