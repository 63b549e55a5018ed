"""Bars of the diversity of pairs."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
from matplotlib.patches import Rectangle

from tests.reporting.alternatives_facts import diversity_facts
from wiseft_jax.reporting.diversity_bars import diversity_figure, draw_diversity
from wiseft_jax.reporting.style import STYLE


def test_a_panel_for_each_measure_and_a_bar_for_each_group_and_set():
    with matplotlib.rc_context(STYLE):
        figure = diversity_figure(diversity_facts())
    assert len(figure.axes) == 3
    for axes in figure.axes:
        bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        heights = [bar.get_height() for bar in bars]
        assert heights == pytest.approx([0.2] * 4 + [0.05] * 4 + [0.03] * 4)
        assert [text.get_text() for text in axes.texts] == ["×4.0"] * 4
    names = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert names == ["test", "mean\nof\nshifts", "a\nlong\nname", "b"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["zero-shot / fine-tuned", "fine-tuned / fine-tuned",
                      "two linear probes on halves"]  # fmt: skip


def test_the_panel_of_cka_has_bars_of_what_is_measured():
    figure = diversity_figure(diversity_facts(cka=True))
    assert len(figure.axes) == 4
    last = figure.axes[-1]
    assert last.get_ylabel() == "CKA complement"
    heights = [bar.get_height() for bar in last.patches if isinstance(bar, Rectangle)]
    assert heights == pytest.approx([0.2] * 4 + [0.05] * 4)
    assert [text.get_text() for text in last.texts] == ["×4.0"] * 4


def test_it_is_written_twice_alike_without_probes_and_logits(tmp_path: Path):
    facts = diversity_facts(probes=0, logits=False)
    paths = draw_diversity(facts, tmp_path / "diversity.png")
    assert [path.name for path in paths] == ["diversity.png", "diversity.svg"]
    first = paths[1].read_bytes()
    assert draw_diversity(facts, tmp_path / "diversity.png")[1].read_bytes() == first
