import numpy as np
import pytest

from wiseft_jax.backgrounds import attack_success_rates, challenge_accuracy, paper_fooled_rate
from wiseft_jax.backgrounds.challenge import UNTRIED, undecided
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
    open_rows = []
    for f, own in enumerate(fg):
        row = predictions[f]
        vulnerable += any(answer not in (own, UNTRIED) for answer in row)
        fooled += any(answer == bg[b] != own for b, answer in enumerate(row))
        for b, answer in enumerate(row):
            if bg[b] != own and answer != UNTRIED:
                met[b] += 1
                hits[b] += answer == bg[b]
        if UNTRIED in row and not any(answer not in (own, UNTRIED) for answer in row):
            open_rows.append(f)
    rates = [hit / n if n else np.nan for hit, n in zip(hits, met, strict=True)]
    return vulnerable, fooled / len(fg), rates, open_rows


@pytest.mark.parametrize("seed", range(20))
def test_against_loops(seed: int):
    rng = np.random.default_rng(seed)
    fg, bg = rng.integers(0, 4, 9), rng.integers(0, 4, 7)
    predictions = np.where(rng.random((9, 7)) < 0.8, fg[:, None], rng.integers(-1, 4, (9, 7)))
    predictions[rng.random((9, 7)) < 0.2] = UNTRIED
    predictions[:, 0] = np.where(rng.random(9) < 0.8, fg, rng.integers(-1, 4, 9))
    vulnerable, fooled, rates, open_rows = loop_oracle(predictions, fg, bg)
    assert np.flatnonzero(undecided(predictions, fg)).tolist() == open_rows
    decided = np.setdiff1d(np.arange(9), open_rows)
    rows = predictions[decided], fg[decided]
    assert challenge_accuracy(*rows) == pytest.approx(1 - vulnerable / len(decided))
    assert paper_fooled_rate(predictions, fg, bg) == pytest.approx(fooled)
    np.testing.assert_allclose(attack_success_rates(predictions, fg, bg), rates)
    if open_rows:
        low = (9 - vulnerable - len(open_rows)) / 9
        said = rf"{len(open_rows)} of 9 foregrounds are undecided \(the first is {open_rows[0]}, "
        with pytest.raises(InputError, match=f"{said}(.|\n)*between {low:.4g} and "):
            challenge_accuracy(predictions, fg)


def test_a_foreground_that_was_partly_tried_does_not_count_as_standing():
    fg, bg = np.asarray([0, 0, 0]), np.asarray([1, 2])
    predictions = np.asarray([[0, 0], [0, UNTRIED], [1, UNTRIED]])
    assert undecided(predictions, fg).tolist() == [False, True, False]
    said = r"1 of 3 foregrounds are undecided \(the first is 1, with 1 untried"
    with pytest.raises(InputError, match=said):
        challenge_accuracy(predictions, fg)
    assert challenge_accuracy(predictions[[0, 2]], fg[[0, 2]]) == 0.5
    assert challenge_accuracy(predictions[:, :1], fg) == pytest.approx(2 / 3)
    assert paper_fooled_rate(predictions, fg, bg) == pytest.approx(1 / 3)  # at least
    assert attack_success_rates(predictions, fg, bg).tolist() == [1 / 3, 0]  # of three, and of one


@pytest.mark.parametrize("seed", range(5))
def test_what_is_still_to_be_tried_can_only_be_worse(seed: int):
    rng = np.random.default_rng(seed)
    fg, bg = rng.integers(0, 3, 20), rng.integers(0, 3, 12)
    whole = np.where(rng.random((20, 12)) < 0.8, fg[:, None], rng.integers(-1, 3, (20, 12)))
    left = np.where(rng.random((20, 12)) < 0.5, UNTRIED, whole)
    left[:, 0] = whole[:, 0]
    fell = 1 - challenge_accuracy(whole, fg)
    stands = (left != UNTRIED) & (left != fg[:, None])
    assert stands.any(1).mean() <= fell <= stands.any(1).mean() + undecided(left, fg).mean()
    assert paper_fooled_rate(left, fg, bg) <= paper_fooled_rate(whole, fg, bg)


def test_an_answer_outside_of_the_classes_is_wrong():
    assert challenge_accuracy(np.asarray([[0, -1]]), np.asarray([0])) == 0


def test_an_untried_row_is_refused_and_no_row_has_no_rate():
    with pytest.raises(InputError, match="foreground 1 was tried with no background"):
        challenge_accuracy(np.asarray([[0, 0], [UNTRIED, UNTRIED]]), np.asarray([0, 0]))
    with pytest.raises(InputError, match="foreground 0 was tried with no background"):
        paper_fooled_rate(np.asarray([[UNTRIED], [1]]), np.asarray([0, 0]), np.asarray([1]))
    nothing = np.zeros((0, 3), int)
    assert np.isnan(challenge_accuracy(nothing, np.zeros(0, int)))
    assert np.isnan(paper_fooled_rate(nothing, np.zeros(0, int), np.zeros(3, int)))
    assert np.isnan(attack_success_rates(nothing, np.zeros(0, int), np.zeros(3, int))).all()
