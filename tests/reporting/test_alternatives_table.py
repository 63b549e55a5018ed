"""WiSE-FT and its alternatives in a table and in sentences."""

from __future__ import annotations

from tests.reporting.alternatives_facts import POINTS, alternatives_facts
from wiseft_jax.reporting.alternatives_table import (
    alternatives_caption,
    alternatives_cells,
    alternatives_markdown,
    alternatives_sentences,
)


def test_each_point_is_a_line_in_percent_with_intervals():
    heads, lines = alternatives_cells(alternatives_facts())
    assert len(lines) == len(POINTS)
    assert {len(line) for line in lines} == {len(heads)}
    assert lines[1][1:] == ["alpha 0.5", "87.5", "68.8", "+17.5 [-1.0, +3.0]",
                            "-1.2 [-1.0, +3.0]", "none"]  # fmt: skip
    bernoulli = lines[6]
    assert bernoulli[0] == "random interpolation"
    assert bernoulli[3] == "61.0 (sd 0.4)"
    assert bernoulli[-1] == "0.5"
    assert lines[8][0] == ""  # of the method above


def test_the_caption_says_n_samples_draws_and_what_intervals_dont_hold():
    caption = alternatives_caption(alternatives_facts())
    for text in ("n = 1000", "n = 500 to 700", "2000 samples", "mean of 3 draws", "training seeds"):
        assert text in caption


def test_sentences_compare_the_best_and_say_what_diverged():
    facts = alternatives_facts()
    facts["study"]["failed"] = [{"method": "l2_to_theta_0", "value": 9.0, "reason": "x"}]
    sentences = alternatives_sentences(facts)
    assert sentences[0].startswith("Best under shift, chosen on the shifts (an oracle): WiSE-FT at")
    assert "L2 to zero-shot, strength 0.1: 66.0 % on the shifts (-2.7 points" in sentences[2]
    assert sentences[-1] == "L2 to zero-shot 9 diverged and is left out."


def test_the_page_holds_chart_table_and_command():
    page = alternatives_markdown(alternatives_facts(), "alternatives.png")
    assert "](alternatives.png)" in page
    assert "| WiSE-FT | alpha 0 | 80.0 |" in page
    assert "    wiseft study alternatives\n" in page
