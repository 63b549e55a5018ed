"""The matrix in tables and as a heat map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.backgrounds_matrix import (
    draw_matrix,
    joined_counts,
    matrix_cells,
    matrix_figure,
    matrix_markdown,
)
from wiseft_jax.reporting.style import STYLE

TESTS = ("original", "mixed_same", "mixed_rand")
TRAINED = ("start", "original", "only_bg_t", "in9l")


def matrix(families: tuple[str, ...] = ("clip",), seeds: int = 3) -> dict[str, Any]:
    """Return a matrix whose every number says where it is: line 1, column 2 is 12 %."""
    cells, gaps = [], []
    for family in families:
        for row, name in enumerate(TRAINED):
            over = "seeds" if seeds > 1 and name != "start" else "images"
            of = {"family": family, "train_on": name, "over": over, "seeds": seeds}
            for column, test in enumerate(TESTS):
                mean = (10 * row + column) / 100
                ends = {"mean": mean, "low": mean - 0.015, "high": mean + 0.015, "n": 500}
                cells.append({**of, "test_on": test, **ends})
            gaps.append({**of, "mean": -0.01, "low": None, "high": None})
    return {
        "train_on": list(TRAINED),
        "test_on": list(TESTS),
        "seeds": seeds,
        "epochs": 2.0,
        "chance": 0.1,
        "n": dict.fromkeys(TESTS, 500),
        "n_train": {"original": 3500, "only_bg_t": 3500, "in9l": 9000},
        "weights": dict.fromkeys(families, "some weights"),
        "cells": cells,
        "gaps": gaps,
        "costs": [
            {
                "family": family,
                "train_on": "only_bg_t",
                "mean": 0.024,
                "low": 0.009,
                "high": 0.039,
                "over": "images",
            }
            for family in families
        ],
    }


def test_every_cell_is_in_its_place():
    heads, lines = matrix_cells(matrix(), "clip")
    assert heads == ["trained on", "Original", "Mixed-Same", "Mixed-Rand", "BG-Gap"]
    assert [line[0] for line in lines] == ["zero-shot", "Original", "Only-BG-T", "IN-9L"]
    assert lines[0][2] == "1.0 (-0.5..2.5)"
    assert lines[2][1:] == ["20.0 ± 1.5", "21.0 ± 1.5", "22.0 ± 1.5", "-1.0"]


def test_markdown_says_n_intervals_and_weights():
    text = matrix_markdown(matrix(("resnet", "clip")))
    assert text.count("| Only-BG-T | 20.0 ± 1.5 |") == 2
    assert (
        "- cost on Original of CLIP trained on Only-BG-T in place of Original: 2.4 (0.9..3.9)"
        in text
    )
    assert "| not trained here |" in text
    for words in (
        "over 3 seeds",
        "Clopper-Pearson",
        "n = 500 to test on",
        "3,500 (Original), 3,500 (Only-BG-T), 9,000 (IN-9L) to train on",
        "chance 10.0 %",
        "weights: some weights",
    ):
        assert words in text
    assert "Student" not in matrix_markdown(matrix(seeds=1))


def test_counts_that_are_equal_are_said_once():
    assert joined_counts({"original": 1000, "no_fg": 1000}) == "1,000"
    assert joined_counts({"original": 1000, "no_fg": 999}) == "1,000 (Original), 999 (No-FG)"


def test_the_heat_map_has_a_panel_a_family_and_every_number(tmp_path: Path):
    with matplotlib.rc_context(STYLE):
        figure = matrix_figure(matrix(("resnet", "clip")))
    assert len(figure.axes) == 2
    for axes in figure.axes:
        texts = [text.get_text() for text in axes.texts]
        numbers = [f"{10 * row + column}.0" for row in range(4) for column in range(3)]
        assert texts == [*numbers, *["-1.0"] * 4]
        bold = [text.get_text() for text in axes.texts if text.get_weight() == "bold"]
        assert bold == ["10.0"]  # trained and tested on Original
        image = axes.images[0].get_array()
        assert image is not None
        assert image.tolist()[3] == pytest.approx([0.3, 0.31, 0.32])
    paths = draw_matrix(matrix(), tmp_path / "matrix.png")
    assert [path.name for path in paths] == ["matrix.png", "matrix.svg"]
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_without_both_mixed_sets_there_is_no_gap_column():
    facts = matrix() | {"gaps": []}
    assert matrix_cells(facts, "clip")[0][-1] == "Mixed-Rand"
    with matplotlib.rc_context(STYLE):
        assert len(matrix_figure(facts).axes[0].texts) == 12


def test_an_empty_matrix_is_refused():
    with pytest.raises(InputError, match="no model was trained"):
        matrix_figure(matrix() | {"cells": []})
