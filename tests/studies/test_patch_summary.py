"""Means over seeds, differences with intervals, curves: against NumPy by hand, and coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wiseft_jax.studies.patch_measures import values_of
from wiseft_jax.studies.patch_summary import (
    differences,
    drawn_measures,
    mean_curves,
    over_seeds,
    t_interval,
)


def examples(seed: int, better: float = 0.0, n: int = 200) -> dict[str, np.ndarray]:
    """What a model made of n images: of 10 easy and n - 10 harder ones, and 50 of a shift."""
    random = np.random.default_rng(seed)
    clean = random.random(n) < 0.8 + better
    flipped = clean & (random.random(n) < 0.3 - better)
    energy = np.where(random.random(n) < 0.1, np.nan, random.random(n))
    found = {
        "clean": clean,
        "shift/other": random.random(50) < 0.5,
        "shift/third": random.random(30) < 0.4,
        "corruption/blur/1": random.random(n) < 0.6,
        "patched/image": clean & ~flipped,
        "flip/image": flipped,
        "score_drop/image": random.random(n) - 0.5,
        "energy/image": energy,
    }
    return {name: np.asarray(each, np.float32) for name, each in found.items()}


def row(mixer: str, seed: int, values: dict[str, float], curve: Any = None) -> dict[str, Any]:
    alphas = [0.0, 1.0] if curve else None
    facts = {"family": "clip", "mixer": mixer, "seed": seed, "n": 10}
    return {**facts, "values": values, "curve": curve, "alphas": alphas}


def test_a_t_interval_is_that_of_a_table():
    low, high = t_interval([1.0, 2.0, 3.0]) or (0.0, 0.0)
    half = 4.302653 / np.sqrt(3)  # the table's 0.975 quantile for 2 degrees of freedom
    assert (low, high) == (pytest.approx(2 - half), pytest.approx(2 + half))
    assert t_interval([1.0]) is None


def test_means_are_over_the_seeds_of_a_kind():
    rows = [row("none", s, {"clean": v}) for s, v in enumerate((0.5, 0.7))]
    found = over_seeds([*rows, row("cutmix", 0, {"clean": 0.1})])
    assert [(each["mixer"], each["mean"], each["seeds"]) for each in found] == [
        ("none", pytest.approx(0.6), 2),
        ("cutmix", 0.1, 1),
    ]
    assert found[0]["low"] < 0.6 < found[0]["high"]
    assert found[1]["low"] is None


def test_pooled_measures_are_those_of_the_models_where_there_is_one_seed():
    one = examples(0)
    weights = {name: np.ones((1, len(one[name]))) for name in ("shift/other", "shift/third")}
    drawn = drawn_measures([one], {**weights, "reference": np.ones((1, 200))})
    values = values_of(one, {"image": 0.1})
    for name in (*one, "drop/image", "shifts", "corruptions"):
        assert drawn[name][0] == pytest.approx(values[name], rel=1e-6), name


def test_a_flip_rate_is_over_the_answers_that_were_right():
    one = examples(0)
    values = values_of(one, {"image": 0.1})
    flipped = one["flip/image"][one["clean"] > 0].mean()
    assert values["flip/image"] == pytest.approx(flipped)
    assert values["drop/image"] == pytest.approx(one["clean"].mean() - one["patched/image"].mean())
    known = one["energy/image"][np.isfinite(one["energy/image"])]
    assert values["energy/image"] == pytest.approx(known.mean(), rel=1e-5)
    assert values["energy_ratio/image"] == pytest.approx(10 * known.mean(), rel=1e-5)
    assert values["unseen/image"] == pytest.approx(1 - len(known) / 200)
    shifts = (one["shift/other"].mean() + one["shift/third"].mean()) / 2
    assert values["shifts"] == pytest.approx(shifts)


def test_differences_are_of_the_later_minus_the_earlier_augmentation():
    groups = {
        ("clip", "none"): [examples(seed) for seed in (0, 1)],
        ("clip", "cutmix"): [examples(seed, better=0.15) for seed in (2, 3)],
        ("clip", "smoothmix"): [examples(seed) for seed in (4, 5)],
        ("resnet", "none"): [examples(6)],
    }
    found = differences(groups, samples=500)
    pairs = {(each["family"], each["mixer"], each["against"]) for each in found}
    assert pairs == {
        ("clip", "cutmix", "none"),
        ("clip", "smoothmix", "none"),
        ("clip", "smoothmix", "cutmix"),
    }
    flips = next(each for each in found if each["measure"] == "flip/image")
    pooled = [
        sum(e["flip/image"].sum() for e in group) / sum(e["clean"].sum() for e in group)
        for group in (groups["clip", "none"], groups["clip", "cutmix"])
    ]
    assert flips["difference"] == pytest.approx(pooled[1] - pooled[0])
    assert flips["low"] < flips["difference"] < flips["high"] < 0
    assert found == differences(groups, samples=500)


def test_a_model_does_not_differ_from_itself():
    same = {("clip", "none"): [examples(0)], ("clip", "cutout"): [examples(0)]}
    for each in differences(same, samples=50):
        assert each["difference"] == each["low"] == each["high"] == 0


def test_the_intervals_cover_what_they_should():
    """Two models whose accuracies differ by 0.1: over 150 draws of images, in 95 % or so."""
    covered = 0
    for seed in range(150):
        random = np.random.default_rng(seed)
        hard = random.random(120)
        one, other = ((hard < level) ^ (random.random(120) < 0.1) for level in (0.5, 0.625))
        pair = {
            ("clip", name): [{"clean": each.astype(np.float32)}]
            for name, each in (("none", one), ("cutmix", other))
        }
        found = differences(pair, samples=400, seed=seed)[0]
        covered += found["low"] <= 0.1 <= found["high"]
    assert 0.89 <= covered / 150 <= 0.99


def test_curves_are_means_over_seeds():
    rows = [row("none", s, {}, {"shifts": [0.1 * s, 0.5]}) for s in (1, 2)]
    found = mean_curves([*rows, row("cutout", 0, {}), row("cutmix", 0, {}, {"shifts": [0.0, 1.0]})])
    assert found.keys() == {"none", "cutmix"}
    line = found["none"]["lines"]["shifts"]
    assert line["mean"] == pytest.approx([0.15, 0.5])
    assert line["low"][0] < 0.15 < line["high"][0]
    assert line["low"][1] == line["high"][1] == pytest.approx(0.5)
    assert found["cutmix"]["lines"]["shifts"]["low"] == [None, None]
    assert (found["none"]["alphas"], found["none"]["seeds"]) == ([0.0, 1.0], 2)
