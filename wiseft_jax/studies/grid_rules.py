"""What every rule for choosing alpha costs over all runs and shifts of a study.

For run m of M, shift d of D and a rule r with accuracy ``v_r(m, d)`` on the shift, in points:

- against the oracle of each shift: ``R_r = mean_{m,d} [max_alpha a(m, d, alpha) - v_r(m, d)]``;
- against the best fixed alpha: ``F_r = mean_{m,d} [a(m, d, alpha*) - v_r(m, d)]`` with
  ``alpha* = argmax_alpha mean_{m,d} a(m, d, alpha)``, one alpha for all, known in hindsight.

Both have two jackknife intervals (``core.jackknife``): one leaves out a shift at a time, one a run
at a time. ``alpha*`` is found anew each time. The first tells how far the number would carry over
to other shifts of this kind, with the runs as they are; the second to other configurations, with
the shifts as they are. The alpha of the last row is fixed too, for each shift by the other shifts:
what a user gets who has labels of some shifts and meets another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from wiseft_jax.core.jackknife import jackknife
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.studies.grid_results import GridResults

if TYPE_CHECKING:
    from wiseft_jax.evaluation.rule_costs import RuleCost

FIXED_BY_OTHERS = "fixed_by_other_shifts"
"""The name of the alpha that is fixed, for each shift, by the labels of the others."""

OTHER_MODEL = "target_model"


def costs_of_run(
    predictions: Mapping[str, Predictions],
    *,
    select_on: str | None = None,
    stored: Sequence[Mapping[str, Any]] = (),
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return (rule, shift) -> what the rule gives on the shift, from what a run predicted.

    Rules that run the model itself (DaWin) are left out, but for what is stored of them.

    Args:
      predictions: By dataset.
      select_on: The set that rules choose on, if it isn't the validation set.
      stored: ``costs`` of the run's ``rules.json``.
    """
    from wiseft_jax.evaluation.rule_costs import benchmark_rules
    from wiseft_jax.evaluation.rules import ALL_RULES

    targets = [
        name for name, each in predictions.items() if (each.split, each.role) == ("test", "shift")
    ]
    if not targets:
        return {}
    rules = [name for name, rule in ALL_RULES.items() if OTHER_MODEL not in rule.needs]
    found = benchmark_rules(predictions, rules=rules, targets=targets, select_on=select_on)
    costs = {(each.rule, each.dataset): _facts(each) for each in found}
    for cost in stored:
        rule = ALL_RULES.get(cost["rule"])  # None: the file is of a version that had another rule
        if rule is not None and OTHER_MODEL in rule.needs and cost["dataset"] in targets:
            own = {name: cost[name] for name in ("value", "alpha", "in_sample", "missing")}
            costs[cost["rule"], cost["dataset"]] = own
    return costs


def _facts(cost: RuleCost) -> dict[str, Any]:
    return {
        "value": cost.value,
        "alpha": cost.alpha,
        "in_sample": cost.in_sample,
        "missing": cost.missing,
    }


def rules_facts(
    results: GridResults,
    runs: Sequence[Mapping[tuple[str, str], Mapping[str, Any]]],
    *,
    confidence: float = 0.95,
) -> dict[str, Any] | None:
    """Return what each rule costs over all runs and shifts; None without a shift.

    Args:
      results: Of the study.
      runs: ``costs_of_run`` of its runs, in their order.
      confidence: Of the intervals.

    Returns:
      ``runs``, ``shifts`` (their names), ``best_fixed_alpha``, ``fixed_by_other_shifts`` (shift ->
      alpha) and ``rules``: for each rule its ``summary``, whether it is a ``bound``,
      ``against_oracle`` and ``against_fixed`` (``value`` in points, ``over_shifts`` and
      ``over_runs``: ends of the intervals, or None), ``by_shift`` (points below the oracle),
      ``mean_alpha``, ``in_sample`` and ``missing``.
    """
    from wiseft_jax.evaluation.rules import ALL_RULES

    places = results.shifts
    if not places:
        return None
    curves = results.accuracies[:, places]
    names = [results.sets[place].name for place in places]
    others = fixed_by_others(curves)
    found = {}
    for name, rule in ALL_RULES.items():
        facts = {"summary": rule.summary, "bound": rule.is_bound}
        costs = [[run.get((name, shift)) for shift in names] for run in runs]
        found[name] = facts | _rule_facts(costs, curves, names, confidence)
    values = np.stack([curves[:, place, at] for place, at in enumerate(others)], axis=1)
    alphas = [results.alphas[at] for at in others]
    found[FIXED_BY_OTHERS] = {
        "summary": "for each shift the best fixed one of the other shifts, with their labels",
        "bound": False,
        "mean_alpha": float(np.mean(alphas)),
        "in_sample": False,
        "missing": "" if len(names) > 1 else "there is no other shift",
        **(compared(values, curves, names, confidence, fixed=True) if len(names) > 1 else _NONE),
    }
    fixed = results.alphas[best_fixed(curves)]
    return {
        "runs": len(results.rows),
        "shifts": names,
        "confidence": confidence,
        "best_fixed_alpha": fixed,
        FIXED_BY_OTHERS: dict(zip(names, alphas, strict=True)) if len(names) > 1 else {},
        "rules": found,
    }


_NONE: dict[str, Any] = {"against_oracle": None, "against_fixed": None, "by_shift": None}


def _rule_facts(
    costs: Sequence[Sequence[Mapping[str, Any] | None]],
    curves: Float64[np.ndarray, "M D A"],
    names: Sequence[str],
    confidence: float,
) -> dict[str, Any]:
    from wiseft_jax.evaluation.rules import NEEDS

    flat = [cost for run in costs for cost in run]
    reasons = [f"missing: {NEEDS[OTHER_MODEL]}" if e is None else e["missing"] for e in flat]
    missing = next((reason for reason in reasons if reason), "")
    known = [cost for cost in flat if cost is not None]
    alphas = [cost["alpha"] for cost in known]
    facts: dict[str, Any] = {
        "mean_alpha": float(np.mean(alphas)) if alphas and None not in alphas else None,
        "in_sample": any(cost["in_sample"] for cost in known),
        "missing": missing,
    }
    if missing:
        return facts | _NONE
    values = np.array([[cost["value"] for cost in run if cost is not None] for run in costs])
    return facts | compared(values, curves, names, confidence)


def compared(
    values: Float64[np.ndarray, "M D"],
    curves: Float64[np.ndarray, "M D A"],
    names: Sequence[str],
    confidence: float = 0.95,
    *,
    fixed: bool = False,
) -> dict[str, Any]:
    """Return the points that models lose against the oracle and against the best fixed alpha.

    Args:
      values: Their accuracies on M runs and D shifts.
      curves: Accuracies at every alpha.
      names: Of the shifts.
      confidence: Of the intervals.
      fixed: Whether the values are of the alpha that the other shifts fix, which then is found
        anew for each part of the runs or shifts.
    """

    def part(runs: np.ndarray, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = curves[np.ix_(runs, shifts)]
        if not fixed:
            return values[np.ix_(runs, shifts)], own
        if len(shifts) == 1:  # of two, one left out: it has no others
            return np.full((len(runs), 1), np.nan), own
        at = fixed_by_others(own)
        return np.stack([own[:, place, index] for place, index in enumerate(at)], axis=1), own

    def against_oracle(runs: np.ndarray, shifts: np.ndarray) -> float:
        own, all_alphas = part(runs, shifts)
        return 100 * float(np.mean(all_alphas.max(axis=2) - own))

    def against_fixed(runs: np.ndarray, shifts: np.ndarray) -> float:
        own, all_alphas = part(runs, shifts)
        return 100 * float(np.mean(all_alphas[:, :, best_fixed(all_alphas)] - own))

    lost = 100 * (curves.max(axis=2) - values).mean(axis=0)
    return {
        "against_oracle": _with_intervals(against_oracle, values.shape, confidence),
        "against_fixed": _with_intervals(against_fixed, values.shape, confidence),
        "by_shift": dict(zip(names, lost.tolist(), strict=True)),
    }


def _with_intervals(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    shape: tuple[int, ...],
    confidence: float,
) -> dict[str, Any]:
    runs, shifts = np.arange(shape[0]), np.arange(shape[1])
    over = {
        "over_shifts": jackknife(lambda kept: statistic(runs, kept), len(shifts), confidence),
        "over_runs": jackknife(lambda kept: statistic(kept, shifts), len(runs), confidence),
    }
    facts: dict[str, Any] = {"value": over["over_runs"].value}
    for name, found in over.items():
        known = found.low is not None and np.isfinite(found.low)
        facts[name] = [found.low, found.high] if known else None
    return facts


def best_fixed(curves: Float64[np.ndarray, "M D A"]) -> int:
    """Return the place of the alpha with the best mean accuracy; of equals the first."""
    return int(curves.mean(axis=(0, 1)).argmax())


def fixed_by_others(curves: Float64[np.ndarray, "M D A"]) -> list[int]:
    """Return for each shift the place of the best fixed alpha of the others; 0 where none is."""
    by_shift = curves.mean(axis=0)
    if len(by_shift) == 1:
        return [0]
    others = [np.delete(by_shift, place, axis=0) for place in range(len(by_shift))]
    return [int(each.mean(axis=0).argmax()) for each in others]
