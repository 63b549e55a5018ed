"""Tables and contact sheet of an attack, from a summary written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.backgrounds_attack import (
    attack_lines,
    attack_markdown,
    duration_text,
    share_text,
    sheet_layout,
    strongest_figure,
)


def share(value: float | None, n: int = 10) -> dict:
    if value is None:
        return {"value": None, "hits": 0, "n": 0, "low": None, "high": None}
    return {"value": value, "hits": round(value * n), "n": n, "low": value / 2, "high": value}


def summary_of(**changes: object) -> dict:
    made = {
        "model": {"name": "m", "protocol": "3 classes", "weights": "somewhere (hash 12ab)"},
        "foregrounds": {"n": 10, "of": 20, "rejected": ["a|b: its mask is empty"]},
        "backgrounds": {"n": 8, "of": 8},
        "sampled_backgrounds": False,
        "early_exit": False,
        "challenge_accuracy": share(0.25),
        "paper_fooled_rate": share(0.5),
        "per_class": [
            {
                "class": "00_a|b",
                "challenge_accuracy": share(0.25),
                "paper_fooled_rate": share(None),
                "backgrounds": 4,
                "mean_success": 0.125,
                "best_success": None,
            }
        ],
        "by_backgrounds": [{"backgrounds": 1, "challenge_accuracy": 0.5}],
        "strongest": [
            {"class": name, "id": f"{name}/{k}", "column": k, **share(0.3, 7), "becomes": ["c"]}
            for name, count in (("00_a|b", 3), ("01_c", 1))
            for k in range(count)
        ],
        "timing": {
            "pairs": 80,
            "secs": 2.0,
            "compile_secs": 1.0,
            "pairs_per_sec": 40.0,
            "full_pairs": 160,
            "full_secs": 4.0,
            "official_pairs": 16402500,
            "official_secs": 410062.5,
        },
    }
    return made | changes


def test_both_definitions_are_named_with_their_intervals():
    text = "\n".join(attack_lines(summary_of()))
    assert "challenge accuracy (no background breaks them): 25.0 [12.5, 25.0] %" in text
    assert "makes the answer its own): 50.0 [25.0, 50.0] %" in text
    assert "bound" not in text
    assert "3 classes; weights somewhere (hash 12ab)" in text
    assert "1 foregrounds were left out: a|b: its mask is empty" in text
    assert "take 4.0 s, the 16,402,500 of the published set 4.7 days" in text


def test_bounds_are_said():
    text = "\n".join(attack_lines(summary_of(sampled_backgrounds=True, early_exit=True)))
    assert "an upper bound, as backgrounds were sampled" in text
    assert "a lower bound, as backgrounds were sampled and rows ended at their first" in text


def test_cells_of_markdown_are_escaped():
    text = attack_markdown(summary_of())
    assert "| 00_a\\|b | 10 | 25.0 [12.5, 25.0] | - | 4 | 12.5 | - |" in text
    assert "| 00_a\\|b/0 | 00_a\\|b | 30.0 [15.0, 30.0] | 7 | c |" in text
    assert "| accuracy, % | 50.0 |" in text


def test_a_line_of_pictures_for_each_class():
    pictures = [np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30, 40)]
    figure = strongest_figure(summary_of(), pictures)
    shown = [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes if axes.images]
    assert shown == [10, 20, 30, 40]
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["a|b", "c"]
    with pytest.raises(InputError, match="no rates of backgrounds"):
        strongest_figure(summary_of(strongest=[]), [])


def test_the_contact_sheet_fits_a_page():
    for rows, columns in ((9, 5), (10, 5), (2, 1), (20, 5), (1, 5)):
        across, (width, height) = sheet_layout(rows, columns)
        assert across <= rows
        assert max(width, height) <= 10.2 + 1e-9
        assert min(width, height) <= 7.5 + 1e-9
        assert 0.3 < width / height < 7
    across, (width, _) = sheet_layout(1000, 5)  # no page has room
    assert across > 1
    assert width <= 7.5


@pytest.mark.parametrize(
    ("secs", "text"), [(1.5, "1.5 s"), (119, "119.0 s"), (120, "2.0 minutes"), (7200, "2.0 hours")]
)
def test_durations(secs: float, text: str):
    assert duration_text(secs) == text


def test_nothing_has_no_share():
    assert share_text(share(None)) == "-"
