"""Costs of rules over runs and shifts against loops over NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.studies.grids import grid_results, predictions
from wiseft_jax.evaluation.rules import ALL_RULES
from wiseft_jax.studies.grid_rules import (
    FIXED_BY_OTHERS,
    best_fixed,
    compared,
    costs_of_run,
    fixed_by_others,
    rules_facts,
)

ALPHAS = (0.0, 0.5, 1.0)
RUNS, SHIFTS, N = 4, 3, 40


def made_runs(seed: int = 0) -> list[dict[str, Any]]:
    """Predictions of each run on a validation set, a test set and three shifts."""
    rng = np.random.default_rng(seed)
    kinds = [("validation", "validation", "reference"), ("test", "test", "reference")]
    kinds += [(f"shift {place}", "test", "shift") for place in range(SHIFTS)]
    return [
        {
            name: predictions(rng.random((3, N)) < rng.uniform(0.3, 0.9), ALPHAS, name, *kind)
            for name, *kind in kinds
        }
        for _ in range(RUNS)
    ]


def facts_of(runs: list[dict[str, Any]]) -> tuple[np.ndarray, dict[str, Any]]:
    accuracies = np.array(
        [[[each.accuracy(a).compute() for a in range(3)] for each in run.values()] for run in runs]
    )
    facts = rules_facts(grid_results(accuracies, ALPHAS), [costs_of_run(run) for run in runs])
    assert facts is not None
    return accuracies[:, 2:], facts


def jackknifed(values: list[float], whole: float) -> tuple[float, float]:
    k = len(values)
    error = np.sqrt((k - 1) / k * sum((v - np.mean(values)) ** 2 for v in values))
    width = stats.t.ppf(0.975, k - 1) * error
    return whole - width, whole + width


def test_losses_are_means_over_runs_and_shifts_with_jackknife_intervals() -> None:
    runs = made_runs()
    curves, facts = facts_of(runs)
    validation = [[run["validation"].accuracy(a).hits for a in range(3)] for run in runs]
    chosen = [int(np.argmax(each)) for each in validation]
    wanted = {
        "constant": [[curves[m, d, 1] for d in range(SHIFTS)] for m in range(RUNS)],
        "validation_best": [[curves[m, d, chosen[m]] for d in range(SHIFTS)] for m in range(RUNS)],
        "oracle": [[max(curves[m, d]) for d in range(SHIFTS)] for m in range(RUNS)],
    }

    def lost(values: Any, ms: Any, ds: Any, fixed: bool) -> float:
        ms, ds = list(ms), list(ds)
        best = [np.mean([curves[m, d, a] for m in ms for d in ds]) for a in range(3)]
        star = int(np.argmax(best))
        against = [curves[m, d, star] if fixed else max(curves[m, d]) for m in ms for d in ds]
        return 100 * float(np.mean(against) - np.mean([values[m][d] for m in ms for d in ds]))

    for name, values in wanted.items():
        rule = facts["rules"][name]
        for key, fixed in (("against_oracle", False), ("against_fixed", True)):
            whole = lost(values, range(RUNS), range(SHIFTS), fixed)
            assert rule[key]["value"] == pytest.approx(whole, abs=1e-9)
            without = [
                lost(values, range(RUNS), [d for d in range(SHIFTS) if d != out], fixed)
                for out in range(SHIFTS)
            ]
            assert rule[key]["over_shifts"] == pytest.approx(jackknifed(without, whole), abs=1e-8)
            without = [
                lost(values, [m for m in range(RUNS) if m != out], range(SHIFTS), fixed)
                for out in range(RUNS)
            ]
            assert rule[key]["over_runs"] == pytest.approx(jackknifed(without, whole), abs=1e-8)
        for d in range(SHIFTS):
            own = 100 * np.mean([max(curves[m, d]) - values[m][d] for m in range(RUNS)])
            assert rule["by_shift"][f"shift {d}"] == pytest.approx(own, abs=1e-9)
    assert facts["rules"]["oracle"]["against_oracle"]["value"] == 0
    assert facts["rules"]["oracle"]["bound"]
    assert facts["best_fixed_alpha"] == ALPHAS[int(curves.mean(axis=(0, 1)).argmax())]


def test_the_alpha_of_the_other_shifts_never_sees_the_labels_of_its_own() -> None:
    curves, facts = facts_of(made_runs(1))
    for out in range(SHIFTS):
        others = [d for d in range(SHIFTS) if d != out]
        best = ALPHAS[int(curves[:, others].mean(axis=(0, 1)).argmax())]
        assert facts[FIXED_BY_OTHERS][f"shift {out}"] == best
        changed = curves.copy()
        changed[:, out] = np.random.default_rng(out).random((RUNS, 3))
        assert fixed_by_others(changed)[out] == fixed_by_others(curves)[out]
    values = [curves[:, d, ALPHAS.index(facts[FIXED_BY_OTHERS][f"shift {d}"])] for d in range(3)]
    wanted = 100 * np.mean(curves.max(axis=2) - np.stack(values, axis=1))
    assert facts["rules"][FIXED_BY_OTHERS]["against_oracle"]["value"] == pytest.approx(wanted)


def test_a_fixed_alpha_is_never_above_the_best_fixed_one_nor_any_rule_above_the_oracle() -> None:
    for seed in range(5):
        _, facts = facts_of(made_runs(seed))
        for name, rule in facts["rules"].items():
            if rule["missing"] or name == "oracle_by_example":
                continue
            if name != "dawin_on_grid":  # which has an alpha for each image
                assert rule["against_oracle"]["value"] >= 0
        assert facts["rules"]["constant"]["against_fixed"]["value"] >= 0


def test_every_rule_is_there_and_what_is_missing_is_said() -> None:
    _, facts = facts_of(made_runs())
    assert facts["rules"].keys() == {*ALL_RULES, FIXED_BY_OTHERS}
    missing = {name for name, rule in facts["rules"].items() if rule["missing"]}
    assert missing == {"dawin"}
    assert "the two models" in facts["rules"]["dawin"]["missing"]
    assert facts["rules"]["dawin"]["against_oracle"] is None
    assert facts["rules"]["dawin_on_grid"]["mean_alpha"] is None
    assert facts["rules"]["constant"]["mean_alpha"] == 0.5


def test_what_dawin_gave_is_taken_from_the_files_of_the_runs() -> None:
    runs = made_runs()
    stored = [
        {
            "rule": rule,
            "dataset": f"shift {place}",
            "value": 0.25,
            "alpha": None,
            "in_sample": False,
            "missing": "",
            "n": N,
        }
        for place in range(SHIFTS)
        for rule in ("dawin", "constant", "of an old version")  # constant is read from predictions
    ]
    costs = [costs_of_run(run, stored=stored) for run in runs]
    assert "of an old version" not in {rule for rule, _ in costs[0]}
    assert costs[0]["dawin", "shift 1"]["value"] == 0.25
    assert costs[0]["constant", "shift 1"]["value"] == runs[0]["shift 1"].accuracy(1).compute()
    accuracies = np.full((RUNS, 2 + SHIFTS, 3), 0.5)
    facts = rules_facts(grid_results(accuracies, ALPHAS), costs)
    assert facts is not None
    dawin = facts["rules"]["dawin"]
    assert (dawin["against_oracle"]["value"], dawin["missing"]) == (25.0, "")
    some = rules_facts(grid_results(accuracies, ALPHAS), [*costs[:3], costs_of_run(runs[3])])
    assert some is not None
    assert some["rules"]["dawin"]["against_oracle"] is None  # a run has none


def test_of_one_shift_there_is_no_interval_over_shifts() -> None:
    curves = np.random.default_rng(0).random((RUNS, 1, 3))
    found = compared(curves[:, :, 1], curves, ["shift"])
    assert found["against_oracle"]["over_shifts"] is None
    assert found["against_oracle"]["over_runs"] is not None
    facts = rules_facts(grid_results(np.full((2, 3, 3), 0.5), ALPHAS), [{}, {}])
    assert facts is not None
    assert facts["rules"][FIXED_BY_OTHERS]["missing"] == "there is no other shift"
    assert rules_facts(grid_results(np.full((2, 2, 3), 0.5), ALPHAS), [{}, {}]) is None


def test_ties_go_to_the_smallest_alpha() -> None:
    assert best_fixed(np.full((2, 3, 4), 0.5)) == 0
    assert fixed_by_others(np.full((2, 3, 4), 0.5)) == [0, 0, 0]
