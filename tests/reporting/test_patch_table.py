"""The patch study's tables: signs, intervals, and what is compared with what."""

from __future__ import annotations

import io

import rich.console

from tests.reporting.patch_facts import summary
from wiseft_jax.reporting.patch_table import (
    differences_cells,
    measures_caption,
    measures_cells,
    patch_markdown,
    patch_tables,
)


def test_means_have_the_half_width_of_their_interval():
    heads, lines = measures_cells(summary())
    assert heads == ["model", "clean", "shifts", "corruptions", "drop", "flips", "energy"]
    assert len(lines) == 8
    assert lines[3] == ["ResNet, SmoothMix", *["80.0 ± 2.0"] * 6]
    assert measures_cells(summary(seeds=1))[1][0] == ["ResNet, none", *["50.0"] * 6]


def test_differences_turn_round_where_the_other_one_came_later():
    heads, lines = differences_cells(summary(), "cutout")
    assert [line[0] for line in lines[:3]] == [
        "ResNet, minus none",
        "ResNet, minus CutMix",
        "ResNet, minus SmoothMix",
    ]
    assert [line[1] for line in lines[:3]] == [
        "+1.0 (-1.0..5.0)",
        "-1.0 (-5.0..1.0)",
        "-2.0 (-5.0..1.0)",
    ]
    assert len(heads) == len(lines[0])


def test_the_caption_says_how_many_seeds_there_are():
    assert "Student's t) over 3 seeds" in measures_caption(summary())
    assert "no interval over seeds" in measures_caption(summary(seeds=1))
    assert "9.8 % of the image" in measures_caption(summary())


def test_both_tables_are_printed_and_written():
    console = rich.console.Console(width=400, file=io.StringIO())
    with console.capture() as capture:
        console.print(patch_tables(summary()))
    text = capture.get()
    assert "SmoothMix against the others" in text
    assert "CLIP, CutMix" in text
    markdown = patch_markdown(summary())
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 8 + 2 + 6
    assert len({row.count("|") for row in rows}) == 1
    alone = summary()
    alone["measures"] = [row for row in alone["measures"] if row["mixer"] == "none"]
    alone["differences"] = []
    assert "against the others" not in patch_markdown(alone)
