"""The matrix of foregrounds and backgrounds: against a loop, resumed, left early, compiled once."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.backgrounds.square_cutouts import answers_one_by_one, make_cutouts, make_predictor
from tests.helpers.compilations import counted_compilations
from wiseft_jax.backgrounds import attack
from wiseft_jax.backgrounds.attack import PairForward, attack_identity, attack_matrix
from wiseft_jax.backgrounds.attack_config import AttackConfig
from wiseft_jax.backgrounds.attack_files import AttackFiles
from wiseft_jax.backgrounds.attack_images import AttackImages, images_in_memory
from wiseft_jax.backgrounds.challenge import UNTRIED, challenge_accuracy
from wiseft_jax.core.errors import InputError, Interrupted
from wiseft_jax.core.mesh import make_mesh

CUTOUTS = make_cutouts()
PREDICTOR = make_predictor()
SMALL = AttackConfig(chunk_foregrounds=3, chunk_backgrounds=4, save_every_secs=0)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack, "BLOCK_ROWS", 6)


@pytest.fixture(scope="module")
def images() -> AttackImages:
    return images_in_memory(CUTOUTS).sampled(AttackConfig(), PREDICTOR.preprocess)


@pytest.fixture(scope="module")
def expected(images: AttackImages) -> np.ndarray:
    every = answers_one_by_one(CUTOUTS, PREDICTOR.params["weights"])
    return every[images.foregrounds.places][:, images.backgrounds.places]


@pytest.fixture(scope="module")
def forward() -> PairForward:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attack, "BLOCK_ROWS", 6)
        return PairForward(PREDICTOR, SMALL, make_mesh(1))


def one_by_one(matrix: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the rows as they are when each is left at its first wrong answer."""
    left = np.full_like(matrix, UNTRIED)
    for row, label in enumerate(labels):
        for column, answer in enumerate(matrix[row]):
            left[row, column] = answer
            if answer != label:
                break
    return left


def test_it_is_the_loop_over_pairs(images: AttackImages, expected: np.ndarray):
    assert len(np.unique(expected)) == 3
    assert 0 < (expected != images.foregrounds.labels[:, None]).mean() < 1
    for rows, columns, devices in ((1, 1, 1), (5, 3, 1), (6, 50, 1), (4, 6, 8)):
        config = AttackConfig(chunk_foregrounds=rows, chunk_backgrounds=columns)
        forward = PairForward(PREDICTOR, config, make_mesh(devices))
        found = attack_matrix(PREDICTOR, images, config, forward=forward)
        np.testing.assert_array_equal(found.predictions, expected)
        assert found.predictions.dtype == np.int8
        assert found.pairs == expected.size


def test_everything_is_one_compiled_function(images: AttackImages):
    with counted_compilations() as names:
        forward = PairForward(PREDICTOR, SMALL, make_mesh(1))
        attack_matrix(PREDICTOR, images, SMALL, forward=forward)
        again = dataclasses.replace(PREDICTOR, params={"weights": -PREDICTOR.params["weights"]})
        attack_matrix(again, images, SMALL, forward=forward)
        early = dataclasses.replace(SMALL, early_exit=True)
        attack_matrix(PREDICTOR, images, early, forward=forward)
    assert names == ["pair_answers"]


def test_an_early_exit_leaves_rows_at_their_first_wrong_answer(
    images: AttackImages, expected: np.ndarray, forward: PairForward
):
    labels = images.foregrounds.labels
    config = dataclasses.replace(SMALL, early_exit=True)
    found = attack_matrix(PREDICTOR, images, config, forward=forward)
    np.testing.assert_array_equal(found.predictions, one_by_one(expected, labels))
    whole, left = (challenge_accuracy(each, labels) for each in (expected, found.predictions))
    assert whole == left
    assert found.pairs < expected.size


def test_a_row_that_stays_right_is_tried_to_the_end(images: AttackImages, forward: PairForward):
    theirs = images.foregrounds.labels
    front = dataclasses.replace(images.foregrounds, labels=np.zeros_like(theirs))
    always = dataclasses.replace(PREDICTOR, params={"weights": np.eye(192, 3, dtype=np.float32)})
    config = dataclasses.replace(SMALL, early_exit=True)
    # Class 0 wins unless the first pixel's red is less than its green or blue.
    found = attack_matrix(
        always, dataclasses.replace(images, foregrounds=front), config, forward=forward
    )
    tried = (found.predictions != UNTRIED).sum(axis=1)
    wrong = (found.predictions > 0).any(axis=1)
    assert (tried[~wrong] == len(images.backgrounds)).all()


@pytest.mark.parametrize("early_exit", [False, True])
def test_a_stopped_attack_goes_on_to_the_same_matrix(
    early_exit: bool, images: AttackImages, forward: PairForward, tmp_path: Path
):
    config = dataclasses.replace(SMALL, early_exit=early_exit)
    whole = attack_matrix(PREDICTOR, images, config, forward=forward)
    files = AttackFiles(tmp_path / "attack")
    calls = 0
    while calls < 40:
        files.prepare(attack_identity(PREDICTOR, images, config))
        left = iter([False] * 4)
        calls += 1
        try:
            done = attack_matrix(
                *(PREDICTOR, images, config),
                files=files,
                forward=forward,
                stop=lambda left=left: next(left, True),
            )
        except Interrupted:
            continue
        break
    np.testing.assert_array_equal(done.predictions, whole.predictions)
    assert calls > 1
    assert done.pairs < whole.pairs
    nothing = attack_matrix(PREDICTOR, images, config, files=files, forward=forward)
    np.testing.assert_array_equal(nothing.predictions, whole.predictions)
    assert nothing.pairs == 0


def test_blocks_are_there_while_it_runs(
    images: AttackImages, expected: np.ndarray, forward: PairForward, tmp_path: Path
):
    files = AttackFiles(tmp_path / "attack")
    files.prepare(attack_identity(PREDICTOR, images, SMALL))
    left = iter([False] * 3)
    with pytest.raises(Interrupted, match=re.escape(str(files.path))):
        attack_matrix(
            PREDICTOR, images, SMALL, files=files, forward=forward, stop=lambda: next(left, True)
        )
    block = files.read_block(0, 6, len(images.backgrounds))
    assert block is not None
    assert block.columns == 4
    np.testing.assert_array_equal(block.predictions[:, :4], expected[:6, :4])
    assert (block.predictions[:, 4:] == UNTRIED).all()


def test_a_model_of_other_classes_is_refused(images: AttackImages, forward: PairForward):
    nine = dataclasses.replace(PREDICTOR, class_names=tuple("abcdefghi"))
    with pytest.raises(InputError, match="has 9 classes, and noise has 3"):
        attack_matrix(nine, images, SMALL, forward=forward)


def test_answers_outside_of_the_classes_count_as_wrong(images: AttackImages):
    def logits(params: object, pixels: jax.Array) -> jax.Array:
        return jax.nn.one_hot(jax.numpy.full(len(pixels), 171), 1000)  # in none of the nine

    thousand = dataclasses.replace(PREDICTOR, logits=logits, thousand=True)
    forward = PairForward(thousand, SMALL, make_mesh(1))
    found = attack_matrix(thousand, images, SMALL, forward=forward)
    assert (found.predictions == -1).all()
    assert challenge_accuracy(found.predictions, images.foregrounds.labels) == 0
