"""Spreads and their ratios against NumPy, one draw at a time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.studies.grids import grid_results
from wiseft_jax.studies import grid_spread
from wiseft_jax.studies.grid_spread import (
    best_runs,
    bootstrap_places,
    ratio_of_spreads,
    spread_facts,
    spread_of,
)

ALPHAS = (0.0, 0.5, 1.0)


def accuracies(runs: int = 5, seed: int = 0) -> np.ndarray:
    """float64[M, D, A] of four sets: validation, test, two shifts; alpha 0 is one model."""
    values = np.random.default_rng(seed).uniform(0.2, 0.9, (runs, 4, 3))
    values[:, :, 0] = values[:1, :, 0]
    return values


def test_every_set_has_the_mean_and_spread_of_each_kind() -> None:
    values = accuracies()
    chosen = np.array([0.5, 1.0, 1.0, 0.0, 0.5])
    facts = spread_facts(grid_results(values, ALPHAS, chosen=chosen))
    names = [each["set"] for each in facts["sets"]]
    assert names == ["test", "mean of shifts", "shift 0", "shift 1", "validation"]
    assert [each["n"] for each in facts["sets"]] == [100, 200, 100, 100, 100]
    own = {"test": values[:, 1], "mean of shifts": values[:, 2:].mean(axis=1)}
    own |= {"shift 1": values[:, 3], "validation": values[:, 0]}
    for each in facts["sets"]:
        if each["set"] not in own:
            continue
        curves = own[each["set"]]
        wanted = {
            "zero_shot": curves[:, 0],
            "fine_tuned": curves[:, 2],
            "constant": curves[:, 1],
            "chosen": curves[range(5), [1, 2, 2, 0, 1]],
            "best": curves.max(axis=1),
        }
        assert each["kinds"].keys() == wanted.keys()
        for kind, expected in wanted.items():
            found = each["kinds"][kind]
            assert found["mean"] == pytest.approx(expected.mean())
            assert found["sd"] == pytest.approx(np.std(expected, ddof=1), abs=1e-12)
            assert (found["low"], found["high"]) == (expected.min(), expected.max())
            assert found["range"] == pytest.approx(np.ptp(expected))
            if kind in ("fine_tuned", "zero_shot"):
                assert "ratio" not in found
            else:
                ratio = np.std(expected, ddof=1) / np.std(wanted["fine_tuned"], ddof=1)
                assert found["ratio"] == pytest.approx(ratio)
        assert each["kinds"]["chosen"]["alpha"] == pytest.approx(chosen.mean())


def test_the_interval_of_a_ratio_is_that_of_the_drawn_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grid_spread, "SAMPLES", 300)
    rng = np.random.default_rng(3)
    values, reference = rng.uniform(size=6), rng.uniform(size=6)
    drawn = bootstrap_places(6, seed=7)
    assert drawn.shape == (300, 6)
    found = ratio_of_spreads(values, reference, drawn)
    ratios = []
    for places in drawn:
        below = np.std([reference[at] for at in places], ddof=1)
        if len({*places.tolist()}) > 1:
            ratios.append(np.std([values[at] for at in places], ddof=1) / below)
    low, high = np.quantile(ratios, [0.025, 0.975])
    assert (found["ratio_low"], found["ratio_high"]) == (pytest.approx(low), pytest.approx(high))
    assert found["undefined"] == pytest.approx(1 - len(ratios) / 300)
    assert found["ratio_low"] <= found["ratio"] <= found["ratio_high"]


@given(st.floats(0.1, 5.0), st.floats(-1.0, 1.0))
def test_a_ratio_scales_and_does_not_move(factor: float, shift: float) -> None:
    reference = np.array([0.1, 0.4, 0.2, 0.9, 0.5])
    drawn = bootstrap_places(5, seed=0)[:200]
    found = ratio_of_spreads(factor * reference + shift, reference, drawn)
    for name in ("ratio", "ratio_low", "ratio_high"):
        assert found[name] == pytest.approx(factor)


def test_without_scatter_or_with_few_runs_there_is_no_ratio_or_no_interval() -> None:
    nothing = ratio_of_spreads(np.array([0.1, 0.2, 0.3]), np.full(3, 0.5), bootstrap_places(3, 0))
    assert nothing["ratio"] is None
    two = ratio_of_spreads(np.array([0.1, 0.2]), np.array([0.1, 0.3]), bootstrap_places(2, 0))
    assert two["ratio"] == pytest.approx(0.5)
    assert two["ratio_low"] is None
    assert spread_of(np.array([0.3]))["sd"] is None
    facts = spread_facts(grid_results(accuracies(1), ALPHAS))
    assert facts["sets"][0]["kinds"]["constant"]["ratio"] is None


def test_what_is_not_on_the_grid_is_left_out() -> None:
    results = grid_results(accuracies(), (0.0, 0.4, 0.9), chosen=np.full(5, 0.5))
    kinds = spread_facts(results)["sets"][0]["kinds"]
    assert kinds.keys() == {"zero_shot", "best"}
    assert "ratio" not in kinds["best"]


def test_the_best_run_is_the_first_of_the_best_on_validation() -> None:
    values = np.zeros((3, 4, 3))  # runs; validation, test, two shifts; alphas
    values[:, 0, 1] = 0.7, 0.9, 0.9  # merged
    values[:, 0, 2] = 0.8, 0.5, 0.8  # fine-tuned
    values[0, 1:, 2] = 0.6, 0.2, 0.4
    values[1, 1:, 1] = 0.75, 0.5, 0.6
    results = grid_results(values, (0.0, 0.5, 1.0))
    best = best_runs(results)
    assert [(name, each["index"], each["alpha"]) for name, each in best.items()] == [
        ("fine_tuned", 0, 1.0),
        ("chosen", 1, 0.5),
    ]
    assert best["fine_tuned"]["accuracies"]["test"] == 0.6
    assert best["fine_tuned"]["accuracies"]["mean of shifts"] == pytest.approx(0.3)
    assert best["chosen"]["accuracies"]["shift 1"] == 0.6
    without = dataclasses.replace(results, sets=results.sets[1:], accuracies=values[:, 1:])
    assert best_runs(without) == {}
