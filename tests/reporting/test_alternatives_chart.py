"""The chart of WiSE-FT and its alternatives."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

from tests.reporting.alternatives_facts import POINTS, TITLES, alternatives_facts
from wiseft_jax.reporting import alternatives_chart
from wiseft_jax.reporting.alternatives_chart import alternatives_figure, draw_alternatives
from wiseft_jax.reporting.style import STYLE
from wiseft_jax.studies.alternatives_config import METHODS


def test_each_method_is_a_line_through_its_points_with_a_name():
    with matplotlib.rc_context(STYLE):
        figure = alternatives_figure(alternatives_facts())
    (axes,) = figure.axes
    drawn = [np.column_stack(line.get_data()).tolist() for line in axes.lines]
    for method in TITLES:
        assert [[x, y] for name, _, x, y in POINTS if name == method] in drawn
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [
        "WiSE-FT", "ensemble of logits", "random interpolation\nalpha 0.5",
        "early stopping\nsteps 20 to 40", "L2 to zero-shot\nstrength 0.1",
    ]  # fmt: skip
    named = {text.get_text() for text in axes.texts}
    assert named == {"zero-shot, α = 0", "α = 0.5", "fine-tuned, α = 1"}
    assert axes.get_xlabel() == "accuracy on test (reference)"


def test_every_method_has_a_style_and_there_are_eight_colours_at_most():
    styles = alternatives_chart.STYLES
    assert [*styles] == [*METHODS]
    assert len({style.colour for style in styles.values()}) == 8
    assert len({(style.colour, str(style.dashes)) for style in styles.values()}) == len(styles)
    assert len({style.marker for style in styles.values()}) == len(styles)


def test_accuracies_of_0_and_1_can_be_drawn(tmp_path: Path):
    facts = alternatives_facts()
    facts["points"][0]["reference"]["value"] = 1.0
    facts["points"][0]["shifts"]["value"] = 0.0
    paths = draw_alternatives(facts, tmp_path / "alternatives.png")
    assert [path.name for path in paths] == ["alternatives.png", "alternatives.svg"]
    assert all(path.stat().st_size > 10_000 for path in paths)
    first = paths[1].read_bytes()
    assert draw_alternatives(facts, tmp_path / "alternatives.png")[1].read_bytes() == first
