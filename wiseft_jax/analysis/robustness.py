"""Effective robustness: accuracy under shift beyond what other models' line promises."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float, Float64

from wiseft_jax.analysis.axes import axis_of, num_classes_of
from wiseft_jax.analysis.baselines import Baselines, read_baselines
from wiseft_jax.analysis.intervals import percentile
from wiseft_jax.analysis.options import NO_BASELINES, AnalysisOptions, missing
from wiseft_jax.analysis.stored_run import (
    FINE_TUNED,
    ZERO_SHOT,
    StoredRun,
    labelled,
    right_at,
)
from wiseft_jax.core.analysis_rows import AnalysisRow, add_p_holm
from wiseft_jax.core.baseline_range import beyond_baselines
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.paired import bootstrap_hits
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.evaluation.predictions import Predictions

NAME = "effective_robustness"

Scale: TypeAlias = Literal["logit", "probit"]
SCALES: tuple[Scale, ...] = get_args(Scale)
POOR_FIT = 0.5
"""R^2 below which baselines are said to lie on no line."""

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Line:
    """What accuracy on the reference promises under shift, on the scale's axes.

    Attributes:
      scale: Of both axes.
      w: Slope.
      b: Intercept.
      r_squared: Share of the baselines' variance under shift that the line explains.
    """

    scale: Scale
    w: float
    b: float
    r_squared: float

    def __call__(self, accuracy: Float[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        """Return the promised accuracies under shift."""
        return from_scale(self.w * to_scale(accuracy, self.scale) + self.b, self.scale)


def to_scale(accuracy: Float[np.ndarray, "..."], scale: Scale) -> Float64[np.ndarray, "..."]:
    """Return accuracies on an axis: ``log(p / (1 - p))``, or the normal quantile.

    Args:
      accuracy: Fractions strictly between 0 and 1.
      scale: ``"logit"`` or ``"probit"``.
    """
    return _functions(scale)[0](np.asarray(accuracy, np.float64))


def from_scale(x: Float[np.ndarray, "..."], scale: Scale) -> Float64[np.ndarray, "..."]:
    """Return the inverse of ``to_scale``."""
    return _functions(scale)[1](np.asarray(x, np.float64))


def _functions(scale: str) -> tuple[Callable, Callable]:
    from scipy.special import expit, logit, ndtr, ndtri

    known = {"logit": (logit, expit), "probit": (ndtri, ndtr)}
    if scale not in known:
        raise unknown_name("scale", scale, known)
    return known[scale]


def fit_line(
    reference: Float[np.ndarray, " M"], shift: Float[np.ndarray, " M"], scale: Scale = "logit"
) -> Line:
    """Fit ``scale(acc_shift) = w scale(acc_ref) + b`` to baselines, by least squares.

    Source: Taori et al. 2020 (arXiv 2007.00644); Miller et al. 2021 (arXiv 2107.04649) use probit.

    Args:
      reference: The M baselines' accuracies on the reference, fractions in (0, 1).
      shift: Those under shift.
      scale: Of both axes.

    Raises:
      InputError: Unknown scale; an accuracy of 0 or 1; fewer than two different references.
    """
    for name, values in (("reference", reference), ("shift", shift)):
        if not ((values > 0) & (values < 1)).all():
            raise InputError(
                f"{name}: expected accuracies between 0 and 1, found"
                f" {values.min():g} to {values.max():g}"
            )
    if len(reference) < 2 or np.ptp(reference) == 0:
        raise InputError("reference: expected two different accuracies or more to fit a line")
    w, b, r_squared = _fits(to_scale(reference, scale)[None], to_scale(shift, scale)[None])
    return Line(scale, float(w[0]), float(b[0]), float(r_squared[0]))


def effective_robustness(
    reference: Float[np.ndarray, " A"],
    shift: Float[np.ndarray, " A"],
    line: Line,
) -> Float64[np.ndarray, " A"]:
    """Return ``rho = acc_shift - beta(acc_ref)``: accuracy beyond the baselines' line.

    Args:
      reference: Accuracies on the reference, fractions in (0, 1).
      shift: Accuracies of the same models under shift.
      line: ``fit_line`` of the baselines.

    Returns:
      Differences of fractions.

    Example:
      >>> effective_robustness(np.array([0.8]), np.array([0.7]), fit_line(x, y)).round(2)
      array([0.05])
    """
    return np.asarray(shift, np.float64) - line(reference)


def _fits(
    x: Float[np.ndarray, "S M"], y: Float[np.ndarray, "S M"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return slopes, intercepts and R^2 of S lines; a slope without any spread of x is 0."""
    x_mean, y_mean = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    xx = np.sum((x - x_mean) ** 2, axis=1)
    xy = np.sum((x - x_mean) * (y - y_mean), axis=1)
    yy = np.sum((y - y_mean) ** 2, axis=1)
    w = np.divide(xy, xx, out=np.zeros_like(xy), where=xx > 0)
    b = y_mean[:, 0] - w * x_mean[:, 0]
    explained = np.divide(w * xy, yy, out=np.ones_like(xy), where=yy > 0)
    return w, b, explained


def robustness(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return the effective robustness of every alpha on every shift, on logit and probit axes.

    Rows, for each shift and scale (``group``): ``baseline_slope``, ``baseline_intercept`` and
    ``baseline_r_squared`` of n baselines; ``effective_robustness`` at each alpha; and its gain at
    the chosen alpha over both ends; ``accuracy`` on both axes, and ``baseline_accuracy`` as given
    (``group``: the model). ``other`` names the reference axis: the matched reference where the run
    has one; ``share_of_classes`` says how many of the axis's n classes the shift has. Intervals
    count the binomial spread of the point on both axes (drawn from Jeffreys' beta distributions,
    which have a width at 0 and 1 too) and that of the baselines (bootstrap over models); those of
    a gain draw images again with all alphas (paired bootstrap); ``p_holm`` is corrected for the
    shifts and ends of a scale.

    Args:
      run: The run.
      options: The baselines, the seed, the samples.

    Raises:
      InputError: If no baselines are given, or they have no column of any shift; no shift.
    """
    if options.baselines is None:
        raise InputError(f"{run.path}: {NAME}: {NO_BASELINES}")
    baselines = read_baselines(options.baselines)
    pairs = [(axis_of(run, each), each) for each in run.shifts]
    if not pairs:
        raise InputError(f"{run.path}: {NAME}: {missing(run, options, 'shifts')}")
    there = [
        pair for pair in pairs if {each.dataset for each in pair} <= baselines.accuracies.keys()
    ]
    if not there:
        axis, shift = pairs[0]
        baselines.pair(axis.dataset, shift.dataset)  # says what is lacking
    for axis, shift in pairs:
        if (axis, shift) not in there:
            logger.warning(
                "%s: left out, %s lacks a column %r or %r",
                shift.dataset, baselines.path, axis.dataset, shift.dataset,
            )  # fmt: skip
    rows = [row for pair in there for row in _of_shift(run, *pair, baselines, options)]
    for said in beyond_baselines(rows):
        logger.warning("%s", said)
    add_p_holm(rows, family=lambda row: row["group"])
    return rows


@dataclasses.dataclass(frozen=True, eq=False)
class _Spread:
    """A run's accuracies on an axis: ``point [A]``, and drawn ``[S, A]``, alone and paired."""

    point: np.ndarray
    alone: np.ndarray
    paired: np.ndarray

    @classmethod
    def of(cls, set_: Predictions, alphas: list[float], options: AnalysisOptions) -> _Spread:
        right = np.stack([right_at(set_, alpha) for alpha in alphas])
        hits, n = right.sum(axis=1), right.shape[1]
        stream = f"{NAME} {set_.dataset}"
        rng, size = numpy_stream(options.seed, f"{stream} beta"), (options.samples, len(alphas))
        alone = _inside(rng.beta(hits + 0.5, n - hits + 0.5, size=size), n)
        paired = bootstrap_hits(right, options.samples, options.seed, stream) / n
        return cls(_inside(hits / n, n), alone, _inside(paired, n))


def _of_shift(
    run: StoredRun,
    axis: Predictions,
    shift: Predictions,
    baselines: Baselines,
    options: AnalysisOptions,
) -> list[AnalysisRow]:
    alphas = [alpha for alpha in shift.alphas if alpha in axis.alphas]
    x, y = baselines.pair(axis.dataset, shift.dataset)
    reference, shifted = (_Spread.of(each, alphas, options) for each in (axis, shift))
    rng = numpy_stream(options.seed, f"{NAME} baselines")
    picks = rng.integers(len(x), size=(options.samples, len(x)))
    usable = np.ptp(x[picks], axis=1) > 0  # a sample of one model alone has no line
    rows, n = _points(run, axis, shift, alphas, baselines), int(labelled(shift).sum())
    for scale in SCALES:
        line = fit_line(x, y, scale)
        if scale == SCALES[0] and line.r_squared < POOR_FIT:
            logger.warning(
                "%s: the baselines hardly lie on a line (R^2 = %.2f), so effective robustness there"
                " means little",
                shift.dataset, line.r_squared,
            )  # fmt: skip
        w, b, r_squared = _fits(to_scale(x[picks], scale), to_scale(y[picks], scale))
        fields: dict[str, Any] = {
            "of": shift,
            "other": axis.dataset,
            "group": scale,
            "seed": options.seed,
        }
        for metric, value, drawn in (
            ("baseline_slope", line.w, w),
            ("baseline_intercept", line.b, b),
            ("baseline_r_squared", line.r_squared, r_squared),
        ):
            interval = percentile(drawn[usable], value)
            rows.append(run.row(NAME, metric, value, len(x), interval=interval, **fields))
        rho = effective_robustness(reference.point, shifted.point, line)
        alone, paired = (
            (s - from_scale(w[:, None] * to_scale(r, scale) + b[:, None], scale))[usable]
            for r, s in ((reference.alone, shifted.alone), (reference.paired, shifted.paired))
        )
        for place, alpha in enumerate(alphas):
            value = float(rho[place])
            interval = percentile(alone[:, place], value)
            rows.append(run.row(NAME, NAME, value, n, alpha=alpha, interval=interval, **fields))
        rows += _gains(run, alphas, rho, paired, n, fields)
    return rows


def _points(
    run: StoredRun,
    axis: Predictions,
    shift: Predictions,
    alphas: list[float],
    baselines: Baselines,
) -> list[AnalysisRow]:
    """Return what a picture sets against each other: accuracies of the run, and the baselines'."""
    rows = []
    for of, other in ((axis, shift.dataset), (shift, axis.dataset)):
        for alpha in alphas:
            found = Accuracy.of(right_at(of, alpha))
            rows.append(
                run.row(
                    NAME,
                    "accuracy",
                    found.compute(),
                    found.n,
                    of,
                    alpha=alpha,
                    other=other,
                    interval=found.interval(),
                )
            )
        both = baselines.both(axis.dataset, shift.dataset)
        rows += [
            run.row(NAME, "baseline_accuracy", value, 1, of, other=other, group=model)
            for model, value, there in zip(
                baselines.models, baselines.accuracies[of.dataset], both, strict=True
            )
            if there
        ]
    own, classes = num_classes_of(run, shift, axis)
    share, other = min(1.0, own / classes), axis.dataset
    return [*rows, run.row(NAME, "share_of_classes", share, classes, shift, other=other)]


def _gains(
    run: StoredRun,
    alphas: list[float],
    rho: np.ndarray,
    rhos: np.ndarray,
    n: int,
    fields: dict[str, Any],
) -> list[AnalysisRow]:
    """Return how much more effective robustness the chosen alpha has than either end."""
    rows = []
    ends = {"zero_shot": ZERO_SHOT, "fine_tuned": FINE_TUNED}
    for name, end in ends.items():
        if run.chosen == end or not {end, run.chosen} <= {*alphas}:
            continue
        at, start = alphas.index(run.chosen), alphas.index(end)
        own: dict[str, Any] = fields | {"other": name}
        gain, drawn = float(rho[at] - rho[start]), rhos[:, at] - rhos[:, start]
        beyond = min(np.sum(drawn <= 0), np.sum(drawn >= 0))
        rows.append(
            run.row(
                NAME,
                "effective_robustness_gain",
                gain,
                n,
                alpha=run.chosen,
                interval=percentile(drawn, gain),
                p_value=min(1.0, 2 * (1 + int(beyond)) / (1 + len(drawn))),
                **own,
            )
        )
    return rows


def _inside(accuracy: np.ndarray, n: int) -> np.ndarray:
    """Return accuracies, 0 and 1 moved inside by half an example: axes have no place for them."""
    return np.clip(accuracy, 0.5 / n, 1 - 0.5 / n)
