from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import beta

from tests.helpers.small_release import linear_predictor
from wiseft_jax.backgrounds.challenge import UNTRIED
from wiseft_jax.backgrounds.evaluation import Answers
from wiseft_jax.backgrounds.evaluation_summary import (
    evaluation_rows,
    evaluation_summary,
    paired_gap,
)
from wiseft_jax.backgrounds.in9 import IN9_CLASSES
from wiseft_jax.backgrounds.variants import VARIANTS

COUNT, SEEDS = 60, 3
MODELS = [linear_predictor(0), linear_predictor(1)]


def drawn_answers() -> Answers:
    random = np.random.default_rng(5)
    labels = random.integers(0, 9, COUNT).astype(np.int32)

    def drawn(*shape: int) -> np.ndarray:
        right = random.random((*shape, COUNT)) < 0.6
        return np.where(right, labels, random.integers(-1, 9, (*shape, COUNT))).astype(np.int32)

    kinds = {kind: drawn(2) for kind in VARIANTS}
    kinds["mixed_rand"][:, :4] = UNTRIED
    seeds = {kind: drawn(SEEDS, 2) for kind in ("mixed_same", "mixed_rand")}
    ids = tuple(map(str, range(COUNT)))
    origins = dict.fromkeys(VARIANTS, "files")
    return Answers("s", IN9_CLASSES, ids, labels, kinds, origins, seeds, ("fed", "fed"), ("note",))


ANSWERS = drawn_answers()
SUMMARY = evaluation_summary(ANSWERS, MODELS)


def test_accuracies_and_their_intervals():
    for place, model in enumerate(SUMMARY["models"]):
        for kind, found in model["variants"].items():
            told = ANSWERS.kinds[kind][place]
            kept = [at for at in range(COUNT) if told[at] != -2]
            hits = sum(told[at] == ANSWERS.labels[at] for at in kept)
            assert (found["n"], found["accuracy"]) == (len(kept), hits / len(kept))
            low = beta.ppf(0.025, hits, len(kept) - hits + 1)
            high = beta.ppf(0.975, hits + 1, len(kept) - hits)
            assert (found["ci_low"], found["ci_high"]) == pytest.approx((low, high))
            for label, of_class in enumerate(model["classes"][kind]):
                members = [at for at in kept if ANSWERS.labels[at] == label]
                right = sum(told[at] == label for at in members)
                assert of_class["n"] == len(members)
                assert of_class["accuracy"] == pytest.approx(right / len(members))


def test_the_gap_is_averaged_after_the_subtraction():
    gap = SUMMARY["models"][1]["gap"]["composed"]
    same, rand = ANSWERS.seeds["mixed_same"][:, 1], ANSWERS.seeds["mixed_rand"][:, 1]
    by_seed = [
        (s == ANSWERS.labels).mean() - (r == ANSWERS.labels).mean()
        for s, r in zip(same, rand, strict=True)
    ]
    assert gap["by_seed"] == pytest.approx(by_seed)
    assert gap["gap"] == pytest.approx(sum(by_seed) / SEEDS)
    assert gap["spread"] == pytest.approx(np.std(by_seed, ddof=1))
    files = SUMMARY["models"][1]["gap"]["files"]
    assert (files["n"], files["unmatched"], files["spread"]) == (COUNT - 4, 4, None)


def test_the_gap_has_the_interval_of_a_plain_bootstrap():
    random = np.random.default_rng(1)
    same, rand = random.random((2, 400)) < 0.8, random.random((2, 400)) < 0.6
    found = paired_gap(same, rand)
    each = same.mean(0) - rand.mean(0)
    drawn = each[random.integers(0, 400, (4000, 400))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found["ci_low"] == pytest.approx(low, abs=0.006)
    assert found["ci_high"] == pytest.approx(high, abs=0.006)


def test_five_categories_count_every_matched_image_once():
    found = SUMMARY["models"][0]["categories"]
    names = {
        (True, False, True): "BG required",
        (False, True, False): "BG fools",
        (True, False, False): "BG and FG required",
        (False, True, True): "BG and FG fools",
    }
    expected = dict.fromkeys(found["counts"], 0)
    for at in range(4, COUNT):
        right = tuple(
            bool(ANSWERS.kinds[kind][0, at] == ANSWERS.labels[at])
            for kind in ("original", "mixed_rand", "only_bg_t")
        )
        expected[names.get(right, "BG irrelevant")] += 1
    intervals = found.pop("intervals")
    assert found == {"counts": expected, "n": COUNT - 4, "unmatched": 4}
    tails = beta.ppf(0.025, expected["BG fools"], COUNT - 3 - expected["BG fools"])
    assert intervals["BG fools"][0] == pytest.approx(tails)
    assert intervals.keys() == expected.keys()


def test_what_is_not_there_is_none():
    kinds = {"original": ANSWERS.kinds["original"]}
    bare = dataclasses.replace(ANSWERS, kinds=kinds, origins={"original": "files"}, seeds={})
    (first, _) = evaluation_summary(bare, MODELS)["models"]
    assert first["gap"] == {"files": None, "composed": None}
    assert first["categories"] is None


def test_a_row_for_each_model_and_variant():
    rows = evaluation_rows(SUMMARY)
    assert len(rows) == 2 * len(VARIANTS)
    assert {row["weights"] for row in rows} == {"drawn with seed 0", "drawn with seed 1"}
