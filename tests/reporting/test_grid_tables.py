"""Tables and sentences of a study of hyper-parameters."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from tests.reporting.grid_facts import grid_facts
from wiseft_jax.reporting.grid_tables import (
    best_sentences,
    failed_sentences,
    grid_markdown,
    grid_sentences,
    missing_sentences,
    rules_cells,
    rules_table,
    runs_cells,
    spread_cells,
    spread_table,
)


def printed(table: Any, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_spreads_are_in_points_with_their_ratio() -> None:
    header, lines = spread_cells(grid_facts())
    assert header[1] == ("test|1", "ref.", "50")
    assert [line[0] for line in lines] == [
        "fine-tuned (alpha 1)",
        "alpha 0.5",
        "chosen by validation_best",
        "best (oracle)",
    ]
    assert lines[0][1] == "80.0 +- 4.0\n70.0..85.0"
    assert lines[1][1] == "90.0 +- 1.0\n80.0..95.0\nx0.25 (0.12..0.50)"


def test_a_rule_that_always_chooses_a_half_has_no_line_of_its_own() -> None:
    _, lines = spread_cells(grid_facts(rule_name="constant"))
    assert [line[0] for line in lines] == ["fine-tuned (alpha 1)", "alpha 0.5", "best (oracle)"]


def test_tables_fit_a_terminal_and_names_are_no_markup() -> None:
    facts = grid_facts()
    for width in (80, 160):
        text = printed(spread_table(facts, width), width)
        assert "[red]" in text
        assert "3 fine-tuned models of tiny" in text
        assert max(map(len, text.splitlines())) <= width
        text = printed(rules_table(facts, width), width)
        assert "3 runs x 2 shifts" in text
        assert max(map(len, text.splitlines())) <= width


def test_rules_are_in_points_with_both_intervals() -> None:
    header, lines = rules_cells(grid_facts())
    assert len({len(line) for line in (header, *lines)}) == 1
    rows = {line[0]: line[1:] for line in lines}
    assert rows["constant"] == [
        "0.50",
        "1.25",
        "0.25..2.25",
        "0.75..1.75",
        "0.00",
        "-",
        "-0.20..0.20",
    ]
    assert rows["validation_best"][1] == "2.50*"
    assert rows["oracle (bound)"][1] == "0.00"  # of which in-sample goes without saying
    assert rows["dawin"] == ["-"] * 7
    assert rows["dawin_on_grid"][0] == "by image"
    assert "fixed by other shifts" in rows
    assert missing_sentences(grid_facts()) == [
        "dawin: missing: the two models (--dawin, with --resume for a finished study, runs them)"
    ]


def test_sentences_say_what_is_left_of_the_scatter() -> None:
    lines = grid_sentences(grid_facts())
    assert [line.partition(":")[0] for line in lines] == ["test|1", "mean of shifts"]
    assert lines[1] == (
        "mean of shifts: fine-tuned models scatter over 15.0 points (standard deviation 4.00);"
        " at the chosen alpha over 15.0 (2.00), 0.50 times that (0.25..1.00)"
    )
    assert (
        "; at alpha 0.5 over 15.0 (1.00), 0.25"
        in grid_sentences(grid_facts(rule_name="constant"))[1]
    )
    assert grid_sentences(grid_facts(shifts=1))[1].startswith("[red]: ")


def test_the_best_on_validation_is_told_with_what_it_gives() -> None:
    assert best_sentences(grid_facts(runs=2)) == [
        "best on the validation set, fine-tuned: run 0 (epochs 1, learning_rate 1e-05):"
        " test|1 94.0 %, mean of shifts 80.0 %",
        "best on the validation set, merged at 0.5: run 1 (epochs 1, learning_rate 0.0001):"
        " test|1 94.0 %, mean of shifts 80.0 %",
    ]
    assert best_sentences({**grid_facts(), "best": {}}) == []


def test_runs_that_diverged_are_told() -> None:
    facts = grid_facts()
    assert failed_sentences(facts) == []
    facts["study"]["failed"] = [{"run": "runs/009-b", "varied": {}, "reason": "NaN in step 3"}]
    assert failed_sentences(facts) == ["runs/009-b is left out: NaN in step 3"]
    assert "1 diverged, and are in no number" in grid_markdown(facts, "grid.png")


def test_the_page_has_tables_picture_and_command() -> None:
    page = grid_markdown(grid_facts(), "grid.png")
    assert "](grid.png)" in page
    assert "    wiseft study grid tiny\n" in page
    assert r"test\|1 (ref., n=50)" in page
    for block in page.split("\n\n"):
        if block.startswith("|"):
            lines = [line.replace(r"\|", "") for line in block.splitlines()]
            assert len({line.count("|") for line in lines}) == 1
    header, lines = runs_cells(grid_facts())
    assert header[1:4] == ["epochs", "learning_rate", "chosen"]
    assert lines[1][:4] == ["1", "1", "0.0001", "0.5"]
    assert lines[1][4:] == ["50.0", "90.0", "94.0", "60.0", "80.4", "67.0"]


def test_without_shifts_there_are_no_rules() -> None:
    facts = grid_facts(shifts=0)
    page = grid_markdown(facts, "grid.png")
    assert "Rules for alpha" not in page
    assert missing_sentences(facts) == []
    assert [line.partition(":")[0] for line in grid_sentences(facts)] == ["test|1"]
