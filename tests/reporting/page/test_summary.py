"""The summary in plain words."""

from __future__ import annotations

import pytest

from wiseft_jax.reporting.page.lines import Against, Kind, Line
from wiseft_jax.reporting.page.summary import points, summary_of


def line(name: str, kind: Kind, values: list[float], p_value: float = 0.0004) -> Line:
    differences = [value - values[0] for value in values]
    against = Against(
        0.0,
        differences,
        [each - 0.01 for each in differences],
        [each + 0.01 for each in differences],
        [0] * 3,
        [0] * 3,
        [1.0, p_value, p_value] if kind != "mean" else [],
    )
    return Line(
        name, kind, "test", 100, [0.0, 0.5, 1.0], values,
        [value - 0.02 for value in values], [value + 0.02 for value in values], [against],
    )  # fmt: skip


REFERENCE = line("prints", "reference", [0.9, 0.95, 0.96])
SHIFTS = [line("fog", "shift", [0.8, 0.85, 0.7]), line("rain", "shift", [0.6, 0.58, 0.5], 0.2)]
MEAN = line("mean of shifts", "mean", [0.7, 0.715, 0.6])
SELECTION = {"alpha": 0.5, "reason": "the paper's default.", "held_out": True}


def test_what_it_gains_and_costs_and_how_sure_that_is():
    choice, why, reference, shift, cost = summary_of([REFERENCE, MEAN, *SHIFTS], SELECTION)
    assert choice == (
        "Ship alpha = 0.5: 50 % of the way from the zero-shot to the fine-tuned weights."
    )
    assert why == "Why: the paper's default."
    assert reference == (
        "On the reference: 95.0 % on prints (95 % interval 93.0 to 97.0). 5.0 points above the"
        " zero-shot model (95 % interval +4.0 to +6.0, p < .001: beyond chance)."
    )
    assert shift == (
        "Under shift: 71.5 % on the mean of 2 shifted sets (95 % interval 69.5 to 73.5). 1.5 points"
        " above the zero-shot model (95 % interval +0.5 to +2.5)."
    )
    assert cost == (
        "The cost: on rain, 2.0 points below the zero-shot model (95 % interval −3.0 to −1.0,"
        " p = 0.4 for the worst of 2: may be chance)."
    )


def test_a_single_shift_is_named():
    found = summary_of([REFERENCE, MEAN, SHIFTS[0]], SELECTION)
    assert found[-1].startswith("Under shift: 85.0 % on fog (")


def test_warnings_and_what_else_may_be_best():
    found = summary_of([REFERENCE], SELECTION | {"held_out": False}, (0.25, 0.5, 0.75))
    assert any(each.startswith("Take care: alpha was chosen on a set") for each in found)
    assert found[-1].startswith("3 alphas, from 0.25 to 0.75, may be the most accurate")


@pytest.mark.parametrize(("alpha", "said"), [(0.0, "zero-shot"), (1.0, "fine-tuned")])
def test_an_end_is_named(alpha: float, said: str):
    assert f"the {said} model as it is" in summary_of([REFERENCE], {"alpha": alpha})[0]


def test_what_was_not_measured_is_said():
    found = summary_of([REFERENCE], {"alpha": 0.3})
    assert found[-1] == "On the reference: prints wasn't measured at alpha = 0.3."


def test_points():
    assert [points(each) for each in (0.01, -0.052, 0.0)] == [
        "1.0 point",
        "5.2 points",
        "0.0 points",
    ]
