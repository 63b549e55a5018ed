"""Pictures of analyses: what is in them, the same bytes twice, and odd runs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.analysis.runs import (
    HASH,
    default_sets,
    made_predictions,
    write_baselines,
    write_matched_run,
    write_run,
)
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.analysis.table import analyse
from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import write_rows
from wiseft_jax.evaluation.predictions import Predictions, save_predictions
from wiseft_jax.reporting.analysis_calibration import calibration_figure
from wiseft_jax.reporting.analysis_classes import MOST, classes_figure
from wiseft_jax.reporting.analysis_diversity import diversity_figure
from wiseft_jax.reporting.analysis_ensembles import ensembles_figure
from wiseft_jax.reporting.analysis_flips import turns_figure
from wiseft_jax.reporting.analysis_landscape import landscape_figure
from wiseft_jax.reporting.analysis_other_sets import other_sets_figure
from wiseft_jax.reporting.analysis_overrides import overrides_figure
from wiseft_jax.reporting.analysis_pictures import PICTURES, draw_analysis
from wiseft_jax.reporting.analysis_robustness import robustness_figure

NAMES = [each.dataset for each in default_sets()]


def rows_of(
    tmp_path: Path, name: str, sets: Sequence[Predictions] | None = None, chosen: float = 0.5
) -> list[AnalysisRow]:
    directory = write_run(tmp_path / "run", sets, chosen=chosen)
    others = made_predictions("letters", 30, keep_logits=False)
    save_predictions(directory / "other_sets", [others])
    write_rows(directory / "other_sets" / "results.jsonl", others.rows(HASH))
    run = StoredRun.load(directory)
    names = [*run.predictions]
    file = write_baselines(tmp_path / "b.csv", names if len(names) > 1 else NAMES)
    return analyse(run, name, AnalysisOptions(samples=50, baselines=file))


def rows_with(rows: Sequence[AnalysisRow], metric: str, **fields: str) -> list[AnalysisRow]:
    wanted = {"metric": metric} | fields
    return [row for row in rows if wanted.items() <= row.items()]


def title(axes: Axes) -> str:
    return axes.get_title(loc="left") or axes.get_title()  # the style says where


def texts(figure: Figure) -> str:
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    found += [title(axes) for axes in figure.axes]
    found += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += [axes.get_xlabel(), axes.get_ylabel()]
        found += [label.get_text() for label in axes.get_yticklabels()]
    return "\n".join(found)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_the_same_bytes_twice(name: str, tmp_path: Path):
    rows = rows_of(tmp_path, name, default_sets()[1:3])
    first = draw_analysis(name, rows, tmp_path / "a", chosen=0.5)
    again = draw_analysis(name, rows, tmp_path / "b", chosen=0.5)
    assert {path.suffix for path in first} == {".png", ".svg"}
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert draw_analysis("none", [], tmp_path / "c", chosen=0.5) == []


def test_pictures_are_made_as_what_is_asked(tmp_path: Path):
    rows = rows_of(tmp_path, "landscape", default_sets()[1:3])
    found = draw_analysis("landscape", rows, tmp_path, chosen=0.5, kinds=("pdf",), prefix="x-")
    assert [path.name for path in found] == ["x-landscape.pdf", "x-landscape-loss.pdf"]
    assert all(path.read_bytes()[:5] == b"%PDF-" for path in found)


def test_ensembles_have_the_accuracies_and_gains_of_the_rows(tmp_path: Path):
    rows = rows_of(tmp_path, "ensembles")
    reference, shifts, gains, gains_of_shifts = ensembles_figure(rows, 0.5).axes
    assert [title(reference), title(shifts)] == ["test", "mean of 2 shifts"]
    metrics = ("weight_space", "output_ensemble", "probability_ensemble")
    values = {
        (metric, name): [
            row["value"] for row in rows if (row["metric"], row["dataset"]) == (metric, name)
        ]
        for metric in metrics
        for name in ("test", "sketch", "night")
    }
    for line, metric in zip(reference.lines, metrics, strict=False):
        assert np.asarray(line.get_ydata()) == pytest.approx(values[metric, "test"])
    for line, metric in zip(shifts.lines, metrics, strict=False):
        mean = np.mean([values[metric, "sketch"], values[metric, "night"]], axis=0)
        assert np.asarray(line.get_ydata()) == pytest.approx(mean)
    for axes, of in ((gains, {"dataset": "test"}), (gains_of_shifts, {"group": "mean of shifts"})):
        wanted = [r["value"] for r in rows_with(rows, "probability_ensemble_gain", **of)]
        assert np.asarray(axes.lines[2].get_ydata()) == pytest.approx(wanted)


def test_ensembles_of_one_set_or_without_weights(tmp_path: Path):
    rows = rows_of(tmp_path, "ensembles", default_sets()[2:3])
    above, below = ensembles_figure(rows).axes
    assert title(above) == "sketch"
    assert len(below.lines) == 3
    bare = [row for row in rows if row["metric"] != "weight_space"]
    with pytest.raises(InputError, match="make the rows again"):
        ensembles_figure(bare)
    assert draw_analysis("ensembles", [], tmp_path, chosen=0.5) == []


def test_flips_stack_what_turns_and_add_it_up_to_the_change_of_accuracy(tmp_path: Path):
    sets = default_sets()
    rows = rows_of(tmp_path, "flips", sets)
    panels = [axes for axes in turns_figure(rows, 0.5).axes if axes.get_visible()]
    assert [title(axes) for axes in panels] == NAMES
    for axes, predictions in zip(panels, sets, strict=True):
        known = predictions.labels >= 0
        right = predictions.correct[:, known]
        bars = axes.patches
        won, lost, changed = (
            sum(bar.get_height() for bar in bars[kind::3])  # type: ignore[attr-defined]
            for kind in range(3)
        )
        shares = [(after & ~before).mean() for before, after in itertools.pairwise(right)]
        assert won == pytest.approx(sum(shares))
        assert won + lost == pytest.approx(right[-1].mean() - right[0].mean())
        moved = predictions.top1[1:, known] != predictions.top1[:-1, known]
        assert changed == pytest.approx(moved.sum() / known.sum() - won + lost)
        dots = [
            np.asarray(line.get_ydata(), float) for line in axes.lines if line.get_marker() == "o"
        ]
        assert np.concatenate(dots) == pytest.approx(np.diff(right.mean(axis=1)))
        turned = int(moved.any(axis=0).sum())
        assert axes.texts[0].get_text().endswith(f"; {turned} of {known.sum()} examples turn")


def test_where_nothing_flips_the_panel_is_empty(tmp_path: Path):
    rows = rows_of(tmp_path, "flips", [made_predictions("test", 30, signal=(30.0, 30.0))])
    figure = turns_figure(rows)
    assert "0 right, 0 wrong, 0 other; 0 of 30 examples turn" in texts(figure)
    damaged = [row | {"metric": "won", "alpha": 0.5, "other": "before"} for row in rows]
    with pytest.raises(InputError, match="make the rows again"):
        turns_figure(damaged)  # type: ignore[arg-type]


def test_bars_of_diversity_have_the_values(tmp_path: Path):
    rows = rows_of(tmp_path, "diversity")
    figure = diversity_figure(rows)
    assert [title(axes) for axes in figure.axes] == [
        "exactly one is right",
        "kappa's complement",
        "KL divergence (nats)",
    ]
    widths = sorted(bar.get_width() for bar in figure.axes[0].patches)  # type: ignore[attr-defined]
    wanted = sorted(row["value"] for row in rows if row["metric"] == "prediction_diversity")
    assert widths == pytest.approx(wanted)


def test_shares_of_overrides_add_up(tmp_path: Path):
    rows = rows_of(tmp_path, "overrides")
    answers, confidence = overrides_figure(rows).axes
    widths = np.array([bar.get_width() for bar in answers.patches]).reshape(3, -1)  # type: ignore[attr-defined]
    assert widths.sum(axis=0) == pytest.approx(np.ones(4))
    n = [row["n"] for row in rows if row["metric"] == "zero_shot_overrides"]
    assert [text.get_text() for text in answers.texts] == [f"n = {each}" for each in n]
    assert "margin" in confidence.get_xlabel()


def test_ends_that_never_disagree_are_said(tmp_path: Path):
    predictions = made_predictions("test", 20)
    predictions.top1[:] = predictions.top1[0]
    figure = overrides_figure(rows_of(tmp_path, "overrides", [predictions]))
    assert "they never disagree" in texts(figure)


def test_the_path_and_its_chord_are_drawn(tmp_path: Path):
    rows = rows_of(tmp_path, "landscape")
    figure = landscape_figure(rows)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == 4
    chord, path = panels[1].lines[:2]
    wanted = [r["value"] for r in rows if (r["metric"], r["dataset"]) == ("accuracy", "test")]
    assert np.asarray(path.get_ydata()) == pytest.approx(wanted)
    ends = np.asarray(chord.get_ydata(), float)
    assert (ends[0], ends[-1]) == pytest.approx((wanted[0], wanted[-1]))
    assert "barrier" in texts(figure)
    losses = landscape_figure(rows, "loss")
    assert "loss in nats" in texts(losses)
    bare = [row for row in rows if row["metric"] != "loss"]
    with pytest.raises(InputError, match="no rows of a set to draw"):
        landscape_figure(bare, "loss")


def test_calibration_has_a_line_a_set(tmp_path: Path):
    rows = rows_of(tmp_path, "calibration")
    figure = calibration_figure(rows, 0.5)
    shown = texts(figure)
    for said in ("calibration error (15 bins)", "Brier score", "best temperature", "sketch"):
        assert said in shown
    lines = [line for line in figure.axes[0].lines if len(np.asarray(line.get_xdata())) == 5]
    assert len(lines) == 4


def test_many_classes_are_cut_to_the_extremes(tmp_path: Path):
    (row,) = [
        r for r in rows_of(tmp_path, "classes")
        if (r["metric"], r["dataset"], r["alpha"], r["other"], r["group"])
        == ("class_gain", "test", 0.5, "zero_shot", "cat")
    ]  # fmt: skip
    many = [row | {"group": f"class {k}", "value": k / 100 - 0.3} for k in range(60)]
    figure = classes_figure(many, 0.5)  # type: ignore[arg-type]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == MOST
    assert (labels[0], labels[-1]) == ("class 59", "class 0")
    with pytest.raises(InputError, match="no gains of classes at alpha 1"):
        classes_figure([], 0.5)


def test_classes_of_a_run_that_chose_an_end(tmp_path: Path):
    figure = classes_figure(rows_of(tmp_path, "classes", chosen=0.0), 0.0)
    assert "α = 1 against zero-shot" in figure.get_suptitle()


def test_other_sets_have_a_line_each(tmp_path: Path):
    figure = other_sets_figure(rows_of(tmp_path, "other_sets"), 0.5)
    assert "letters, n = 30" in texts(figure)
    assert len(np.asarray(figure.axes[0].lines[0].get_xdata())) == 5


@pytest.mark.parametrize("scale", ["logit", "probit"])
def test_the_scatter_has_baselines_line_and_path(tmp_path: Path, scale: str):
    rows = rows_of(tmp_path, "effective_robustness")
    figure = robustness_figure(rows, scale, 0.25)
    shown = texts(figure)
    for said in ("baselines", "y = x", "α = 0.25, chosen", "accuracy on test", "ρ = "):
        assert said in shown
    panel = figure.axes[0]
    baselines = panel.lines[2]
    wanted = [r["value"] for r in rows if (r["metric"], r["dataset"], r["other"]) ==
              ("baseline_accuracy", "sketch", "test")]  # fmt: skip
    assert np.asarray(baselines.get_ydata()) == pytest.approx(wanted)
    assert panel.get_xscale() == "function"
    with pytest.raises(InputError, match=f"no effective robustness on {scale} axes"):
        robustness_figure([], scale)


def test_perfect_accuracy_and_long_names_are_drawn(tmp_path: Path):
    long = "a_set_with_a_name_that_is_far_too_long_for_the_head_of_a_panel_or_an_axis"
    sets = [
        made_predictions("test", 30, signal=(30.0, 30.0)),
        made_predictions(long, 30, role="shift", signal=(30.0, 30.0)),
    ]
    for name in ("diversity", "overrides", "landscape", "classes", "effective_robustness", "flips"):
        rows = rows_of(tmp_path / name, name, sets)
        assert draw_analysis(name, rows, tmp_path / name, chosen=0.5)


def test_a_scatter_says_which_axis_is_class_matched_and_which_is_not(tmp_path: Path):
    sets = default_sets()[1:]
    known = np.where(sets[2].labels < 2, sets[2].labels, -1).astype(np.int32)
    sets[2] = dataclasses.replace(sets[2], labels=known)
    matched = made_predictions("some", 30, role="matched_reference")
    directory = write_matched_run(tmp_path / "run", [*sets, matched], {"sketch": "some"})
    file = write_baselines(tmp_path / "b.csv", ["test", "some", "sketch", "night"])
    run, options = StoredRun.load(directory), AnalysisOptions(samples=50, baselines=file)
    figure = robustness_figure(analyse(run, "effective_robustness", options))
    found = {title(axes): axes.get_xlabel() for axes in figure.axes if axes.get_visible()}
    assert found == {"sketch": "accuracy on some (class-matched)", "night": "accuracy on test"}
    (footnote,) = [text.get_text() for text in figure.texts if "bars:" in text.get_text()]
    assert "not class-matched, so ρ counts that too: night has 2 of 4 classes" in " ".join(
        footnote.split()
    )
