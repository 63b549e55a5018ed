"""The chart along alpha: every panel's lines and bands, and panels that weren't measured."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.reporting.alphas_facts import ALPHAS, summary
from wiseft_jax.reporting.backgrounds_alphas import alphas_figure, draw_alphas
from wiseft_jax.reporting.style import STYLE


def figure_of(**options: bool) -> Figure:
    with matplotlib.rc_context(STYLE):
        return alphas_figure(summary(**options))


def test_each_panel_has_its_measures_with_bands():
    figure, curves = figure_of(), summary()["curves"]["test"]
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    expected = {
        "Accuracy": ["accuracy/original", "accuracy/mixed_same", "accuracy/mixed_rand"],
        "BG-Gap: Mixed-Same minus Mixed-Rand": ["gap"],
        "The challenge: each foreground on many backgrounds": [
            "challenge_of/1",
            "challenge_of/5",
            "challenge_accuracy",
            "paper_fooled_rate",
        ],
        "Where it looks: energy of Grad-CAM on the object": ["energy/true", "energy/predicted"],
    }
    assert panels.keys() == expected.keys()
    for title, names in expected.items():
        drawn = [
            np.asarray(line.get_ydata()).tolist()
            for line in panels[title].lines
            if line.get_marker() not in ("None", None)
        ]
        assert drawn == [curves[name]["value"] for name in names]
        assert len(panels[title].collections) == len(names)


def test_the_chosen_alpha_is_marked_where_one_was_chosen():
    for chosen in (True, False):
        gap = figure_of(chosen=chosen).axes[1]
        upright = [line for line in gap.lines if np.array_equal(line.get_xdata(), [0.25, 0.25])]
        assert len(upright) == chosen
        assert any("α = 0.25" in text.get_text() for text in gap.texts) == chosen


def test_parts_that_were_not_measured_have_no_panel():
    figure = figure_of(parts=False)
    assert len(figure.axes) == 2
    assert "challenge" not in figure.get_supxlabel()


def test_ends_are_labelled_inside_of_the_panel_and_ticks_stop_at_one():
    axes = figure_of().axes[2]
    assert axes.get_xticks()[-1] == pytest.approx(1)
    assert axes.get_xlim()[1] > max(ALPHAS) + 0.4
    assert [text.get_text().split(":")[0] for text in axes.texts] == [
        "right on 1 drawn",
        "right on 5 drawn",
        "right on all 20",
        "turned to a background's\nclass (paper)",
    ]


def test_the_footnote_says_that_a_sample_is_an_upper_bound():
    note = figure_of().get_supxlabel()
    assert "50 of 200 foregrounds on 20 of 200 backgrounds, an upper bound" in note


def test_what_is_not_known_leaves_a_gap(tmp_path: Path):
    facts = summary()
    for key in ("value", "low", "high"):
        facts["curves"]["test"]["energy/true"][key][2] = None
    paths = draw_alphas(facts, tmp_path / "alphas.png")
    assert [path.name for path in paths] == ["alphas.png", "alphas.svg"]
    assert all(path.stat().st_size > 10_000 for path in paths)
