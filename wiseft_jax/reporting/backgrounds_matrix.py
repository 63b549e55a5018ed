"""The train-on x test-on matrix: tables for a terminal and in Markdown, and a heat map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.backgrounds_titles import VARIANT_TITLES
from wiseft_jax.reporting.plain_table import plain_markdown, plain_table
from wiseft_jax.reporting.saving import save_png_and_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import Group

TITLES = {**VARIANT_TITLES, "in9l": "IN-9L"}
"""Set -> as the paper writes it; other sets keep their names."""

FAMILIES = {"resnet": "ResNet", "clip": "CLIP"}
_START = {"resnet": "not trained here", "clip": "zero-shot"}
_GAP = "BG-Gap"
_DARK = 0.6


def matrix_cells(matrix: Mapping[str, Any], family: str) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines of a family's table, in per cent with half or whole intervals.

    Args:
      matrix: The content of ``matrix.json``.
      family: Which models.
    """
    tests = matrix["test_on"]
    found = {
        (each["train_on"], each["test_on"]): each
        for each in matrix["cells"]
        if each["family"] == family
    }
    gaps = {each["train_on"]: each for each in matrix["gaps"] if each["family"] == family}
    heads = ["trained on", *(TITLES[name] for name in tests), *([_GAP] if gaps else [])]
    lines = []
    for name in dict.fromkeys(key[0] for key in found):
        line = [row_title(name, family), *(_cell(found[name, test]) for test in tests)]
        lines.append([*line, *([_cell(gaps[name], sign="+")] if gaps else [])])
    return heads, lines


def matrix_caption(matrix: Mapping[str, Any], family: str) -> str:
    """Return what a family's table shows, in words.

    Args:
      matrix: The content of ``matrix.json``.
      family: Which models.
    """
    over = {each["over"] for each in matrix["cells"] if each["family"] == family}
    seeds = matrix["seeds"]
    parts = []
    if "seeds" in over:
        parts.append(f"mean ± half the 95 % interval (Student's t) over {seeds} seeds")
    if "images" in over:
        of = "of a single model" if "seeds" in over else "one seed"
        parts.append(f"{of}: 95 % interval over test images (Clopper-Pearson; gap: bootstrap)")
    count = f"n = {joined_counts(matrix['n'])} to test on"
    trained = f"{joined_counts(matrix['n_train'])} to train on" if matrix["n_train"] else ""
    return (
        f"accuracy in %, columns: tested on; {'; '.join(parts)}; {count}, {trained};"
        f" {_epochs(matrix)}; chance {100 * matrix['chance']:.1f} %; BG-Gap: Mixed-Same"
        f" minus Mixed-Rand, points; weights: {matrix['weights'][family]}"
    )


def cost_lines(matrix: Mapping[str, Any], family: str) -> list[str]:
    """Return what training on other sets than Original costs on Original, a sentence each.

    Args:
      matrix: The content of ``matrix.json``; one of an earlier version has none of it.
      family: Which models.
    """
    found = [each for each in matrix.get("costs", ()) if each["family"] == family]
    of = {"seeds": "over seeds", "images": "paired bootstrap over images"}
    return [
        f"cost on Original of {FAMILIES[family]} trained on {row_title(each['train_on'], family)}"
        f" in place of Original: {_cell(each)} points, {of[each['over']]}"
        for each in found
    ]


def joined_counts(counts: Mapping[str, int]) -> str:
    """Return one number where all are equal, else each with its name."""
    if len(set(counts.values())) == 1:
        return f"{next(iter(counts.values())):,}"
    return ", ".join(f"{count:,} ({TITLES.get(name, name)})" for name, count in counts.items())


def row_title(name: str, family: str) -> str:
    """Return what a model was trained on, as tables and pictures write it."""
    return _START[family] if name == "start" else TITLES.get(name, name)


def matrix_tables(matrix: Mapping[str, Any]) -> Group:
    """Return a table for each family, for a terminal.

    Args:
      matrix: The content of ``matrix.json``.
    """
    from rich.console import Group

    tables: list[Any] = []
    for family in _families(matrix):
        heads, lines = matrix_cells(matrix, family)
        tables += [*([""] if tables else []), plain_table(FAMILIES[family], heads, lines)]
        tables += [_plain(matrix_caption(matrix, family)), *map(_plain, cost_lines(matrix, family))]
    return Group(*tables)


def matrix_markdown(matrix: Mapping[str, Any]) -> str:
    """Return a table for each family as Markdown.

    Args:
      matrix: The content of ``matrix.json``.
    """
    parts = []
    for family in _families(matrix):
        heads, lines = matrix_cells(matrix, family)
        table = plain_markdown(heads, lines)
        parts.append(f"{FAMILIES[family]}:\n\n{table}\n\n{matrix_caption(matrix, family)}.\n")
        parts += [f"- {line}." for line in cost_lines(matrix, family)]
    return "\n".join(parts)


def draw_matrix(matrix: Mapping[str, Any], path: Path | str) -> list[Path]:
    """Draw the heat map as PNG and SVG, and return both paths.

    Args:
      matrix: The content of ``matrix.json``.
      path: Where to.

    Raises:
      InputError: If no model is in it.
    """
    import matplotlib

    from wiseft_jax.reporting.style import STYLE

    with matplotlib.rc_context(STYLE):
        figure = matrix_figure(matrix)
        return save_png_and_svg(figure, path)


def matrix_figure(matrix: Mapping[str, Any]) -> Figure:
    """Return the heat map: a panel for each family, the BG-Gap in a column of its own.

    Args:
      matrix: The content of ``matrix.json``.

    Raises:
      InputError: If no model is in it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from wiseft_jax.reporting.labels import add_footnote

    families = _families(matrix)
    if not families:
        raise InputError("the matrix is empty: no model was trained")
    rows = [len(matrix_cells(matrix, family)[1]) for family in families]
    columns = len(matrix["test_on"]) + bool(matrix["gaps"])
    width, height = 2.4 + 0.86 * columns, 0.42 * max(rows) + 2.3
    figure = Figure(figsize=(width * len(families), height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(families), squeeze=False)[0]
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08, wspace=0.04)  # type: ignore[union-attr]
    for axes, family in zip(panels, families, strict=True):
        _draw_panel(axes, matrix, family)
    n, seeds = joined_counts(matrix["n"]), matrix["seeds"]
    add_footnote(
        figure,
        f"accuracy in %{f', means over {seeds} seeds' if seeds > 1 else ', one seed'}; n = {n} test"
        f" images; {_epochs(matrix)}; chance {100 * matrix['chance']:.1f} %"
        + ("; BG-Gap: Mixed-Same minus Mixed-Rand, points" if matrix["gaps"] else ""),
    )
    return figure


def _draw_panel(axes: Axes, matrix: Mapping[str, Any], family: str) -> None:
    tests = matrix["test_on"]
    cells = {
        (each["train_on"], each["test_on"]): each["mean"]
        for each in matrix["cells"]
        if each["family"] == family
    }
    gaps = {each["train_on"]: each["mean"] for each in matrix["gaps"] if each["family"] == family}
    names = list(dict.fromkeys(key[0] for key in cells))
    values = np.array([[cells[name, test] for test in tests] for name in names])
    axes.imshow(values, cmap="YlGnBu", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*values.shape):
        value = values[row, column]
        same = names[row] == tests[column]
        axes.text(
            column,
            row,
            f"{100 * value:.1f}",
            ha="center",
            va="center",
            color="white" if value > _DARK else "black",
            weight="bold" if same else "normal",
        )
    place = len(tests) + 0.15
    for row, name in enumerate(names):
        if gaps:
            axes.text(place, row, f"{100 * gaps[name]:+.1f}", ha="center", va="center")
    heads = [TITLES[test] for test in tests]
    ticks = list(range(len(tests)))
    if gaps:
        axes.set_xlim(-0.5, len(tests) + 0.7)
        ticks, heads = [*ticks, place], [*heads, _GAP]
    axes.set_xticks(ticks, heads, rotation=30, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), [row_title(name, family) for name in names])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{FAMILIES[family]}: trained on (lines), tested on (columns)")


def _epochs(matrix: Mapping[str, Any]) -> str:
    return f"{matrix['epochs']:g} epoch{'' if matrix['epochs'] == 1 else 's'}"


def _families(matrix: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(each["family"] for each in matrix["cells"]))


def _cell(found: Mapping[str, Any], sign: str = "") -> str:
    value = f"{100 * found['mean']:{sign}.1f}"
    if found["low"] is None:
        return value
    if found["over"] == "seeds":
        return f"{value} ± {100 * (found['high'] - found['mean']):.1f}"
    low, high = (round(100 * end, 1) + 0.0 for end in (found["low"], found["high"]))
    return f"{value} ({low:.1f}..{high:.1f})"


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)
