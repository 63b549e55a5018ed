"""The paper's first figure: the variants of an image in a row, with answers, right or wrong."""

from __future__ import annotations

import textwrap
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
from wiseft_jax.reporting.style import BLACK, STYLE, VERMILLION

_CELL = 1.18
_WRAP = 15


def draw_variants(rows: Sequence[Mapping[str, Any]], path: Path | str, *, note: str = "") -> Path:
    """Draw the figure as PNG, and return its path.

    Args:
      rows: As ``variants_figure``.
      path: Where to.
      note: Small lines below.

    Raises:
      InputError: If there are no rows.
    """
    with matplotlib.rc_context(STYLE):
        figure = variants_figure(rows, note=note)
        return save_figure(figure, path)


def variants_figure(rows: Sequence[Mapping[str, Any]], *, note: str = "") -> Figure:
    """Return a line of pictures for each image and model, as a matplotlib figure.

    Args:
      rows: ``label`` (the class), ``model``, and ``cells``: variant -> ``image`` uint8[H, W, 3],
        ``predicted``, ``score`` and ``right``.
      note: A line below.

    Raises:
      InputError: If there are no rows.
    """
    if not rows:
        raise InputError("there are no images to draw")
    kinds = [kind for kind in VARIANT_TITLES if any(kind in row["cells"] for row in rows)]
    size = (len(kinds) * _CELL + 1.2, len(rows) * (_CELL + 0.46) + 0.75)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03)  # type: ignore[union-attr]
    panels = figure.subplots(len(rows), len(kinds), squeeze=False)
    for line, row in zip(panels, rows, strict=True):
        for axes, kind in zip(line, kinds, strict=True):
            axes.grid(visible=False)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            cell = row["cells"].get(kind)
            if cell is None:
                continue
            axes.imshow(cell["image"], interpolation="nearest")
            answer = textwrap.shorten(cell["predicted"], _WRAP, placeholder="…")
            text = f"{'✓' if cell['right'] else '✗'} {answer}\n{cell['score']:.2f}"
            axes.set_xlabel(
                text, fontsize=8.5, color=BLACK if cell["right"] else VERMILLION,
                fontweight="normal" if cell["right"] else "bold", labelpad=3,
            )  # fmt: skip
        words = [*textwrap.wrap(row["label"], _WRAP), *textwrap.wrap(f"({row['model']})", _WRAP)]
        line[0].set_ylabel(
            "\n".join(words), rotation=0, ha="right", va="center", labelpad=8, fontsize=8.5
        )
    for axes, kind in zip(panels[0], kinds, strict=True):
        axes.set_title(VARIANT_TITLES[kind], fontsize=9, pad=5, loc="center")
    if note:
        add_footnote(figure, note)
    return figure
