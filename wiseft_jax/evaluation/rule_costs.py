"""Run every rule over the sets at hand: the points it loses against the best alpha of each.

Their intervals are those of the paired bootstrap (Efron, Tibshirani 1993): images are drawn again,
each with both results, the rule's and that of the alpha with the most hits on the set. Both alphas
are kept as they are, so the interval tells how sure this difference is, not how the rule would
choose on other images. Nor is it an interval of the loss against the truly best alpha: the one that
is best on the images at hand is best there by luck too, most of all where many alphas are nearly as
good. In simulations of such a flat top it held that loss in 71 to 85 % of the cases, elsewhere in
89 to 100 %.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.paired import drawn_differences
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.rules import ALL_RULES, Evidence, PredictAt, Rule

logger = logging.getLogger(__name__)

SAMPLES = 2_000
"""Bootstrap samples."""
CONFIDENCE = 0.95
"""Coverage of each interval, not of all at once."""


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
      in_sample: Whether the rule saw labels of this very set, so that the loss is optimistic.
      missing: Why there is no value, in words; empty if there is one.
      lost: float64[S], the points lost in each bootstrap sample; None without a value.
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
    in_sample: bool
    missing: str = ""
    lost: Float64[np.ndarray, " S"] | None = dataclasses.field(
        default=None, repr=False, compare=False
    )

    @property
    def points_lost(self) -> float | None:
        """Percentage points below the best alpha; negative if a rule by example does better."""
        return None if self.value is None else 100 * (self.best - self.value)

    @property
    def lost_interval(self) -> tuple[float, float] | None:
        """The interval of ``points_lost``, in points; None without a value."""
        return None if self.lost is None else _interval(self.lost)

    def facts(self) -> dict[str, Any]:
        """Return everything but the draws as plain JSON values."""
        fields = dataclasses.asdict(dataclasses.replace(self, lost=None))
        del fields["lost"]
        low, high = self.lost_interval or (None, None)
        return fields | {"points_lost": self.points_lost, "lost_low": low, "lost_high": high}


def _interval(draws: Float64[np.ndarray, " S"]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def benchmark_rules(
    predictions: Mapping[str, Predictions],
    *,
    rules: Sequence[str] = tuple(ALL_RULES),
    targets: Sequence[str] | None = None,
    select_on: str | None = None,
    predict_at: Mapping[str, PredictAt] | None = None,
    seed: int = 0,
) -> list[RuleCost]:
    """Return what each rule costs on each target set.

    Args:
      predictions: By dataset name, of one sweep: ``SweepResult.predictions``.
      rules: Names of ``ALL_RULES``.
      targets: The sets to choose for; by default all test sets.
      select_on: The set that rules on validation data choose on, when it isn't the only validation
        set of the reference; naming another one makes numbers there optimistic, and is said.
      predict_at: By target, how to run each image at its own alpha (``per_example.predictors``).
      seed: Seed of the bootstrap.

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
        evidence = Evidence(predictions[target], validation, (predict_at or {}).get(target))
        if not evidence.has("target_labels"):
            raise InputError(f"{target}: no label, so the cost of a rule there is unknown")
        costs += [apply_rule(rule, evidence, seed=seed) for rule in rules]
    return costs


def apply_rule(name: str, evidence: Evidence, *, seed: int = 0) -> RuleCost:
    """Return what the rule ``name`` gives for ``evidence.target``.

    Args:
      name: A name of ``ALL_RULES``.
      evidence: What the rule may see.
      seed: Seed of the bootstrap.
    """
    rule, target = ALL_RULES[name], evidence.target
    labelled = target.labels >= 0
    known = np.asarray(target.correct[:, labelled])
    place = int(known.sum(axis=1).argmax())
    alpha, right, missing = None, None, rule.missing(evidence)
    if missing:
        missing = f"missing: {missing}"
    elif rule.correct is not None:
        right = np.asarray(rule.correct(evidence)[labelled])
    else:
        alpha = _chosen(rule, evidence)
        if alpha in target.alphas:
            right = known[target.alphas.index(alpha)]
        else:
            missing = f"alpha = {alpha:g} was not evaluated"
    count = None if right is None else Accuracy.of(right)
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
        best=Accuracy.of(known[place]).compute(),
        in_sample=_is_in_sample(rule, evidence),
        missing=missing,
        lost=None if right is None else _lost(known[place], right, seed, target.dataset),
    )


def _lost(
    best: Bool[np.ndarray, " N"], right: Bool[np.ndarray, " N"], seed: int, dataset: str
) -> Float64[np.ndarray, " S"]:
    drawn = drawn_differences(
        np.stack([best, right]), 0, samples=SAMPLES, seed=seed, stream=dataset
    )
    return -100 * drawn[:, 1] + 0.0  # + 0.0 turns -0.0 into 0.0


def _is_in_sample(rule: Rule, evidence: Evidence) -> bool:
    """Return whether the rule reads labels of the set that it is judged on."""
    if rule.is_bound:
        return True
    reads = any(need.startswith("validation") for need in rule.needs)
    if not reads or evidence.validation is None:
        return False
    return evidence.validation.dataset == evidence.target.dataset


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


def mean_intervals(
    costs: Sequence[RuleCost], *, role: Role = "shift"
) -> dict[str, tuple[float, float] | None]:
    """Return rule -> the interval of ``mean_points_lost``, in points; None if one is unknown.

    The sets are drawn independently of each other, which sets made from the same images are not.
    """
    draws: dict[str, list[Any]] = {}
    for cost in costs:
        if cost.role == role:
            draws.setdefault(cost.rule, []).append(cost.lost)
    return {
        rule: None if any(x is None for x in each) else _interval(np.mean(each, axis=0))
        for rule, each in draws.items()
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
