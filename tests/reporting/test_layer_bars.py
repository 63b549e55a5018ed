"""Bars of distances and lines of cosines: each layer's own number, gaps where there is none."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from tests.reporting.layer_rows import layers_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.layer_bars import draw_layer_bars, layer_bars_figure
from wiseft_jax.reporting.style import STYLE


def test_bars_and_points_are_the_rows():
    rows = layers_rows(3)
    with matplotlib.rc_context(STYLE):
        figure = layer_bars_figure(rows)
    top, middle, bottom = figure.axes
    labels = [text.get_text() for text in bottom.get_xticklabels()]
    assert labels == ["embedding", "block 0", "block 1", "block 2", "projection", "head"]
    values = {(row["group"], row["metric"]): row["value"] for row in rows}
    heights = [patch.get_height() for patch in top.patches]  # type: ignore[attr-defined]
    names = [label.replace(" ", "_") for label in labels]
    assert heights == pytest.approx([100 * values[name, "relative_distance"] for name in names])
    assert np.asarray(middle.lines[0].get_ydata()).tolist() == [
        values[name, "cosine"] for name in names
    ]
    assert np.asarray(bottom.lines[0].get_xdata()).tolist() == [1, 2, 3, 4, 5]  # not the embedding
    assert [text.get_text() for text in top.texts] == ["all: 1 %"]


def test_png_and_svg(tmp_path: Path):
    paths = draw_layer_bars(layers_rows(), tmp_path / "layers.png")
    assert [path.name for path in paths] == ["layers.png", "layers.svg"]
    with pytest.raises(InputError, match="--analyses layers"):
        draw_layer_bars([], tmp_path / "layers.png")
