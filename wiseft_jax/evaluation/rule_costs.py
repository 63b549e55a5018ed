"""Run every rule over the sets at hand: the points it loses against the best alpha of each."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.rules import ALL_RULES, Evidence, PredictAt, Rule

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RuleCost:
    """What one rule gives on one target set.

    Attributes:
      rule: A name of ``ALL_RULES``.
      dataset: The target set.
      split: Its split.
      role: Its role.
      alpha: The alpha that the rule chose; None if it has one for each example, or none at all.
      value: The accuracy with it, a fraction; None when it isn't known.
      n: Labelled examples.
      ci_low: Lower end of the exact 95 % interval of ``value``.
      ci_high: Upper end.
      best: The best accuracy of the target on the grid.
      missing: Why there is no value, in words; empty if there is one.
    """

    rule: str
    dataset: str
    split: Split
    role: Role
    alpha: float | None
    value: float | None
    n: int
    ci_low: float | None
    ci_high: float | None
    best: float
    missing: str = ""

    @property
    def points_lost(self) -> float | None:
        """Percentage points below the best alpha; negative if a rule by example does better."""
        return None if self.value is None else 100 * (self.best - self.value)

    def facts(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return dataclasses.asdict(self) | {"points_lost": self.points_lost}


def benchmark_rules(
    predictions: Mapping[str, Predictions],
    *,
    rules: Sequence[str] = tuple(ALL_RULES),
    targets: Sequence[str] | None = None,
    select_on: str | None = None,
    epsilon: float = 0.01,
    predict_at: Mapping[str, PredictAt] | None = None,
) -> list[RuleCost]:
    """Return what each rule costs on each target set.

    Args:
      predictions: By dataset name, of one sweep: ``SweepResult.predictions``.
      rules: Names of ``ALL_RULES``.
      targets: The sets to choose for; by default all test sets.
      select_on: The set that rules on validation data choose on, when it isn't the only validation
        set of the reference; naming another one makes numbers there optimistic, and is said.
      epsilon: For ``smallest_within``, a fraction.
      predict_at: By target, how to run each image at its own alpha (``per_example.predictors``).

    Returns:
      One entry for each rule and target; with ``missing`` where a rule can't see what it needs.

    Raises:
      InputError: Unknown rule or dataset; no target; several validation sets and no ``select_on``.

    Example:
      >>> mean_points_lost(benchmark_rules(result.predictions))["constant"]
      0.5
    """
    for rule in rules:
        if rule not in ALL_RULES:
            raise unknown_name("rule", rule, ALL_RULES)
    validation = find_validation(predictions, select_on)
    if targets is None:
        targets = [name for name, each in predictions.items() if each.split == "test"]
    if not targets:
        raise InputError("rules need a target set: there is no test set, and none is named")
    costs = []
    for target in targets:
        if target not in predictions:
            raise unknown_name("dataset", target, predictions)
        evidence = Evidence(
            predictions[target], validation, (predict_at or {}).get(target), epsilon
        )
        if not evidence.has("target_labels"):
            raise InputError(f"{target}: no label, so the cost of a rule there is unknown")
        costs += [apply_rule(rule, evidence) for rule in rules]
    return costs


def apply_rule(name: str, evidence: Evidence) -> RuleCost:
    """Return what the rule ``name`` gives for ``evidence.target``."""
    rule, target = ALL_RULES[name], evidence.target
    labelled = target.labels >= 0
    best = max(target.accuracy(index).compute() for index in range(len(target.alphas)))
    alpha, count, missing = None, None, rule.missing(evidence)
    if missing:
        missing = f"missing: {missing}"
    elif rule.correct is not None:
        count = Accuracy.of(rule.correct(evidence)[labelled])
    else:
        alpha = _chosen(rule, evidence)
        if alpha in target.alphas:
            count = target.accuracy(target.alphas.index(alpha))
        else:
            missing = f"alpha = {alpha:g} was not evaluated"
    low, high = count.interval() if count else (None, None)
    return RuleCost(
        rule=name,
        dataset=target.dataset,
        split=target.split,
        role=target.role,
        alpha=alpha,
        value=count.compute() if count else None,
        n=int(np.sum(labelled)),
        ci_low=low,
        ci_high=high,
        best=best,
        missing=missing,
    )


def _chosen(rule: Rule, evidence: Evidence) -> float:
    assert rule.alpha is not None, "a rule has an alpha or is by example"
    return rule.alpha(evidence)


def mean_points_lost(costs: Sequence[RuleCost], *, role: Role = "shift") -> dict[str, float | None]:
    """Return rule -> the mean of the points lost on the sets of ``role``; None if one is unknown.

    Sets count alike, whatever their size (as the paper's "avg. shifts"). Empty without such sets.
    """
    lost: dict[str, list[float | None]] = {}
    for cost in costs:
        if cost.role == role:
            lost.setdefault(cost.rule, []).append(cost.points_lost)
    return {
        rule: None if None in each else float(np.mean([x for x in each if x is not None]))
        for rule, each in lost.items()
    }


def find_validation(
    predictions: Mapping[str, Predictions], select_on: str | None = None
) -> Predictions | None:
    """Return the set that rules may choose on: of the split validation and the role reference.

    Args:
      predictions: By dataset name.
      select_on: Names another set on purpose; a warning says what that means.

    Returns:
      None if there is no such set.

    Raises:
      InputError: Unknown name; several such sets, and none is named.
    """
    held_out = {
        name: each
        for name, each in predictions.items()
        if (each.split, each.role) == ("validation", "reference")
    }
    if select_on is not None:
        if select_on not in predictions:
            raise unknown_name("dataset to select on", select_on, predictions)
        if select_on not in held_out:
            logger.warning("rules choose ON %s: accuracies there are optimistic", select_on)
        return predictions[select_on]
    if len(held_out) > 1:
        raise InputError(
            f"there are several validation sets ({', '.join(sorted(held_out))});"
            " say which with select_on=NAME (--select-on NAME)"
        )
    return next(iter(held_out.values()), None)
