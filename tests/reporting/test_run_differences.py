"""What differs between two runs, as cells."""

from __future__ import annotations

import dataclasses

from wiseft_jax.core.run_differences import Difference
from wiseft_jax.evaluation.paired_runs import PairedRow
from wiseft_jax.reporting.run_differences import PAIRED_HEADS, difference_cells, paired_cells

ROW = PairedRow(
    "s", "test", "shift", "chosen", (0.5, 0.25), 40, (0.5, 0.75), 0.25, -0.0001, 0.4, 0.0004, 0.02
)


def test_values_are_shown_as_they_are_and_cut():
    found = difference_cells([Difference("a", None, "x" * 100), Difference("b", [1], "(y)")])
    assert found == [["a", "None", "x" * 57 + "..."], ["b", "[1]", "(y)"]]


def test_pairs():
    plain = dataclasses.asdict(ROW)
    mean = {**plain, "at": "fine_tuned", "p_value": None, "p_holm": None, "split": "validation"}
    first, second = paired_cells([plain, mean])
    assert first == [
        "chosen (0.5 and 0.25)", "s", "shift", "40", "50.0", "75.0", "+25.0 [+0.0, +40.0]",
        "p < .001", "p = 0.02",
    ]  # fmt: skip
    assert (second[0], second[2], second[-2:]) == ("fine-tuned", "validation", ["-", "-"])
    assert len(first) == len(PAIRED_HEADS)
    same = paired_cells([{**plain, "alphas": (0.5, 0.5)}])
    assert same[0][0] == "chosen (0.5)"
