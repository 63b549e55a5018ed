"""How the accuracies of the chosen alpha are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.reporting.rows import set_rows
from wiseft_jax.reporting.chosen import Chosen
from wiseft_jax.reporting.series import Curves

ROWS = set_rows("photos", [0.8, 0.9]) + set_rows("sketches", [0.6, 0.5], role="shift")
COARSE = Curves.of(ROWS)
DENSE = Curves.of(
    set_rows("photos", [0.8, 0.9, 0.9]) + set_rows("sketches", [0.6, 0.7, 0.5], role="shift")
)


def test_what_was_run_is_taken_as_it_is():
    mark = Chosen.of(1.0, COARSE, DENSE, ROWS)
    assert (mark.how, mark.face) == ("", "white")
    assert COARSE.reference is not None
    assert mark.reference == COARSE.reference.points[1.0]


def test_an_exact_curve_is_as_good_as_run_and_one_with_a_band_is_read_off():
    for high, how in ((0.9, ""), (0.91, " (read off the curve)")):
        rows: Any = [{**row, "method": "curve", "band_low": 0.9, "band_high": high} for row in ROWS]
        assert Chosen.of(1.0, COARSE, DENSE, rows).how == how


def test_between_two_points_the_curve_is_straight():
    mark = Chosen.of(0.25, COARSE, DENSE, ROWS)
    assert mark.how == " (read off the curve)"
    assert mark.face != "white"
    assert mark.reference is not None
    assert mark.mean is not None
    assert mark.reference.value == pytest.approx(0.85)
    assert mark.mean.value == pytest.approx(0.65)
    assert np.isfinite([mark.mean.low, mark.mean.high]).all()


@pytest.mark.parametrize(("alpha", "dense"), [(0.25, None), (1.5, DENSE), (-0.5, DENSE)])
def test_what_nobody_knows_has_no_accuracy(alpha: float, dense: Curves | None):
    mark = Chosen.of(alpha, COARSE, dense, ROWS)
    assert (mark.how, mark.reference, mark.mean) == (" (not run)", None, None)
