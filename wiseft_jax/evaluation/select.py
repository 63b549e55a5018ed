"""Choose alpha: by a rule, on validation rows only, unless another dataset is named on purpose."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.results import Row

logger = logging.getLogger(__name__)

DEFAULT_ALPHA = 0.5


@dataclasses.dataclass(frozen=True)
class Point:
    """An accuracy at an alpha, as exact counts."""

    alpha: float
    hits: int
    n: int

    @property
    def value(self) -> float:
        """The accuracy, a fraction."""
        return self.hits / self.n


@dataclasses.dataclass(frozen=True)
class RuleSpec:
    """One way to choose alpha.

    Attributes:
      summary: What the rule says, to be read after "alpha is".
      choose: ``points (by rising alpha, never empty) -> alpha``.
      needs_rows: Whether it looks at accuracies; if not, ``choose`` may be given no points.
    """

    summary: str
    choose: Callable[[Sequence[Point]], float]
    needs_rows: bool = True


@dataclasses.dataclass(frozen=True)
class Selection:
    """The chosen alpha, why, and what it costs.

    Attributes:
      rule: A name of ``RULES``.
      alpha: The coefficient to ship.
      dataset: What the rule looked at, or what its choice is judged on; None without such a set.
      split: The split of ``dataset``.
      role: The role of ``dataset``.
      n: Examples in ``dataset``.
      value: Accuracy of ``dataset`` at ``alpha``; None when ``alpha`` was not evaluated.
      best: The best accuracy of ``dataset`` on the grid.
      best_alpha: The smallest alpha that reaches ``best``.
      named: Whether the dataset was named by ``select_on``.
    """

    rule: str
    alpha: float
    dataset: str | None = None
    split: str | None = None
    role: str | None = None
    n: int = 0
    value: float | None = None
    best: float | None = None
    best_alpha: float | None = None
    named: bool = False

    @property
    def cost(self) -> float | None:
        """Accuracy given up against the best alpha on ``dataset``, a fraction >= 0."""
        return None if self.value is None or self.best is None else self.best - self.value

    @property
    def held_out(self) -> bool:
        """Whether the choice saw nothing that is reported on: validation only, or no set at all."""
        return not RULES[self.rule].needs_rows or (self.split, self.role) == (
            "validation",
            "reference",
        )

    @property
    def reason(self) -> str:
        """The choice in words, after "alpha = 0.5: "; says so if the set was not held out."""
        text = RULES[self.rule].summary
        if self.dataset is not None:
            text += f"; {self._judgement(f'{self.dataset} ({self.split}, n = {self.n})')}"
        if not self.held_out:
            text += (
                f". It was chosen ON {self.dataset} ({self.split}, {self.role}): accuracies there"
                " are optimistic"
            )
        return text + "."

    @property
    def sentence(self) -> str:
        """The choice in words: alpha, rule, cost."""
        return f"alpha = {self.alpha:g}: {self.reason}"

    def _judgement(self, where: str) -> str:
        if self.value is None or self.cost is None:
            return f"its accuracy on {where} was not measured"
        below = f"{100 * self.cost:.1f} points below the best there (alpha = {self.best_alpha:g})"
        return f"{100 * self.value:.1f} % on {where}, {below if self.cost else 'the best there'}"

    def facts(self) -> dict[str, Any]:
        """Return everything as plain JSON values, for reports and ``--json``."""
        return dataclasses.asdict(self) | {
            "cost": self.cost,
            "held_out": self.held_out,
            "reason": self.reason,
            "sentence": self.sentence,
        }


def _constant(points: Sequence[Point]) -> float:
    return DEFAULT_ALPHA


def _best(points: Sequence[Point]) -> float:
    # max keeps the first of equals: the smallest alpha, the one closest to zero-shot.
    return max(points, key=lambda point: point.hits / point.n).alpha


def smallest_within(points: Sequence[Point], epsilon: float) -> float:
    """Return the smallest alpha whose accuracy is at most ``epsilon`` below the best.

    Args:
      points: Accuracies by rising alpha, never empty.
      epsilon: A fraction; 0.01 is one point. Its decimal digits are taken at their word, so that
        exactly one point below still counts.
    """
    best = max(points, key=lambda point: point.hits / point.n)
    least = Fraction(best.hits, best.n) - Fraction(str(epsilon))
    return next(point.alpha for point in points if Fraction(point.hits, point.n) >= least)


def _smallest_within_one_point(points: Sequence[Point]) -> float:
    return smallest_within(points, 0.01)


RULES: dict[str, RuleSpec] = {
    "constant": RuleSpec("the paper's default, 0.5", _constant, needs_rows=False),
    "validation_best": RuleSpec(
        "the most accurate (of equals the smallest, the closest to zero-shot)",
        _best,
    ),
    "smallest_within_one_point": RuleSpec(
        "the smallest within 1 point of the most accurate", _smallest_within_one_point
    ),
}
"""Rule name -> how it chooses."""


def select_alpha(
    rows: Sequence[Row], rule: str = "constant", *, select_on: str | None = None
) -> Selection:
    """Choose alpha by ``rule``.

    Only rows of the split ``validation`` and the role ``reference`` may choose. A test set, a
    training set or a shift chooses only when ``select_on`` names it; a warning then says so.

    Args:
      rows: Top-1 rows of any datasets, splits and alphas.
      rule: A name of ``RULES``. ``"constant"`` needs no rows: 0.5 stands even if it is not on the
        grid (its accuracy is then unknown), and its cost is told where there are rows to judge by.
      select_on: The name of the dataset to choose on.

    Returns:
      The selection. Ties go to the smallest alpha.

    Raises:
      InputError: Unknown rule or dataset; no validation rows, or several validation sets, and no
        ``select_on``.
    """
    if rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    spec = RULES[rule]
    chosen = _rows_to_choose_on(rows, spec.needs_rows, rule, select_on)
    points = _points(chosen)
    if spec.needs_rows and not points:
        raise InputError(f"rule {rule!r}: {chosen[0]['dataset']} has no labelled examples")
    alpha = spec.choose(points)
    if not points:
        return Selection(rule, alpha, named=select_on is not None)
    at_alpha = [point.value for point in points if point.alpha == alpha]
    best = max(points, key=lambda point: point.value)
    row = chosen[0]
    selection = Selection(
        rule=rule,
        alpha=alpha,
        dataset=row["dataset"],
        split=row["split"],
        role=row["role"],
        n=best.n,
        value=at_alpha[0] if at_alpha else None,
        best=best.value,
        best_alpha=best.alpha,
        named=select_on is not None,
    )
    if not at_alpha:
        logger.warning("alpha = %g is not on the grid; its accuracy was not measured", alpha)
    if not selection.held_out:
        logger.warning("%s", selection.sentence)
    return selection


def _rows_to_choose_on(
    rows: Sequence[Row], needed: bool, rule: str, select_on: str | None
) -> list[Row]:
    rows = [row for row in rows if row["metric"] == "top1"]
    if select_on is not None:
        names = {row["dataset"] for row in rows}
        if select_on not in names:
            raise unknown_name("dataset to select on", select_on, names)
        named = [row for row in rows if row["dataset"] == select_on]
        splits = sorted({row["split"] for row in named})
        if len(splits) > 1:
            raise InputError(f"select_on {select_on!r} names several splits: {', '.join(splits)}")
        return named
    pool = [row for row in rows if row["split"] == "validation" and row["role"] == "reference"]
    names = sorted({row["dataset"] for row in pool})
    if len(names) == 1:
        return pool
    if not needed:
        return []
    if names:
        raise InputError(
            f"rule {rule!r}: there are several validation sets ({', '.join(names)});"
            " say which with select_on=NAME (--select-on NAME)"
        )
    others = ", ".join(sorted({row["dataset"] for row in rows})) or "none"
    raise InputError(
        f"rule {rule!r} chooses on a validation set of the reference, and there is none; choosing"
        " on a test set or a shift makes its numbers optimistic, so name it with select_on=NAME"
        f" (--select-on NAME) if you mean to. Datasets: {others}"
    )


def _points(rows: Sequence[Row]) -> list[Point]:
    points = {
        row["alpha"]: Point(row["alpha"], round(row["value"] * row["n"]), row["n"])
        for row in sorted(rows, key=lambda row: row["method"])  # "direct" replaces "curve"
        if row["n"] > 0
    }
    return [points[alpha] for alpha in sorted(points)]
