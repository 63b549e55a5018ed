"""The picture of a study: every model is in it, and colours tell what they say."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.reporting.grid_facts import grid_facts
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.scatter import colour_field, draw_scatter, run_styles, scatter_figure
from wiseft_jax.reporting.style import STYLE


def made(facts: dict) -> Figure:
    with matplotlib.rc_context(STYLE):
        return scatter_figure(facts)


def test_every_model_its_path_and_its_chosen_alpha_are_drawn() -> None:
    facts = grid_facts()
    paths, columns = made(facts).axes
    lines = [(line.get_marker(), np.array(line.get_xydata())) for line in paths.lines]
    for run in facts["runs"]:
        points = np.array([run["reference"], run["shifts"]]).T
        drawn = [xy for _, xy in lines if xy.shape == points.shape]
        assert any(np.allclose(xy, points) for xy in drawn)
        ends = [xy for marker, xy in lines if marker not in ("None", "*")]
        assert any(np.allclose(xy, points[2:]) for xy in ends)
        stars = [xy for marker, xy in lines if marker == "*"]
        assert any(np.allclose(xy, points[[1 if run["chosen"] == 0.5 else 2]]) for xy in stars)
    heads = [label.get_text() for label in columns.get_xticklabels()]
    assert heads == [
        "fine-tuned\n(alpha 1)",
        "alpha 0.5",
        "chosen by\nvalidation best",
        "best\n(oracle)",
    ]
    spreads = [text.get_text() for text in columns.texts]
    values = [[run["shifts"][2] for run in facts["runs"]]]
    assert spreads[0] == f"±{100 * np.std(values, ddof=1):.1f}"
    assert len(spreads) == 4


def test_the_legend_names_the_learning_rates_in_order() -> None:
    legend = made(grid_facts()).axes[0].get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "learning rate"
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["1e-05", "0.0001", "0.001", "zero-shot", "chosen (validation best)"]


def test_colours_tell_the_learning_rate_or_what_differs_first() -> None:
    varied = [{"a": 1, "training.learning_rate": 1.0}, {"a": 2, "training.learning_rate": 2.0}]
    assert colour_field(["a", "training.learning_rate"], varied) == "training.learning_rate"
    same = [each | {"training.learning_rate": 1.0} for each in varied]
    assert colour_field(["b", "a", "training.learning_rate"], same) == "a"
    assert colour_field(["b"], varied) is None


def runs_with(values: list) -> list[dict]:
    return [{"varied": {"x": value}} for value in values]


def test_numbers_go_from_dark_to_pale_and_texts_have_names() -> None:
    styles, named = run_styles("x", runs_with([0.1, 10, 1, 0.1]))
    assert [*named] == ["0.1", "1", "10"]
    assert styles[0] == styles[3] == named["0.1"]
    light = [sum(matplotlib.colors.to_rgb(colour)) for colour, _ in named.values()]  # type: ignore[attr-defined]
    assert light == sorted(light)
    assert len({marker for _, marker in named.values()}) == 3
    _, named = run_styles("x", runs_with(["b", None, True, 2]))
    assert [*named] == ["2", "b", "none", "true"]


def test_many_numbers_fall_into_six_classes() -> None:
    values = [float(value) for value in range(1, 14)]
    styles, named = run_styles("x", runs_with(values))
    assert len(named) == 6
    assert next(iter(named)) == "1 to 3"
    assert [*named][-1] == "12 to 13"
    order = [list(named.values()).index(style) for style in styles]
    assert order == sorted(order)


def test_one_value_needs_no_legend_of_colours() -> None:
    styles, named = run_styles(None, runs_with([1, 2]))
    assert named == {}
    assert styles[0] == styles[1]


def test_without_shifts_the_reference_is_shown_alone() -> None:
    (axes,) = made(grid_facts(shifts=0)).axes
    assert axes.get_ylabel() == "accuracy on test|1"
    facts = grid_facts(shifts=0)
    facts["study"]["reference"] = None
    with pytest.raises(InputError, match="neither a reference set nor a shift"):
        made(facts)


def test_a_single_run_and_perfect_accuracies_can_be_drawn() -> None:
    facts = grid_facts(runs=1)
    facts["runs"][0]["reference"] = [0.0, 1.0, 1.0]
    facts["study"]["failed"] = [{"run": "r", "varied": {}, "reason": "x"}]
    figure = made(facts)
    assert len(figure.axes[1].texts) == 0  # one run has no spread
    assert "left out, diverged: 1" in str(figure._supxlabel.get_text())  # type: ignore[attr-defined]


def test_files_are_the_same_every_time(tmp_path: Path) -> None:
    first = draw_scatter(grid_facts(), tmp_path / "a.png")
    assert [path.name for path in first] == ["a.png", "a.svg"]
    again = draw_scatter(grid_facts(), tmp_path / "b.png")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
