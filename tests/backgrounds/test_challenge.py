import numpy as np
import pytest

from wiseft_jax.backgrounds import attack_success_rates, challenge_accuracy, paper_fooled_rate
from wiseft_jax.backgrounds.challenge import UNTRIED
from wiseft_jax.core.errors import InputError

FG = np.asarray([0, 1, 2])
BG = np.asarray([0, 1, 2, 1])
PREDICTIONS = np.asarray(
    [
        [0, 0, 0, 0],  # stands against all
        [1, 1, 2, 1],  # background 2 turns it into its class
        [2, 0, 2, 2],  # background 1 makes it wrong, but not into a 1
    ]
)


def test_the_two_definitions_differ():
    assert challenge_accuracy(PREDICTIONS, FG) == pytest.approx(1 / 3)
    assert paper_fooled_rate(PREDICTIONS, FG, BG) == pytest.approx(1 / 3)
    wrong_otherwise = PREDICTIONS.copy()
    wrong_otherwise[1, 2] = 0
    assert challenge_accuracy(wrong_otherwise, FG) == pytest.approx(1 / 3)
    assert paper_fooled_rate(wrong_otherwise, FG, BG) == 0


def test_a_background_of_its_own_class_counts_in_the_challenge_alone():
    predictions = np.asarray([[1, 0]])
    assert challenge_accuracy(predictions, np.asarray([0])) == 0
    assert paper_fooled_rate(predictions, np.asarray([0]), np.asarray([0, 1])) == 0


def test_success_rates_count_foregrounds_of_other_classes():
    rates = attack_success_rates(PREDICTIONS, FG, BG)
    assert rates.tolist() == [0, 0, 0.5, 0]


def loop_oracle(predictions: np.ndarray, fg: np.ndarray, bg: np.ndarray) -> tuple:
    vulnerable = fooled = 0
    hits, met = [0] * len(bg), [0] * len(bg)
    for f, own in enumerate(fg):
        row = predictions[f]
        vulnerable += any(answer not in (own, UNTRIED) for answer in row)
        fooled += any(answer == bg[b] != own for b, answer in enumerate(row))
        for b, answer in enumerate(row):
            if bg[b] != own and answer != UNTRIED:
                met[b] += 1
                hits[b] += answer == bg[b]
    rates = [hit / n if n else np.nan for hit, n in zip(hits, met, strict=True)]
    return 1 - vulnerable / len(fg), fooled / len(fg), rates


@pytest.mark.parametrize("seed", range(20))
def test_against_loops(seed: int):
    rng = np.random.default_rng(seed)
    fg, bg = rng.integers(0, 4, 9), rng.integers(0, 4, 7)
    predictions = np.where(rng.random((9, 7)) < 0.6, fg[:, None], rng.integers(-1, 4, (9, 7)))
    predictions[rng.random((9, 7)) < 0.2] = UNTRIED
    predictions[:, 0] = rng.integers(-1, 4, 9)
    expected = loop_oracle(predictions, fg, bg)
    assert challenge_accuracy(predictions, fg) == pytest.approx(expected[0])
    assert paper_fooled_rate(predictions, fg, bg) == pytest.approx(expected[1])
    np.testing.assert_allclose(attack_success_rates(predictions, fg, bg), expected[2])


def test_an_answer_outside_of_the_classes_is_wrong():
    assert challenge_accuracy(np.asarray([[0, -1]]), np.asarray([0])) == 0


def test_an_untried_row_is_refused_and_no_row_has_no_rate():
    with pytest.raises(InputError, match="foreground 1 was tried with no background"):
        challenge_accuracy(np.asarray([[0, 0], [UNTRIED, UNTRIED]]), np.asarray([0, 0]))
    nothing = np.zeros((0, 3), int)
    assert np.isnan(challenge_accuracy(nothing, np.zeros(0, int)))
    assert np.isnan(paper_fooled_rate(nothing, np.zeros(0, int), np.zeros(3, int)))
    assert np.isnan(attack_success_rates(nothing, np.zeros(0, int), np.zeros(3, int))).all()
