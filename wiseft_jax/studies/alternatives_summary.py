"""What the study of alternatives found: rows with intervals, and what tables and chart are made of.

Every model is asked about the same images, so all that is compared is paired: images of each set
are drawn again, each with all its models and in all sets that show it; other sets are drawn
independently of each other. Differences of two single models have Newcombe's intervals, which have
a width where the two hardly differ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from wiseft_jax.core.analysis_rows import AnalysisRow, add_p_holm, analysis_row
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.paired import drawn_differences, mcnemar
from wiseft_jax.core.paired_intervals import Interval, correlations_of, interval_of_mean, newcombe
from wiseft_jax.core.results import MEAN_OF_SHIFTS
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.same_images import first_with_images
from wiseft_jax.studies.alternatives_config import METHODS

NAME = "alternatives"
SAMPLES = 2_000
"""Bootstrap samples."""
COMPARED_AT = 0.5
"""The alpha of WiSE-FT that everything is compared with: the paper's default."""
_SCHEMA = 1
_ENDS = (0.025, 0.975)


@dataclasses.dataclass(frozen=True)
class Answers:
    """What one model gets right.

    Attributes:
      method: A key of ``METHODS``.
      value: What tells it from others of the method.
      right: Dataset -> bool[N], over its labelled examples.
      config_hash: Of the configuration that made its weights.
    """

    method: str
    value: float
    right: Mapping[str, Bool[np.ndarray, " N"]]
    config_hash: str


def answers_of(
    method: str,
    value: float,
    predictions: Mapping[str, Predictions],
    alpha: float,
    config_hash: str,
) -> Answers:
    """Return what a model of stored predictions gets right.

    Args:
      method: As in ``Answers``.
      value: Likewise.
      predictions: By dataset.
      alpha: Which of their alphas it is.
      config_hash: As in ``Answers``.
    """
    right = {}
    for name, each in predictions.items():
        place = each.alphas.index(alpha)
        right[name] = np.asarray(each.correct[place][each.labels >= 0])
    return Answers(method, value, right, config_hash)


def check_same_images(
    wanted: Mapping[str, Predictions], found: Mapping[str, Predictions], where: str
) -> None:
    """Refuse predictions of other images than those of the standard fine-tuning.

    Raises:
      InputError: Names the set, and where they lie.
    """
    for name, each in wanted.items():
        if name not in found or found[name].ids != each.ids:
            raise InputError(
                f"{where}: its predictions on {name} are not of the same images as those of the"
                " standard fine-tuning; remove that directory and continue the study with --resume"
            )


@dataclasses.dataclass(frozen=True)
class _Point:
    """One place on the chart: a model, or draws of it."""

    method: str
    value: float
    models: tuple[int, ...]
    config_hash: str


def summarise(
    models: Sequence[Answers], sets: Sequence[Predictions], seed: int
) -> tuple[dict[str, Any], list[AnalysisRow]]:
    """Return the facts of the study, and its rows.

    Args:
      models: All of them; draws of one value are one point.
      sets: Labelled sets, of any model: their names, splits and roles.
      seed: Of the bootstrap.

    Returns:
      ``(facts, rows)``: ``facts`` has ``reference`` and ``shifts`` (names and n), ``bootstrap``,
      and ``points``: for each ``method``, ``value``, ``models``, ``reference`` and ``shifts``
      (``value``, ``low``, ``high``), ``against`` (differences to WiSE-FT at 0.5 on both, with
      intervals) and ``beaten_at`` (alphas of the curve that are at least as accurate on both).

    Raises:
      InputError: If there is no reference, or no shift.
    """
    reference, shifts = _axes(sets)
    points = _points(models)
    images = first_with_images(sets)
    drawn = _drawn(models, images, seed)
    exact = {
        each.dataset: np.array([np.mean(model.right[each.dataset]) for model in models])
        for each in sets
    }
    measured = {
        "reference": (exact[reference.dataset], drawn[reference.dataset]),
        "shifts": (
            np.mean([exact[each.dataset] for each in shifts], axis=0),
            np.mean([drawn[each.dataset] for each in shifts], axis=0),
        ),
    }
    compared = next(p for p in points if (p.method, p.value) == ("wise_ft", COMPARED_AT))
    axes = {"reference": [reference.dataset], "shifts": [each.dataset for each in shifts]}
    gains = _Gains(models, drawn, axes, images)
    found = [_facts(point, compared, measured, gains) for point in points]
    _add_beaten(found)
    facts = {
        "schema": _SCHEMA,
        "reference": {"dataset": reference.dataset, "n": _count(reference)},
        "shifts": {each.dataset: _count(each) for each in shifts},
        "compared_at": COMPARED_AT,
        "bootstrap": {"samples": SAMPLES, "seed": seed, "confidence": 0.95},
        "methods": {
            name: {"title": title, "value": what} for name, (title, what) in METHODS.items()
        },
        "points": found,
        "best": _best(points, found, measured["shifts"][0], gains),
    }
    rows = [row for each in sets for row in _rows(each, points, gains, compared, seed)]
    return facts, rows + _mean_rows(points, found, sum(_count(each) for each in shifts), seed)


@dataclasses.dataclass(frozen=True, eq=False)
class _Gains:
    """What intervals of differences are made of: models, draws by set, sets by axis, images."""

    models: Sequence[Answers]
    drawn: Mapping[str, np.ndarray]
    axes: Mapping[str, Sequence[str]]
    images: Mapping[str, str]

    def interval(self, own: _Point, other: _Point, datasets: Sequence[str]) -> Interval:
        """Return that of the mean over sets of own accuracy minus the other's.

        Newcombe's of two models, put together over sets, which correlate where they show the same
        images; of means over draws of a model the paired bootstrap; none of a model and itself.
        """
        if own.models == other.models:
            return 0.0, 0.0
        if len(own.models) == len(other.models) == 1:
            before, after = (self.models[point.models[0]].right for point in (other, own))
            moved = [after[name].astype(np.float64) - before[name] for name in datasets]
            ends = [newcombe(before[name], after[name]) for name in datasets]
            related = correlations_of(moved, [self.images[name] for name in datasets])
            return interval_of_mean([float(each.mean()) for each in moved], ends, related)
        means = [
            [self.drawn[name][:, list(point.models)].mean(axis=1) for point in (own, other)]
            for name in datasets
        ]
        return _interval(np.mean([one - two for one, two in means], axis=0))


def _axes(sets: Sequence[Predictions]) -> tuple[Predictions, list[Predictions]]:
    shifts = [each for each in sets if (each.split, each.role) == ("test", "shift")]
    references = [
        each
        for split in ("test", "validation")
        for each in sets
        if (each.split, each.role) == (split, "reference")
    ]
    if not references or not shifts:
        raise InputError(
            "the study compares accuracy on the reference with accuracy under shift, and there is"
            f" no {'shifted test set' if references else 'set of the reference'}; give"
            f" {'--data.shifts' if references else '--data.test'}"
        )
    return references[0], shifts


def _count(predictions: Predictions) -> int:
    return int(np.sum(predictions.labels >= 0))


def _points(models: Sequence[Answers]) -> list[_Point]:
    places: dict[tuple[str, float], list[int]] = {}
    for place, model in enumerate(models):
        places.setdefault((model.method, model.value), []).append(place)
    found = [
        _Point(method, value, tuple(own), models[own[0]].config_hash)
        for (method, value), own in places.items()
    ]
    order = list(METHODS)
    return sorted(found, key=lambda point: (order.index(point.method), point.value))


def _drawn(
    models: Sequence[Answers], images: Mapping[str, str], seed: int
) -> dict[str, Float64[np.ndarray, "S M"]]:
    """Return for each set each model's accuracy in each bootstrap sample of its images."""
    found = {}
    for first in dict.fromkeys(images.values()):
        names = [name for name, each in images.items() if each == first]
        right = np.stack([model.right[name] for name in names for model in models])
        nothing = np.zeros((1, right.shape[1]), bool)  # a difference to it is an accuracy
        stacked = np.concatenate([nothing, right])
        drawn = drawn_differences(stacked, 0, samples=SAMPLES, seed=seed, stream=first)[:, 1:]
        found |= dict(zip(names, np.split(drawn, len(names), axis=1), strict=True))
    return found


def _interval(drawn: Float64[np.ndarray, " S"]) -> Interval:
    low, high = np.quantile(drawn, _ENDS)
    return float(low), float(high)


def _facts(
    point: _Point,
    compared: _Point,
    measured: Mapping[str, tuple[np.ndarray, np.ndarray]],
    gains: _Gains,
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "method": point.method,
        "value": point.value,
        "models": len(point.models),
        "config_hash": point.config_hash,
        "against": {},
    }
    own, other = list(point.models), list(compared.models)
    for axis, (exact, drawn) in measured.items():
        means = drawn[:, own].mean(axis=1)
        low, high = _interval(means)
        facts[axis] = {"value": float(exact[own].mean()), "low": low, "high": high}
        if len(own) > 1:
            facts[axis]["sd"] = float(exact[own].std(ddof=1))
        low, high = gains.interval(point, compared, gains.axes[axis])
        difference = float(exact[own].mean() - exact[other].mean())
        facts["against"][axis] = {"difference": difference, "low": low, "high": high}
    return facts


def _add_beaten(found: list[dict[str, Any]]) -> None:
    """Add to each point the alphas of WiSE-FT as accurate on both axes, and more so on one."""
    curve = [each for each in found if each["method"] == "wise_ft"]
    for point in found:
        point["beaten_at"] = []
        for other in curve:
            gains = [
                other[axis]["value"] - point[axis]["value"] for axis in ("reference", "shifts")
            ]
            if min(gains) >= 0 and max(gains) > 0:
                point["beaten_at"].append(other["value"])


def _best(
    points: Sequence[_Point],
    found: Sequence[Mapping[str, Any]],
    exact: np.ndarray,
    gains: _Gains,
) -> list[dict[str, Any]]:
    """Return each method's point that is best under shift (an oracle), against WiSE-FT's."""
    best = {}
    for place, each in enumerate(found):
        known = best.get(each["method"])
        if known is None or each["shifts"]["value"] > found[known]["shifts"]["value"]:
            best[each["method"]] = place
    wise_ft, facts = points[best["wise_ft"]], []
    for method, place in best.items():
        own, other = (exact[list(point.models)].mean() for point in (points[place], wise_ft))
        low, high = gains.interval(points[place], wise_ft, gains.axes["shifts"])
        facts.append(
            {
                "method": method,
                "value": found[place]["value"],
                "reference": found[place]["reference"]["value"],
                "shifts": found[place]["shifts"]["value"],
                "difference": float(own - other),
                "low": low,
                "high": high,
            }
        )
    return facts


def _named(point: _Point) -> dict[str, Any]:
    alpha = point.value if METHODS[point.method][1] == "alpha" else None
    return {
        "group": f"{point.method} {METHODS[point.method][1]} {point.value:g}",
        "alpha": alpha,
        "config_hash": point.config_hash,
    }


def _rows(
    of: Predictions,
    points: Sequence[_Point],
    gains: _Gains,
    compared: _Point,
    seed: int,
) -> list[AnalysisRow]:
    """Return accuracy and gain of each point on a set; p-values are corrected for its points."""
    rows, n, models = [], _count(of), gains.models
    base, own_draws = models[compared.models[0]].right[of.dataset], gains.drawn[of.dataset]
    for point in points:
        single, places = len(point.models) == 1, list(point.models)
        right = [models[place].right[of.dataset] for place in places]
        value = float(np.mean([np.mean(each) for each in right]))
        means = own_draws[:, places].mean(axis=1)
        interval = _interval(means)
        if single:
            interval = clopper_pearson(int(right[0].sum()), n)
        shared: dict[str, Any] = {
            **_named(point),
            "dataset": of.dataset,
            "split": of.split,
            "role": of.role,
        }
        drawn_with = None if single else seed
        rows.append(
            analysis_row(NAME, "top1", value, n, interval=interval, seed=drawn_with, **shared)
        )
        if point is compared:
            continue
        rows.append(
            analysis_row(
                NAME,
                "gain",
                value - float(np.mean(base)),
                n,
                other=f"wise_ft alpha {COMPARED_AT:g}",
                interval=gains.interval(point, compared, [of.dataset]),
                p_value=mcnemar(base, right[0]).p_value if single else None,
                seed=drawn_with,
                **shared,
            )
        )
    add_p_holm(rows)
    return rows


def _mean_rows(
    points: Sequence[_Point], found: Sequence[Mapping[str, Any]], n: int, seed: int
) -> list[AnalysisRow]:
    rows = []
    for point, facts in zip(points, found, strict=True):
        shared: dict[str, Any] = {
            **_named(point),
            "dataset": MEAN_OF_SHIFTS,
            "split": "test",
            "role": "shift",
            "seed": seed,
        }
        each = facts["shifts"]
        interval = (each["low"], each["high"])
        rows.append(analysis_row(NAME, "top1", each["value"], n, interval=interval, **shared))
        gain = facts["against"]["shifts"]
        if (point.method, point.value) != ("wise_ft", COMPARED_AT):
            shared["seed"] = seed if len(point.models) > 1 else None
            rows.append(
                analysis_row(
                    NAME,
                    "gain",
                    gain["difference"],
                    n,
                    other=f"wise_ft alpha {COMPARED_AT:g}",
                    interval=(gain["low"], gain["high"]),
                    **shared,
                )
            )
    return rows
