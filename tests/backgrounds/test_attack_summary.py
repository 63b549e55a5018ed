"""The summary of a matrix: both rates against a loop, the strongest, fewer backgrounds."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from tests.backgrounds.square_cutouts import CLASS_NAMES, SIDE, make_cutouts
from wiseft_jax.backgrounds.attack_config import AttackConfig
from wiseft_jax.backgrounds.attack_images import AttackImages, images_in_memory
from wiseft_jax.backgrounds.attack_summary import (
    OFFICIAL_PAIRS,
    accuracy_by_backgrounds,
    attack_summary,
    timing,
)
from wiseft_jax.backgrounds.challenge import UNTRIED
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.preprocess import Preprocess

FEW = AttackConfig(foregrounds=11, backgrounds=7)
PREPROCESS = Preprocess(size=SIDE, resize=SIDE)


@pytest.fixture(scope="module")
def images() -> AttackImages:
    return images_in_memory(make_cutouts()).sampled(FEW, PREPROCESS)


@pytest.fixture(scope="module")
def matrix(images: AttackImages) -> np.ndarray:
    random = np.random.default_rng(1)
    wrong = random.random((11, 7)) < 0.2
    answers = random.integers(-1, 3, (11, 7))
    return np.where(wrong, answers, images.foregrounds.labels[:, None]).astype(np.int8)


def test_both_rates_are_counted_over_foregrounds(images: AttackImages, matrix: np.ndarray):
    front, back = images.foregrounds.labels, images.backgrounds.labels
    safe = fooled = 0
    for row, label in zip(matrix, front, strict=True):
        safe += all(answer == label for answer in row)
        fooled += any(answer == other != label for answer, other in zip(row, back, strict=True))
    found = attack_summary(matrix, images)
    for name, hits in (("challenge_accuracy", safe), ("paper_fooled_rate", fooled)):
        assert 0 < hits < 11
        low, high = clopper_pearson(hits, 11)
        assert found[name] == {
            "value": hits / 11, "hits": hits, "n": 11, "low": low, "high": high,
        }  # fmt: skip
        assert sum(each[name]["hits"] for each in found["per_class"]) == hits
    assert found["foregrounds"] == {"n": 11, "of": 13, "rejected": []}
    assert found["sampled_backgrounds"]
    assert found["pairs"] == {"tried": 77, "of": 77}
    json.dumps(found, allow_nan=False)


def test_the_strongest_backgrounds_come_class_by_class(images: AttackImages, matrix: np.ndarray):
    front, back = images.foregrounds.labels, images.backgrounds.labels
    found = attack_summary(matrix, images, strongest=2)["strongest"]
    assert [each["class"] for each in found] == [name for name in CLASS_NAMES for _ in range(2)]
    for each in found:
        label = CLASS_NAMES.index(each["class"])
        hits = sum(
            answer == label
            for answer, of in zip(matrix[:, each["column"]], front, strict=True)
            if of != label
        )
        assert (each["hits"], each["n"]) == (hits, (front != label).sum())
        assert images.backgrounds.ids[each["column"]] == each["id"]
        assert back[each["column"]] == label
        assert bool(each["becomes"]) == (hits > 0)
    by_class = itertools.groupby(found, key=lambda each: each["class"])
    for _, group in by_class:
        values = [each["value"] for each in group]
        assert values == sorted(values, reverse=True)


def test_fewer_backgrounds_give_the_mean_over_all_draws_of_them(
    images: AttackImages, matrix: np.ndarray
):
    labels = images.foregrounds.labels
    right = matrix == labels[:, None]
    found = accuracy_by_backgrounds(matrix, labels)
    assert [each["backgrounds"] for each in found] == [1, 2, 5, 7]
    for each in found:
        draws = itertools.combinations(range(7), int(each["backgrounds"]))
        mean = np.mean([right[:, list(draw)].all(axis=1).mean() for draw in draws])
        np.testing.assert_allclose(each["challenge_accuracy"], mean, rtol=1e-12)


def test_after_an_early_exit_backgrounds_have_no_rates(images: AttackImages, matrix: np.ndarray):
    left = matrix.copy()
    for row, label in zip(left, images.foregrounds.labels, strict=True):
        wrong = np.flatnonzero(row != label)
        if len(wrong):
            row[wrong[0] + 1 :] = UNTRIED
    found = attack_summary(left, images, early_exit=True)
    whole = attack_summary(matrix, images)
    assert found["challenge_accuracy"] == whole["challenge_accuracy"]
    assert found["paper_fooled_rate"]["value"] <= whole["paper_fooled_rate"]["value"]
    assert found["pairs"]["tried"] < 77
    assert found["by_backgrounds"] is None
    assert found["strongest"] == []
    assert {each["best_success"] for each in found["per_class"]} == {None}


def test_a_class_without_foregrounds_has_no_rate():
    images = images_in_memory(make_cutouts().subset(np.flatnonzero(make_cutouts().labels < 2)))
    found = attack_summary(np.zeros((9, 9), np.int8), images.sampled(AttackConfig(), PREPROCESS))
    assert found["per_class"][2]["challenge_accuracy"]["value"] is None
    assert found["per_class"][2]["backgrounds"] == 0
    json.dumps(found, allow_nan=False)


def test_the_full_matrix_at_this_rate(images: AttackImages):
    found = timing(200, 4.0, 1.5, images)
    assert found["pairs_per_sec"] == 50
    assert (found["full_pairs"], found["full_secs"]) == (169, 169 / 50)
    assert (found["official_pairs"], found["official_secs"]) == (4050**2, OFFICIAL_PAIRS / 50)
    assert timing(0, 0.1, 0.0, images)["full_secs"] is None
