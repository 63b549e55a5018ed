"""Continuous curves in the picture, the flips and the report."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.rows import chosen, sweep_rows
from wiseft_jax.core.curve_rows import CurveRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import Row
from wiseft_jax.reporting.continuous import continuous
from wiseft_jax.reporting.continuous_section import continuous_section
from wiseft_jax.reporting.curves import curve_figure, draw_curve
from wiseft_jax.reporting.flips import draw_flips, flips_figure
from wiseft_jax.reporting.labels import named
from wiseft_jax.reporting.report import report_markdown
from wiseft_jax.reporting.series import Curves


def curve_rows(rows: list[Row]) -> list[CurveRow]:
    """Return curves through the rows, with a band and flips."""
    made = []
    grid = np.linspace(0, 1, 101)
    for series in Curves.of(rows).all:
        if series is Curves.of(rows).mean or series.name == "mean of shifts":
            continue
        values = np.interp(grid, series.alphas, series.values)
        hits = np.round(values * series.n).astype(int)
        made.append(
            CurveRow(
                schema=1,
                dataset=series.name,
                split=series.split,
                role=series.role,
                n=series.n,
                alphas=grid.tolist(),
                hits=hits.tolist(),
                low=(hits - 5).tolist(),
                high=(hits + 5).tolist(),
                lost=[0.8, 0.81, 0.9],
                won=[0.1, 0.2],
                summary={
                    "nodes": {"5": series.n},
                    "passes": 5.2,
                    "uncertain_share": 0.004,
                    "evaluated_share": 0.01,
                    "audited": 100,
                    "mismatches": 0,
                    "mismatch_upper_95": 0.03,
                    "best_hits": int(hits.max()),
                    "best_alphas": [[0.4, 0.45], [0.5, 0.51], [0.6, 0.61]],
                    "note": "",
                },
                config_hash="",
            )
        )
    return made


def test_dense_curves_follow_the_rows_and_hold_the_band() -> None:
    rows = sweep_rows()
    dense = continuous(curve_rows(rows), rows)
    assert dense is not None
    assert dense.reference is not None
    assert len(dense.reference.points) == 101
    point = dense.reference.points[0.5]
    assert point.low < point.value < point.high
    assert dense.mean is not None
    shifts = [series.points[0.5].low for series in dense.shifts]
    assert dense.mean.points[0.5].low == pytest.approx(np.mean(shifts))


def test_a_set_without_a_curve_leaves_the_points_alone() -> None:
    rows = sweep_rows()
    assert continuous(curve_rows(rows)[1:], rows) is None
    assert continuous([], rows) is None


def test_lines_come_from_the_curve_and_points_from_the_rows() -> None:
    rows = sweep_rows()
    figure = curve_figure(rows, selection=chosen(), curve_rows=curve_rows(rows))
    lengths = {len(line.get_xdata()) for axes in figure.axes for line in axes.get_lines()}
    assert {101, 11} <= lengths


def test_pictures_are_written(tmp_path: Path) -> None:
    rows = sweep_rows()
    draw_curve(rows, tmp_path / "curve.png", selection=chosen(), curve_rows=curve_rows(rows))
    paths = draw_flips(curve_rows(rows), tmp_path / "flips.png")
    assert [path.name for path in paths] == ["flips.png", "flips.svg"]
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_one_panel_a_set() -> None:
    rows = curve_rows(sweep_rows())
    figure = flips_figure(rows)
    assert sum(axes.get_visible() for axes in figure.axes) == len(rows)
    shown = figure.axes[0].yaxis.get_major_formatter()
    assert [shown(share) for share in (-0.05, -0.0, 0.0, 0.125)] == [
        "-5 %", "0 %", "0 %", "+12.5 %",
    ]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 12])
@pytest.mark.parametrize("name", ["W" * 60, "imagenet_sketch_with_a_very_long_name"])
def test_no_text_of_flips_covers_another_or_is_cut(count: int, name: str) -> None:
    (row,) = curve_rows(sweep_rows())[:1]
    # What is lost at the end goes deep into the corner where the counts once stood.
    lost = row["n"] * [0.97]
    rows: Any = [row | {"dataset": f"{name}_{place}", "lost": lost} for place in range(count)]
    figure = flips_figure(rows, title="flips of a model with a name that goes on and on " * 2)
    figure.draw_without_rendering()
    heading = figure._suptitle  # type: ignore[attr-defined]
    texts = [heading, *(axes.title for axes in figure.axes)]
    for axes in figure.axes[:count]:
        texts += [axes._left_title, *axes.texts]  # type: ignore[attr-defined]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert len(boxes) == 1 + 2 * count
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)
    for box in boxes:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes[:count])


def test_no_curves_have_no_flips() -> None:
    with pytest.raises(InputError, match=r"sweep with --sweep\.method curve"):
        flips_figure([])


def test_the_report_says_what_it_took() -> None:
    rows = sweep_rows()
    text = report_markdown(rows, selection=chosen(), curve_rows=curve_rows(rows))
    assert "the continuous curve" in text
    assert "0 of 100 (at most 3 %)" in text
    assert "0.4 to 0.45, 0.5 to 0.51 and 1 more" in text
    assert "the continuous curve" not in report_markdown(rows, selection=chosen())


def test_the_report_lists_the_alphas_that_may_be_the_best() -> None:
    text = report_markdown(sweep_rows(), selection=chosen(), possible_best=(0.4, 0.5))
    assert "may be the best on the validation set (95 %, exact paired tests): 0.4, 0.5." in text


def test_intervals_without_a_visible_gap_are_told_as_one():
    (row,) = curve_rows(sweep_rows())[:1]
    row["summary"]["best_alphas"] = [[0.20589, 0.211002], [0.211008, 0.2119], [0.7, 0.8]]
    text = continuous_section([row])
    assert "% at 0.2059 to 0.2119, 0.7 to 0.8 |" in text


def test_few_audited_predictions_give_no_bound():
    (row,) = curve_rows(sweep_rows())[:1]
    assert "| 0 of 100 (at most 3 %) |" in continuous_section([row])
    row["summary"]["audited"] = 1
    assert "| 0 of 1 (too few for a bound) |" in continuous_section([row])


def test_the_note_below_is_as_wide_as_the_picture_however_long():
    rows = sweep_rows()
    for row in rows:
        if row["dataset"] == "mnist" and row["alpha"] > 0.5:
            row["value"] = row["ci_high"] = 1.0
    figures = [
        curve_figure(rows, selection=chosen(), curve_rows=curve_rows(rows)),
        flips_figure(curve_rows(rows)[:1]),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        (note,) = [text for text in figure.texts if text.get_fontsize() == 8.5]
        assert "\n" in note.get_text()
        assert note.get_window_extent().x1 < figure.bbox.x1


def test_a_set_that_is_called_like_its_split_is_named_once():
    assert named("validation", "validation") == "validation"
    assert named("photos", "validation") == "photos (validation)"
    assert named("photos", "test") == named("photos", "test", "shift") == "photos"
    assert named("photos", "test", "matched_reference") == "photos (matched ref.)"


def test_audits_that_failed_before_are_told():
    (row,) = curve_rows(sweep_rows())[:1]
    row["summary"]["failed_audits"] = [[40, 2]]
    assert "0 of 100 (at most 3 %); before it 2 of 40, so it" in continuous_section([row])


def test_a_set_of_best_alphas_that_rests_on_doubt_says_so():
    rows, possible = sweep_rows(), [0.4, 0.5]
    told = curve_rows(rows)
    for row in told:
        row["summary"] |= {"uncertain_share": 0.02, "evaluated_share": 0.0}
    text = report_markdown(rows, selection=chosen(), curve_rows=told, possible_best=possible)
    assert "The curve is uncertain of 2 % of the predictions that this rests on" in text
    for row in told:
        row["summary"] |= {"uncertain_share": 0.02, "evaluated_share": 0.02}
    text = report_markdown(rows, selection=chosen(), curve_rows=told, possible_best=possible)
    assert "that this rests on" not in text


def stars(axes: Any) -> list[tuple[float, float, Any]]:
    """Return place and inner colour of each star."""
    lines = [line for line in axes.lines if line.get_marker() == "*"]
    places = [np.asarray(line.get_xydata())[0] for line in lines]
    return [
        (float(x), float(y), line.get_color()) for (x, y), line in zip(places, lines, strict=True)
    ]


def test_an_alpha_between_those_asked_for_is_read_off_the_curve_and_says_so():
    rows = sweep_rows()
    lines = curve_rows(rows)
    figure = curve_figure(rows, selection=chosen(0.45), curve_rows=lines)
    left, right = figure.axes
    name = "α = 0.45, chosen (read off the curve)"
    assert name in [text.get_text() for text in right.texts]
    assert name.replace(" (", "\n(") in [text.get_text() for text in left.texts]
    dense = continuous(lines, rows)
    assert dense is not None
    assert dense.reference is not None
    assert dense.mean is not None
    on_both = [series.points[0.45].value for series in (dense.reference, dense.mean)]
    assert [y for _, y, _ in stars(right)] == pytest.approx(on_both)
    assert [each[:2] for each in stars(left)] == [pytest.approx(tuple(on_both))]
    assert {face for axes in (left, right) for *_, face in stars(axes)} == {"0.72"}


def test_the_name_of_an_alpha_that_was_read_off_does_not_lie_on_the_path():
    """The path winds about the chosen alpha, where one long line finds no room."""
    rows = sweep_rows()
    told: Any = [{**row, "method": "curve"} for row in rows]
    figure = curve_figure(told, selection=chosen(0.5), curve_rows=curve_rows(rows))
    left = figure.axes[0]
    (name,) = (text for text in left.texts if "chosen" in text.get_text())
    assert "\n" in name.get_text()
    box = name.get_window_extent()
    path = max(left.lines, key=lambda line: len(line.get_xydata()))
    at = left.transData.transform(np.asarray(path.get_xydata()))
    assert not any(box.contains(x, y) for x, y in at)


def test_an_alpha_asked_for_is_marked_by_whether_it_was_run():
    rows = sweep_rows()
    for method, face, how in (("direct", "white", ""), ("curve", "0.72", " (read off the curve)")):
        told: Any = [{**row, "method": method} for row in rows]
        _, right = curve_figure(told, selection=chosen(0.4), curve_rows=curve_rows(rows)).axes
        assert {each[2] for each in stars(right)} == {face}
        assert f"α = 0.4, chosen{how}" in [text.get_text() for text in right.texts]
