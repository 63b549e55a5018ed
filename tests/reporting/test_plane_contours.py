"""Contours of a plane: the grid, the models with their values, and the segment between the ends."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from tests.reporting.layer_rows import plane_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.plane_contours import Surface, draw_plane, plane_figure
from wiseft_jax.reporting.style import STYLE


def test_the_surface_is_the_rows_by_place():
    rows = plane_rows(5)
    surface = Surface.of([*reversed(rows)], "loss")
    assert surface.values.shape == (5, 5)
    for row in rows:
        if row["metric"] == "loss" and row["other"] is None:
            x, y = (float(part.split("=")[1]) for part in str(row["group"]).split())
            place = list(surface.y).index(y), list(surface.x).index(x)
            assert surface.values[place] == row["value"]
    assert surface.models["chosen"][:2] == (2.4, 0.0)
    assert surface.models["chosen"][3] == 0.6


def test_both_panels_show_the_segment_and_every_model_with_its_value():
    with matplotlib.rc_context(STYLE):
        figure = plane_figure(plane_rows())
    panels = [axes for axes in figure.axes if axes.get_title(loc="left") in ("Loss", "Accuracy")]
    assert len(panels) == 2
    for axes, value in zip(panels, ("0.832", "71.4 %"), strict=True):
        texts = [text.get_text() for text in axes.texts]
        assert {text.split("\n")[0] for text in texts} == {
            "zero-shot", "fine-tuned", "chosen (α = 0.6)", "fine-tuned of run-2",
        }  # fmt: skip
        assert f"fine-tuned\n{value}" in texts
        segments = [line for line in axes.lines if len(np.asarray(line.get_xdata())) == 2]
        assert np.asarray(segments[-1].get_xdata()).tolist() == [0.0, 4.0]


def test_png_and_svg_and_what_cannot_be_drawn(tmp_path: Path):
    rows = plane_rows()
    paths = draw_plane(rows, tmp_path / "plane.png")
    assert [path.name for path in paths] == ["plane.png", "plane.svg"]
    with pytest.raises(InputError, match="the loss of 120 points isn't a grid"):
        draw_plane([row for row in rows if row["group"] != rows[-1]["group"]], tmp_path / "p.png")
    with pytest.raises(InputError, match="--analyses plane"):
        draw_plane([], tmp_path / "p.png")
    broken = [{**row, "group": "nowhere"} for row in rows]
    with pytest.raises(InputError, match="expected a group 'x=1 y=2', found 'nowhere'"):
        draw_plane(broken, tmp_path / "p.png")  # type: ignore[arg-type]
