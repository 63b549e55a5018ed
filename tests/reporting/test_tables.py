"""The table in the terminal and in Markdown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.reporting.rows import chosen, set_rows, sweep_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.tables import (
    accuracy_table,
    alpha_name,
    alphas_of_interest,
    markdown_table,
)


def printed(rows, width=80, **options) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(accuracy_table(rows, **options))
    return console.file.getvalue()


def test_terminal_table_has_sets_alphas_and_percentages():
    text = printed(sweep_rows(), selection=chosen(0.4), title="digits")
    lines = [line.split() for line in text.splitlines()]
    assert ["0.4", "*", "95.0", "81.5", "83.0", "75.5", "86.0", "95.4"] in lines
    assert ["n", "1000", "1000", "1000", "1000", "500"] in lines
    assert "digits" in text
    assert "*: chosen" in text
    assert max(map(len, text.splitlines())) <= 80


def test_nine_sets_fit_eighty_columns_without_breaking_words():
    rows = sweep_rows()
    for name in ("noisy", "rotated", "font digits"):
        rows += set_rows(name, [0.5] * 11, role="shift")
    text = printed(rows)
    for word in ("coloured", "inverted", "optical", "rotated", "noisy", "font"):
        assert word in text
    assert "…" not in text


def test_nothing_chosen_has_no_star():
    assert "*" not in printed(sweep_rows())


def test_intervals():
    row = next(row for row in sweep_rows() if row["dataset"] == "mnist" and row["alpha"] == 0.4)
    low, high = (f"{100 * row[name]:.1f}" for name in ("ci_low", "ci_high"))
    assert f"{low}-" in printed(sweep_rows(), intervals=True)
    assert f"95.0 [{low}, {high}]" in markdown_table(sweep_rows(), intervals=True)


def test_names_are_text_not_markup():
    rows = set_rows("[red]a|b", [0.5])
    assert "[red]a|b" in printed(rows)
    assert r"[red]a\|b (reference, n=1000)" in markdown_table(rows)


def test_markdown_twin():
    lines = markdown_table(sweep_rows(), selection=chosen(0.4)).splitlines()
    assert lines[0].startswith("| alpha | mnist (reference, n=1000) | mean of shifts (3 sets) |")
    assert lines[0].endswith("| mnist-val (validation, n=500) |")
    assert lines[2].startswith("| 0 zero-shot | 79.0 |")
    assert lines[6].startswith("| **0.4 chosen** | **95.0** | **81.5** |")
    assert lines[-1].startswith("| 1 fine-tuned | 95.8 |")
    assert len({line.count("|") for line in lines}) == 1


def test_missing_values_are_dashes():
    rows = set_rows("a", [0.5, 0.6]) + set_rows("b", [0.7], role="shift", alphas=[1.0])
    assert "| 0 zero-shot | 50.0 | - |" in markdown_table(rows)


def test_alphas_of_interest():
    grid = [round(i / 20, 6) for i in range(21)]
    assert alphas_of_interest(grid[:11]) == grid[:11]
    assert alphas_of_interest(grid, 0.45) == sorted({*[round(i / 10, 6) for i in range(11)], 0.45})
    fine = [i / 1000 for i in range(1001)]
    kept = alphas_of_interest(fine, 0.123)
    assert {0.0, 0.123, 0.5, 1.0} <= set(kept)
    assert len(kept) <= 13
    odd = [0.03 * i + 0.011 for i in range(30)]
    assert alphas_of_interest(odd, odd[7]) == [odd[0], odd[7], odd[-1]]
    wide = [i / 10 for i in range(-20, 31)]
    assert len(alphas_of_interest(wide)) <= 16


@pytest.mark.parametrize(
    ("alpha", "is_chosen", "name"),
    [(0, False, "0 zero-shot"), (1, True, "1 fine-tuned, chosen"), (0.35, False, "0.35")],
)
def test_alpha_names(alpha, is_chosen, name):
    assert alpha_name(alpha, is_chosen) == name


def test_no_rows():
    with pytest.raises(InputError, match="no top-1 rows"):
        accuracy_table([])


def test_bands_are_printed_where_they_are_wider_than_a_tenth_of_a_point():
    rows = set_rows("a", [0.5, 0.6]) + set_rows("b", [0.7, 0.8], role="shift")
    rows += set_rows("c", [0.7, 0.8], role="shift")
    rows[0] |= {"method": "curve", "band_low": 0.49, "band_high": 0.512}
    rows[1] |= {"method": "curve", "band_low": 0.6, "band_high": 0.6002}
    rows[3] |= {"method": "curve", "band_low": 0.78, "band_high": 0.8}
    text = markdown_table(rows)
    assert "| 50.0 (49.0 to 51.2) | 70.0 | 70.0 | 70.0 |" in text
    assert "| 60.0 | 80.0 (79.0 to 80.0) | 80.0 (78.0 to 80.0) | 80.0 |" in text
    terminal = printed(rows)
    assert "(49.0-" in terminal
    assert "51.2)" in terminal
    assert "what is uncertain counted as wrong, as right" in " ".join(terminal.split())
    assert "uncertain" not in printed(set_rows("a", [0.5, 0.6]))


def test_a_matched_reference_is_called_so():
    rows = sweep_rows() + set_rows("some", [0.5, 0.6], role="matched_reference", n=9)
    assert "some (matched reference, n=9)" in markdown_table(rows)
    words = printed(rows, 200).split()
    assert words[words.index("matched") + 1] == "ref."
