"""A run against the paper's table: each accuracy minus the paper's, with the run's interval."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from wiseft_jax.core.errors import InputError, few
from wiseft_jax.core.results import Row
from wiseft_jax.reporting.paper_numbers import (
    IMAGENET_SHIFTS,
    OBJECTNET_CAVEAT,
    ROUNDED_TO,
    SET_SIZES,
    PaperNumber,
    numbers_of,
    presets_with_numbers,
)
from wiseft_jax.reporting.series import MEAN_OF_SHIFTS, Series, all_series, mean_of

ZERO_SHOT_TOLERANCE = ROUNDED_TO / 2 + 0.001
"""At alpha 0 nothing is trained: the paper's rounding, and 0.1 points for numerics.

Precision, decoding and resizing differ. The paper's own zero-shot numbers of ViT-B/16 are 68.3 and
68.4.
"""

_SAME_ALPHA = 1e-9
_ROUNDING = 1e-9
_OBJECTNET = "objectnet-test"
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Compared:
    """One accuracy of a run beside the paper's; fractions.

    Attributes:
      paper: What the paper reports.
      value: The run's accuracy.
      n: Its images; of the mean, those of all five shifts.
      low: Lower end of the run's 95 % interval: Clopper-Pearson; of the mean, combined from the
        shifts' as ``series.mean_of`` does.
      high: Its upper end.
    """

    paper: PaperNumber
    value: float
    n: int
    low: float
    high: float

    @property
    def difference(self) -> float:
        """The run's accuracy minus the paper's."""
        return self.value - self.paper.value

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the difference: the run's, minus the paper's number, taken as exact."""
        return self.low - self.paper.value, self.high - self.paper.value

    @property
    def tolerance(self) -> float | None:
        """What a zero-shot difference on the paper's images is held to; None: the interval is.

        The interval counts the sampling of images, and where nothing was trained and the images are
        the same there is none.
        """
        sizes = SET_SIZES | {MEAN_OF_SHIFTS: sum(SET_SIZES[name] for name in IMAGENET_SHIFTS)}
        same_images = self.n == sizes.get(self.paper.dataset)
        return ZERO_SHOT_TOLERANCE if self.paper.alpha == 0 and same_images else None

    @property
    def verdict(self) -> str:
        """``"within the tolerance"`` or ``"within the interval"``; else ``"above"``, ``"below"``.

        The paper's rounding is allowed for in both.
        """
        if self.tolerance is not None:
            within, slack = "within the tolerance", self.tolerance + _ROUNDING
            low = high = self.difference
        else:
            within, slack = "within the interval", ROUNDED_TO / 2
            low, high = self.interval
        if low > slack:
            return "above"
        return "below" if high < -slack else within

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        low, high = self.interval
        return {
            "dataset": self.paper.dataset,
            "alpha": self.paper.alpha,
            "value": self.value,
            "n": self.n,
            "ci_low": self.low,
            "ci_high": self.high,
            "paper": self.paper.value,
            "difference": self.difference,
            "difference_low": low,
            "difference_high": high,
            "tolerance": self.tolerance,
            "verdict": self.verdict,
            "source": self.paper.source,
        }


@dataclasses.dataclass(frozen=True)
class Missing:
    """What the paper has of a set, and the run hasn't.

    Attributes:
      dataset: The set.
      alphas: At which alphas.
      why: Why not.
    """

    dataset: str
    alphas: tuple[float, ...]
    why: str

    def __str__(self) -> str:
        return f"{self.dataset} at alpha {_listed(self.alphas)}: {self.why}"


@dataclasses.dataclass(frozen=True)
class AgainstPaper:
    """A run against one experiment of the paper.

    Attributes:
      preset: The experiment's preset.
      compared: What both have, in the paper's order.
      missing: What only the paper has.
      other_sizes: ``"set has N images, ..."`` of sets that aren't the published ones.
    """

    preset: str
    compared: tuple[Compared, ...]
    missing: tuple[Missing, ...]
    other_sizes: tuple[str, ...]

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is known to be in the differences beside the run, or may be: sentences."""
        counted = {_OBJECTNET, MEAN_OF_SHIFTS} & {each.paper.dataset for each in self.compared}
        return (OBJECTNET_CAVEAT,) if counted else ()


def against_paper(rows: Sequence[Row], preset: str) -> AgainstPaper:
    """Compare a run's top-1 rows of test sets with what the paper reports.

    Args:
      rows: Of ``results.jsonl``.
      preset: Whose numbers.

    Raises:
      InputError: No numbers of the preset are recorded, or the run has none of the sets or alphas.

    Example:
      >>> against_paper(read_rows("runs/mine"), "imagenet/vit_b16").compared[0].difference
    """
    numbers = numbers_of(preset)
    if not numbers:
        raise InputError(
            f"{preset}: no numbers of the paper are recorded; they are of"
            f" {', '.join(presets_with_numbers())}"
        )
    series = {each.name: each for each in all_series(rows) if each.split == "test"}
    found = dict(series)
    lacking = [name for name in IMAGENET_SHIFTS if name not in series]
    mean = None if lacking else mean_of([series[name] for name in IMAGENET_SHIFTS])
    if mean is not None:
        found[MEAN_OF_SHIFTS] = mean
    compared: list[Compared] = []
    missing: dict[tuple[str, str], list[float]] = {}
    for number in numbers:
        why = _missing(number, found, lacking)
        if why is None:
            compared.append(_compare(number, found[number.dataset]))
        else:
            missing.setdefault((number.dataset, why), []).append(number.alpha)
    if not compared:
        raise InputError(
            f"nothing to compare with the paper's {preset}: it has"
            f" {few(list(dict.fromkeys(number.dataset for number in numbers)))} at alpha"
            f" {_few({number.alpha for number in numbers})}. The run has the test sets"
            f" {few(list(series)) or 'none'} at alpha"
            f" {_few({alpha for each in series.values() for alpha in each.points})}."
            " A set counts by its name: --data.test imagenet-val=SPEC gives it one"
        )
    return AgainstPaper(
        preset,
        tuple(compared),
        tuple(Missing(dataset, tuple(alphas), why) for (dataset, why), alphas in missing.items()),
        tuple(
            f"{name} has {series[name].n:,} images, the published set {size:,}"
            for name, size in SET_SIZES.items()
            if name in series and series[name].n != size
        ),
    )


def _missing(number: PaperNumber, found: dict[str, Series], lacking: Sequence[str]) -> str | None:
    """Return why the run hasn't got a number of the paper's, or None."""
    if number.dataset not in found:
        if number.dataset == MEAN_OF_SHIFTS:
            return f"the run lacks {', '.join(lacking)}"
        return "not among the run's test sets"
    return None if _at(found[number.dataset], number.alpha) is not None else "not evaluated"


def _compare(number: PaperNumber, series: Series) -> Compared:
    alpha = _at(series, number.alpha)
    assert alpha is not None
    point = series.points[alpha]
    return Compared(number, point.value, series.n, point.low, point.high)


def _at(series: Series, alpha: float) -> float | None:
    """Return the alpha of a series that is the paper's but for rounding."""
    return next((each for each in series.points if abs(each - alpha) < _SAME_ALPHA), None)


def _listed(alphas: Iterable[float]) -> str:
    return ", ".join(_texts(alphas))


def _few(alphas: Iterable[float]) -> str:
    return few(_texts(alphas), _SHOWN) or "none"


def _texts(alphas: Iterable[float]) -> list[str]:
    return [f"{alpha:g}" for alpha in sorted(alphas)]
