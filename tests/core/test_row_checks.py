from __future__ import annotations

import math
from typing import Any

import pytest

from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.results import accuracy_row
from wiseft_jax.core.row_checks import problem_of


def changed(**fields: Any) -> dict[str, Any]:
    made = accuracy_row(
        Accuracy(3, 4), dataset="a", split="test", role="shift", alpha=0.5, config_hash="x"
    )
    return {**made, **fields}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"value": 1, "ci_high": 1},
        {"alpha": 1.5},
        {"alpha": -1},
        {"method": "curve", "band_low": 0.75, "band_high": 0.75},
        {"value": 0.75, "ci_low": 0.75 + 1e-12},
        {"metric": "macro_f1", "value": 0.1},
    ],
)
def test_what_can_be_is_let_through(fields: dict[str, Any]):
    assert problem_of(changed(**fields)) is None


@pytest.mark.parametrize("hits", [0, 1, 4])
def test_exact_intervals_hold_their_value(hits: int):
    made = accuracy_row(
        Accuracy(hits, 4), dataset="a", split="test", role="shift", alpha=0.0, config_hash=""
    )
    assert problem_of(made) is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"value": 1.7}, "value: expected a number in [0, 1], found 1.7"),
        ({"value": "abc"}, "value: expected a number in [0, 1], found 'abc'"),
        ({"value": None}, "value: expected a number in [0, 1], found None"),
        ({"value": True}, "value: expected a number in [0, 1], found True"),
        ({"value": math.nan}, "value: expected a number in [0, 1], found nan"),
        ({"ci_low": None}, "ci_low: expected a number in [0, 1], found None"),
        ({"band_high": 2}, "band_high: expected a number in [0, 1], found 2"),
        ({"n": -5}, "n: expected a whole number of at least 1, found -5"),
        ({"n": 0}, "n: expected a whole number of at least 1, found 0"),
        ({"n": 4.0}, "n: expected a whole number of at least 1, found 4.0"),
        ({"n": True}, "n: expected a whole number of at least 1, found True"),
        ({"alpha": "0.5"}, "alpha: expected a finite number, found '0.5'"),
        ({"alpha": math.inf}, "alpha: expected a finite number, found inf"),
        ({"dataset": 3}, "dataset: expected a text, found 3"),
        ({"config_hash": None}, "config_hash: expected a text, found None"),
        ({"split": "dev"}, "split: expected one of train, validation, test, found 'dev'"),
        ({"role": []}, "role: expected one of reference, shift, matched_reference, found []"),
        ({"method": "guess"}, "method: expected one of direct, curve, found 'guess'"),
        ({"value": 0.123}, "value: expected a number from ci_low to ci_high (0.19"),
        ({"ci_low": 0.9, "ci_high": 0.8}, "ci_low: expected at most ci_high (0.8), found 0.9"),
        (
            {"metric": "macro_f1", "ci_low": 0.9, "ci_high": 0.8},
            "ci_low: expected at most ci_high (0.8), found 0.9",
        ),
        (
            {"band_low": 0.8, "band_high": 0.9},
            "value: expected a number from band_low to band_high (0.8 to 0.9), found 0.75",
        ),
    ],
)
def test_what_cannot_be_is_said(fields: dict[str, Any], said: str):
    found = problem_of(changed(**fields))
    assert found is not None
    assert found.startswith(said)
