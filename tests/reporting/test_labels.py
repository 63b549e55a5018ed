"""Labels find free places; names at the ends of lines move apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from wiseft_jax.reporting.labels import (
    Label,
    broken,
    place_labels,
    shortened,
    spread,
    text_width,
)


def panel(count: int = 20, crowd: float = 1.0):
    figure = Figure(figsize=(5, 4))
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    x = np.linspace(0.4, 0.4 + 0.5 * crowd, count)
    y = 0.5 + 0.2 * crowd * np.sin(6 * x)
    axes.plot(x, y)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return canvas, axes, list(zip(x.tolist(), y.tolist(), strict=True))


def boxes(canvas, axes):
    renderer = canvas.get_renderer()
    return [text.get_window_extent(renderer) for text in axes.texts]


def test_labels_cover_neither_each_other_nor_the_line():
    canvas, axes, points = panel()
    labels = [Label(x, y, f"{i / 20:g}") for i, (x, y) in enumerate(points)]
    written = place_labels(axes, labels, [points])
    assert written[0] == "0"
    assert len(written) > 10
    placed = boxes(canvas, axes)
    assert len(placed) == len(written)
    for i, box in enumerate(placed):
        assert not any(box.overlaps(other) for other in placed[:i])
        assert not any(box.contains(*axes.transData.transform(point)) for point in points)


def test_crowded_labels_are_left_out_unless_required():
    canvas, axes, points = panel(crowd=0.03)
    optional = [Label(x, y, f"label {i}") for i, (x, y) in enumerate(points)]
    required = [Label(x, y, f"must {i}", required=True) for i, (x, y) in enumerate(points[:2])]
    written = place_labels(axes, [*required, *optional], [points])
    assert written[:2] == ["must 0", "must 1"]
    assert len(written) < len(points)
    placed = boxes(canvas, axes)
    assert not placed[0].overlaps(placed[1])


def test_a_required_label_is_written_where_there_is_no_room():
    _, axes, points = panel()
    long = "a label that is far too long for this small panel, and goes on, and on, and on" * 2
    assert place_labels(axes, [Label(*points[0], long)], [points]) == []
    assert place_labels(axes, [Label(*points[0], long, required=True)], [points]) == [long]


def test_a_required_label_stands_off_the_lines_with_a_leader_across_them():
    canvas, axes, _ = panel()
    fence = [[(0.0, y), (1.0, y)] for y in np.linspace(0.42, 0.58, 9)]
    assert place_labels(axes, [Label(0.5, 0.5, "near")], fence) == []
    assert place_labels(axes, [Label(0.5, 0.5, "far", required=True)], fence) == ["far"]
    (text,) = axes.texts
    text.update_positions(canvas.get_renderer())
    box = Text.get_window_extent(text, canvas.get_renderer())
    low, high = (axes.transData.transform((0.5, y))[1] for y in (0.42, 0.58))
    assert box.y0 > high or box.y1 < low


def test_labels_stay_inside_the_panel():
    canvas, axes, _ = panel()
    corner = [(0.99, 0.99)]
    place_labels(axes, [Label(0.99, 0.99, "corner point")], [corner])
    frame, (box,) = axes.get_window_extent(), boxes(canvas, axes)
    assert box.x1 <= frame.x1
    assert box.y1 <= frame.y1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_spread_keeps_order_gap_and_bounds(positions):
    gap = 0.05
    found = spread(positions, gap, 0.0, 1.0)
    order = np.argsort(positions, kind="stable")
    ordered = np.array(found)[order]
    assert (np.diff(ordered) >= gap - 1e-9).all()
    assert ordered[0] >= -1e-9
    assert ordered[-1] <= 1 + 1e-9


def test_spread_leaves_distant_positions_alone_and_centres_a_cluster():
    assert spread([0.9, 0.1], 0.1, 0.0, 1.0) == [0.9, 0.1]
    np.testing.assert_allclose(spread([0.5, 0.5, 0.5], 0.1, 0.0, 1.0), [0.4, 0.5, 0.6])


def test_spread_keeps_the_gap_when_there_is_no_room():
    found = spread([0.5] * 5, 0.5, 0.0, 1.0)
    np.testing.assert_allclose(np.diff(found), 0.5)


@pytest.mark.parametrize("text", ["W" * 60, "l" * 200, "short", "imagenet_sketch_of_many_words_v2"])
def test_a_shortened_name_fits_and_keeps_both_ends(text: str) -> None:
    found = shortened(text, 120, 10)
    assert text_width(found, 10) <= 120
    if found != text:
        start, end = found.split("…")
        assert text.startswith(start)
        assert text.endswith(end)
        assert 0 <= len(start) - len(end) <= 1
        assert text_width(text, 10) > 120
        assert text_width(found + 2 * text[0], 10) > 120 - text_width("W", 10)


def test_a_broken_text_keeps_its_words() -> None:
    text = "where the predictions of the model flip along alpha"
    lines = broken(text, 100, 12).split("\n")
    assert " ".join(lines) == text
    assert len(lines) > 2
    assert all(text_width(line, 12, "normal") <= 100 for line in lines)
    assert broken(text, 1000, 12) == text
