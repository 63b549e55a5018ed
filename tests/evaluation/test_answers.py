"""Answers are kept where they belong."""

from __future__ import annotations

import numpy as np

from wiseft_jax.evaluation.answers import Answers
from wiseft_jax.evaluation.pairs import Found


def test_what_was_found_is_kept_and_the_rest_stays_unknown() -> None:
    answers = Answers.none(3, 5)
    values = np.asarray([0.5, 0.25], np.float32)
    answers.put(Found(1, np.asarray([4, 2]), np.asarray([7, 8], np.int32), values, values * 2))
    assert np.argwhere(answers.known).tolist() == [[1, 2], [1, 4]]
    assert answers.top1[1].tolist() == [0, 0, 8, 0, 7]
    assert answers.margin[1].tolist() == [0, 0, 0.25, 0, 0.5]
    assert answers.columns()["entropy"][1].tolist() == [0, 0, 0.5, 0, 1]
