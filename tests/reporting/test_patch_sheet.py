"""The sheet: every model has a picture with class and score, and nothing is cut off."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tests.reporting.patch_facts import sheet_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.patch_sheet import draw_sheet, overlaid, sheet_figure
from wiseft_jax.reporting.style import STYLE


def test_every_model_has_its_map_class_and_score():
    with matplotlib.rc_context(STYLE):
        figure = sheet_figure(sheet_rows(), note="a note")
        figure.draw_without_rendering()
    assert len(figure.axes) == 2 * 9
    titles = [axes.get_title("center") for axes in figure.axes[:9]]
    assert titles[0] == "patched image"
    assert titles[4] == "ResNet (CAM)\nSmoothMix"
    assert titles[7] == "CLIP (Grad-CAM)\nCutMix"
    labels = [axes.get_xlabel() for axes in figure.axes[:9]]
    assert labels[:4] == ["true: seven", *["✓ seven 0.88"] * 2, "✗ seven 0.88"]


def test_the_square_is_outlined_where_it_is():
    with matplotlib.rc_context(STYLE):
        figure = sheet_figure(sheet_rows())
    for row in (0, 1):
        frame = figure.axes[9 * row].patches[0]
        corner, sides = frame.get_xy(), (frame.get_width(), frame.get_height())  # type: ignore[attr-defined]
        assert corner == (9.5, 3.5 + row)
        assert sides == (10, 10)


@pytest.mark.parametrize("models", [1, 8])
def test_nothing_is_cut_off(tmp_path: Path, models: int):
    rows = sheet_rows(1)
    rows[0]["models"] = rows[0]["models"][:models]
    path = draw_sheet(rows, tmp_path / "sheet", note="a note that is long " * 12)
    picture = np.asarray(Image.open(path).convert("L"))
    edge = np.concatenate([picture[:2].ravel(), picture[-2:].ravel(), picture[:, -2:].ravel()])
    assert np.all(edge == 255)
    assert picture.shape[1] >= 150 * 1.42 * (1 + models)


def test_a_map_lights_up_where_it_is_positive():
    grey = np.full((2, 2, 3), 100, np.uint8)
    heat = np.array([[4.0, 1.0], [0.0, -9.0]], np.float32)
    found = overlaid(grey, heat)
    np.testing.assert_allclose(found[1, 0], found[1, 1])
    np.testing.assert_allclose(found[1, 0], 0.15 + 0.7 * 100 / 255)
    warmth = np.abs(found - found[1, 0]).sum(-1)
    assert warmth[0, 0] > warmth[0, 1] > 0
    np.testing.assert_allclose(overlaid(grey, -heat * 0), found[1, 0].mean())


def test_no_images_are_refused():
    with pytest.raises(InputError, match="no images"):
        sheet_figure([])
