"""Answers are kept where they belong."""

from __future__ import annotations

import numpy as np

from tests.evaluation.test_predictions import predictions
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
    assert answers.logits is None


def found_at(alpha: int, position: int, logits: list[float]) -> Found:
    one, row = np.ones(1, np.float32), np.asarray([logits], np.float32)
    return Found(alpha, np.asarray([position]), np.zeros(1, np.int32), one, one, row)


def test_logits_are_the_answers_where_there_is_one_and_else_the_polynomials() -> None:
    answers = Answers.none(3, 2, kept=(0, 2), classes=2)
    answers.put(found_at(2, 1, [7, 8, 9]))  # before the polynomial's, with a column more
    polynomial = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    answers.interpolated(np.array([1, 0]), polynomial)
    answers.put(found_at(0, 0, [-1, -2, -3]))  # after it
    answers.interpolated(np.array([1, 0]), polynomial + 100)  # of another reading
    assert answers.logits is not None
    assert answers.logits.tolist() == [[[-1, -2], [100, 101]], [[109, 110], [7, 8]]]


def test_predictions_get_the_logits_of_what_was_read() -> None:
    answers = Answers.none(2, 4, kept=(1,), classes=3)
    logits = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    answers.interpolated(np.arange(4), logits)
    found = answers.with_logits(predictions(logits=False), np.arange(4))
    assert found.logit_alphas == (0.1,)
    np.testing.assert_array_equal(found.logits_at(0.1), logits[0])
    bare = predictions(logits=False)
    assert Answers.none(2, 4).with_logits(bare, np.arange(4)) is bare
