"""Heat maps of CKA: cells are where their layers are, whatever the rows' order."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from tests.reporting.layer_rows import cka_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.layer_heatmaps import draw_layer_heatmaps, layer_heatmaps_figure
from wiseft_jax.reporting.style import STYLE


def test_each_pair_of_models_has_a_panel_whose_cells_are_the_rows():
    rows = cka_rows()
    with matplotlib.rc_context(STYLE):
        figure = layer_heatmaps_figure(rows)
    panels = [axes for axes in figure.axes if axes.images]
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == ["zero-shot × α = 0.4", "zero-shot × fine-tuned", "α = 0.4 × fine-tuned"]
    layers = [text.get_text() for text in panels[1].get_yticklabels()]
    assert layers == ["embedding", *(f"block {i}" for i in range(4)), "pooled", "features"]
    shown = np.asarray(panels[1].images[0].get_array())
    for row in rows:
        if row["metric"] == "minibatch_cka" and (row["alpha"], row["other"]) == (0.0, "alpha 1"):
            first, second = str(row["group"]).replace("_", " ").split(":")
            assert shown[layers.index(first), layers.index(second)] == row["value"]
    note = figure._supxlabel.get_text()  # type: ignore[attr-defined]
    assert "n = 1000 images" in note
    assert "zero-shot / fine-tuned" in note


def test_many_layers_have_no_numbers_in_their_cells():
    with matplotlib.rc_context(STYLE):
        few, many = (layer_heatmaps_figure(cka_rows(blocks)) for blocks in (4, 24))
    assert len(few.axes[0].texts) == 49
    assert len(many.axes[0].texts) == 0


def test_png_and_svg_of_the_set_that_is_named(tmp_path: Path):
    rows = cka_rows()
    other = [{**row, "dataset": "<shift>"} for row in rows]
    paths = draw_layer_heatmaps([*rows, *other], tmp_path / "cka.png", "<shift>")  # type: ignore
    assert [path.name for path in paths] == ["cka.png", "cka.svg"]
    assert "&lt;shift&gt;" in paths[1].read_text() or "<shift>" not in paths[1].read_text()
    with pytest.raises(InputError, match="no CKA of layers on 'none' to draw"):
        draw_layer_heatmaps(rows, tmp_path / "cka.png", "none")
    with pytest.raises(InputError, match="--analyses cka"):
        draw_layer_heatmaps([], tmp_path / "cka.png")
