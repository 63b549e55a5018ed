"""The picture: files, what is in it, determinism, and odd inputs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tests.reporting.rows import chosen, set_rows, sweep_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting import draw_curve
from wiseft_jax.reporting.curves import curve_figure
from wiseft_jax.reporting.labels import spread


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_writes_png_and_svg(tmp_path):
    paths = draw_curve(sweep_rows(), tmp_path / "curve.png", selection=chosen(), title="run")
    assert [path.name for path in paths] == ["curve.png", "curve.svg"]
    image = np.asarray(Image.open(paths[0]).convert("L"))
    assert image.shape[1] > 1500
    assert 0.02 < (image < 128).mean() < 0.3
    assert ElementTree.parse(paths[1]).getroot().tag.endswith("svg")


def test_is_deterministic_and_names_no_date_or_version(tmp_path):
    first, second = (
        [path.read_bytes() for path in draw_curve(sweep_rows(), tmp_path / name / "c.png")]
        for name in "ab"
    )
    assert first == second
    assert b"<dc:date>" not in first[1]
    assert b"matplotlib version" not in first[0]


def test_leaves_matplotlib_settings_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    draw_curve(sweep_rows(3), tmp_path / "c.png")
    assert dict(matplotlib.rcParams) == before


def test_panels_and_labels():
    figure = curve_figure(sweep_rows(21), selection=chosen(0.4))
    left, right = figure.axes
    assert left.get_xlabel() == "accuracy on mnist (reference), logit scale"
    assert left.get_ylabel() == "mean accuracy on 3 shifts, logit scale"
    assert {"zero-shot (α = 0)", "fine-tuned (α = 1)", "α = 0.5", "α = 0.4, chosen"} <= set(
        texts(left)
    )
    assert {"0.1", "0.2"} <= set(texts(left))
    names = {"mnist", "mean of shifts", "optical digits", "coloured", "inverted"}
    assert names | {"mnist-val (validation)", "α = 0.4, chosen"} == set(texts(right))
    assert left.get_xscale() == left.get_yscale() == "function"
    markers = {line.get_marker() for line in left.lines} - {"o", "None", "_", "|"}
    assert {"s", "D", "^", "*"} <= markers


def test_lines_differ_in_more_than_colour():
    rows = sweep_rows()
    for index in range(8):
        rows += set_rows(f"more {index}", [0.5] * 11, role="shift")
    _, right = curve_figure(rows).axes
    width = len(right.lines[0].get_xdata())
    curves = [line for line in right.lines if len(line.get_xdata()) == width == 11]
    looks = {
        (line.get_color(), line.get_linestyle(), line._unscaled_dash_pattern) for line in curves
    }
    assert len(curves) == 14
    assert len(looks) == 14


def test_names_at_the_line_ends_do_not_overlap():
    rows = set_rows("ref", [0.9, 0.95])
    for index in range(9):
        rows += set_rows(f"shift {index}", [0.6, 0.7 + index / 1000], role="shift")
    figure = curve_figure(rows)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[1].texts]
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
    assert spread([1.0], 0.1, 0, 2) == [1.0]


def test_path_goes_through_the_measured_points():
    left, right = curve_figure(sweep_rows()).axes
    path = left.lines[0]
    reference = next(line for line in right.lines if line.get_color() == "#000000")
    np.testing.assert_allclose(path.get_xdata(), reference.get_ydata())


@pytest.mark.parametrize(
    ("alpha", "name"),
    [
        (0.0, "zero-shot, chosen (α = 0)"),
        (1.0, "fine-tuned, chosen (α = 1)"),
        (0.5, "α = 0.5, chosen"),
    ],
)
def test_chosen_may_be_an_end_or_the_default(alpha, name):
    left, _ = curve_figure(sweep_rows(), selection=chosen(alpha)).axes
    assert name in texts(left)
    assert sum("chosen" in text for text in texts(left)) == 1


def test_chosen_off_the_grid_is_a_line_without_a_point():
    left, right = curve_figure(sweep_rows(4), selection=chosen(0.5)).axes
    assert not any("chosen" in text for text in texts(left))
    assert "α = 0.5, chosen (not run)" in texts(right)


def test_one_shift_needs_no_mean():
    rows = set_rows("photos", [0.8, 0.9]) + set_rows("sketches", [0.7, 0.6], role="shift")
    left, right = curve_figure(rows).axes
    assert left.get_ylabel() == "accuracy on sketches (shift), logit scale"
    assert set(texts(right)) == {"photos", "sketches"}


def test_without_shifts_or_reference_there_is_one_panel():
    assert len(curve_figure(set_rows("photos", [0.8, 0.9])).axes) == 1
    assert len(curve_figure(set_rows("sketch", [0.8, 0.9], role="shift")).axes) == 1


def test_validation_stands_in_for_the_reference():
    rows = set_rows("val", [0.8, 0.9], split="validation")
    rows += set_rows("sketch", [0.7, 0.6], role="shift")
    left, _ = curve_figure(rows).axes
    assert left.get_xlabel() == "accuracy on val (validation, reference), logit scale"


def test_perfect_and_hopeless_accuracies_are_drawn_inside():
    rows = set_rows("ref", [0.5, 0.9, 1.0], n=10)
    rows += set_rows("shift", [0.4, 0.7, 0.0], role="shift", n=10)
    figure = curve_figure(rows, selection=chosen(0.5))
    left = figure.axes[0]
    assert left.lines[0].get_xdata()[-1] == pytest.approx(0.95)
    assert left.lines[0].get_ydata()[-1] == pytest.approx(0.05)
    assert "half an example inside" in figure.texts[-1].get_text()


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_a_single_alpha(tmp_path, alpha):
    rows = set_rows("ref", [0.9], alphas=[alpha])
    rows += set_rows("shift", [0.7], role="shift", alphas=[alpha])
    assert len(draw_curve(rows, tmp_path / "one.png")) == 2


def test_extrapolated_alphas_and_long_names(tmp_path):
    alphas = [-0.5, 0.0, 0.5, 1.0, 1.5]
    rows = set_rows(
        "a reference with quite a long name indeed", [0.5, 0.8, 0.9, 0.9, 0.6], alphas=alphas
    )
    rows += set_rows("s", [0.5, 0.7, 0.8, 0.7, 0.6], role="shift", alphas=alphas)
    figure = curve_figure(rows, selection=chosen(0.5))
    assert any(text.endswith("…") for text in texts(figure.axes[1]))
    low, high = figure.axes[1].get_xlim()
    assert low < -0.5
    assert high > 1.5


def test_nothing_to_draw(tmp_path):
    with pytest.raises(InputError, match="no top-1 rows"):
        draw_curve([], tmp_path / "c.png")
