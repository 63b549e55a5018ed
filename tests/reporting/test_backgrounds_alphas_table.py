"""The tables along alpha: cells, signs, and what captions must say."""

from __future__ import annotations

import io

import rich.console

from tests.reporting.alphas_facts import summary
from wiseft_jax.reporting.backgrounds_alphas_table import (
    alphas_markdown,
    alphas_tables,
    categories_cells,
    choices_caption,
    choices_cells,
    measures_caption,
    measures_cells,
    variants_cells,
)


def test_a_line_for_each_alpha_with_intervals_in_per_cent():
    facts = summary()
    heads, lines = measures_cells(facts)
    assert heads[:5] == ["alpha", "Original", "Mixed-Same", "Mixed-Rand", "BG-Gap"]
    assert [line[0] for line in lines] == ["0", "0.25", "0.5", "0.75", "1"]
    gap = facts["curves"]["test"]["gap"]
    low, high = 100 * gap["low"][4], 100 * gap["high"][4]
    assert lines[4][4] == f"{100 * gap['value'][4]:.1f} ({low:.1f}..{high:.1f})"


def test_what_was_not_measured_has_no_column():
    heads, _ = measures_cells(summary(parts=False))
    assert heads == ["alpha", "Original", "Mixed-Same", "Mixed-Rand", "BG-Gap"]
    assert variants_cells(summary())[0] == ["alpha", "Only-BG-T", "No-FG", "Mixed-Next"]
    assert categories_cells(summary())[0][1:] == ["BG irrelevant", "BG required", "BG fools"]


def test_choices_tell_gap_cost_and_intervals():
    heads, lines = choices_cells(summary())
    assert heads[:5] == ["chosen by", "alpha", "in resamples", "BG-Gap", "Original"]
    assert [line[2] for line in lines] == ["60 %", ""]
    assert lines[0] == [
        "BG-Gap nearest to 0",
        "0.25",
        "60 %",
        "4.0 (1.0..8.0)",
        "4.0 (1.0..8.0)",
        "-5.0 (-6.0..-4.0)",
        "-0.2 (-1.2..0.8)",
        "+3.0 (2.0..4.0)",
    ]


def test_captions_name_the_sample_the_bound_and_the_sets():
    text = measures_caption(summary())
    for part in ("n = 200 (demo test)", "2 pairings", "an upper bound", "of 40 originals"):
        assert part in text
    assert "challenge" not in measures_caption(summary(parts=False))
    assert "chosen on 100 validation images, reported on 200" in choices_caption(summary())
    assert "no alpha is chosen" in choices_caption(summary(chosen=False))


def test_an_unknown_value_is_said():
    facts = summary()
    facts["curves"]["test"]["energy/true"]["value"][0] = None
    assert measures_cells(facts)[1][0][-2] == "none"


def test_markdown_and_terminal_have_the_same_lines():
    text = alphas_markdown(summary())
    console = rich.console.Console(file=io.StringIO(), width=400)
    console.print(alphas_tables(summary()))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    for _, lines in (measures_cells(summary()), choices_cells(summary())):
        for line in lines:
            assert f"| {' | '.join(line)} |" in text
            assert all(cell in printed for cell in line)
    assert text.count("\n| alpha |") == 3
    assert "## Alphas chosen\n\nNo alpha is chosen" in alphas_markdown(summary(chosen=False))
