"""The matrix in numbers, against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, t

from wiseft_jax.studies.backgrounds_train_summary import matrix_of


def hits(*flags: int) -> np.ndarray:
    return np.asarray(flags, bool)


def row(train_on: str, seed: int, family: str = "resnet") -> dict[str, object]:
    return {"family": family, "train_on": train_on, "seed": seed, "n_train": 7}


def test_over_seeds_it_is_students_interval_and_gaps_are_subtracted_first():
    correct = [
        {"mixed_same": hits(1, 1, 1, 0), "mixed_rand": hits(1, 0, 0, 0)},
        {"mixed_same": hits(1, 1, 1, 1), "mixed_rand": hits(1, 1, 1, 1)},
        {"mixed_same": hits(1, 1, 0, 0), "mixed_rand": hits(0, 0, 0, 0)},
    ]
    found = matrix_of([row("original", seed) for seed in range(3)], correct, paired=True)
    same = next(each for each in found["cells"] if each["test_on"] == "mixed_same")
    assert same["values"] == [0.75, 1.0, 0.5]
    half = t.ppf(0.975, 2) * np.std([0.75, 1.0, 0.5], ddof=1) / np.sqrt(3)
    assert same["high"] - same["mean"] == pytest.approx(half)
    assert (same["over"], same["seeds"], same["n"]) == ("seeds", 3, 4)
    (gap,) = found["gaps"]
    assert gap["values"] == [0.5, 0.0, 0.5]
    assert gap["mean"] == pytest.approx(1 / 3)
    assert found["n"] == {"mixed_same": 4, "mixed_rand": 4}
    assert found["n_train"] == {"original": 7}


def test_of_one_model_it_is_over_images():
    rng = np.random.default_rng(0)
    same, rand = rng.random(400) < 0.8, rng.random(400) < 0.6
    found = matrix_of([row("original", 0)], [{"mixed_same": same, "mixed_rand": rand}], paired=True)
    cell = found["cells"][0]
    k = int(same.sum())
    assert cell["low"] == pytest.approx(beta.ppf(0.025, k, 401 - k))
    assert cell["high"] == pytest.approx(beta.ppf(0.975, k + 1, 400 - k))
    (gap,) = found["gaps"]
    difference = same.astype(float) - rand
    assert gap["mean"] == pytest.approx(difference.mean())
    normal = 1.96 * difference.std() / 20
    assert gap["high"] - gap["mean"] == pytest.approx(normal, rel=0.15)
    assert gap["over"] == cell["over"] == "images"


def test_gaps_without_pairs_or_without_both_sets():
    both = {"mixed_same": hits(1, 0), "mixed_rand": hits(1, 0, 0)}
    (gap,) = matrix_of([row("original", 0)], [both], paired=False)["gaps"]
    assert (gap["low"], gap["high"], gap["over"]) == (None, None, None)
    assert gap["mean"] == pytest.approx(1 / 2 - 1 / 3)
    assert matrix_of([row("original", 0)], [{"mixed_same": hits(1)}], paired=True)["gaps"] == []


def test_the_cost_on_original_is_paired_with_the_model_of_original():
    rng = np.random.default_rng(1)
    ours, other = (rng.random(300) < share for share in (0.95, 0.85))
    rows = [row("start", 0), row("original", 0), row("mixed_rand", 0)]
    correct = [{"original": hits(*[1] * 300)}, {"original": ours}, {"original": other}]
    (cost,) = matrix_of(rows, correct, paired=True)["costs"]
    assert (cost["train_on"], cost["over"]) == ("mixed_rand", "images")
    difference = ours.astype(float) - other
    assert cost["mean"] == pytest.approx(difference.mean())
    normal = 1.96 * difference.std() / np.sqrt(300)
    assert cost["high"] - cost["mean"] == pytest.approx(normal, rel=0.15)
    seeds = [row(name, seed) for seed in (0, 1) for name in ("original", "no_fg")]
    right = [{"original": hits(*flags)} for flags in ((1, 1), (1, 0), (1, 1), (0, 0))]
    (cost,) = matrix_of(seeds, right, paired=True)["costs"]
    assert (cost["values"], cost["over"]) == ([0.5, 1.0], "seeds")
    assert matrix_of(seeds[1:2], right[1:2], paired=True)["costs"] == []


def test_families_and_training_sets_are_kept_apart():
    rows = [row("original", 0), row("no_fg", 0), row("original", 0, "clip")]
    found = matrix_of(rows, [{"original": hits(1)}] * 3, paired=True)
    assert [(each["family"], each["train_on"]) for each in found["cells"]] == [
        ("resnet", "original"),
        ("resnet", "no_fg"),
        ("clip", "original"),
    ]
