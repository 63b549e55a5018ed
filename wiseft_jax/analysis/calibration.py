"""How far probabilities can be believed: calibration error, likelihood, Brier, temperature."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from wiseft_jax.analysis.intervals import Interval, jackknifed, mean_interval, pivotal, within
from wiseft_jax.analysis.options import AnalysisOptions, stored_logits
from wiseft_jax.analysis.stored_run import StoredRun, labelled
from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.softmax import finite_rows, row_blocks
from wiseft_jax.evaluation.predictions import Predictions

NAME = "calibration"
BINS = 15
_FINE = 16
"""Parts of a bin that the bootstrap draws examples from."""
_MOST_STEPS = 60
_CLOSE = 1e-8
_FEW = 2_048
"""Examples on which the search for a temperature begins."""
_FARTHEST = 12.0
"""Of the logarithm of a temperature: beyond it nothing is left to gain."""

logger = logging.getLogger(__name__)


def expected_calibration_error(
    confidence: Float[np.ndarray, " N"], correct: Bool[np.ndarray, " N"], bins: int = BINS
) -> float:
    """Return the expected calibration error: how far confidence and accuracy are apart.

    ``ECE = sum_b (n_b / N) |acc_b - conf_b|`` over bins of equal width ``((b - 1) / B, b / B]``,
    a confidence of 0 in the first. Sampling alone makes it larger than 0. Source: Naeini, Cooper,
    Hauskrecht (2015); Guo et al. 2017 (arXiv 1706.04599), 15 bins.

    Args:
      confidence: The predicted class's probability, in [0, 1].
      correct: Whether the prediction is right.
      bins: B.

    Returns:
      A fraction.

    Raises:
      InputError: No examples, no bins, or a confidence outside [0, 1].

    Example:
      >>> expected_calibration_error(np.array([0.9, 0.9]), np.array([True, False]))
      0.4
    """
    if len(confidence) == 0:
        raise InputError("confidence: expected at least one example, found none")
    if bins < 1:
        raise InputError(f"bins: expected at least 1, found {bins}")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise InputError(
            "confidence: expected probabilities from 0 to 1, found"
            f" {np.min(confidence):g} to {np.max(confidence):g}"
        )
    gaps = correct.astype(np.float64) - confidence
    sums = np.bincount(_bin_of(confidence, bins), gaps, minlength=bins)
    return float(np.abs(sums).sum() / len(gaps))


def calibration_error_interval(
    confidence: Float[np.ndarray, " N"],
    correct: Bool[np.ndarray, " N"],
    *,
    samples: int,
    seed: int,
    stream: str,
) -> Interval:
    """Return the 95 % interval of the calibration error with 15 bins, by the pivotal bootstrap.

    Near perfect calibration the pivotal interval lies too high: sampling adds more to a small error
    than the bootstrap can see. So it reaches down to 0 wherever a model that is perfectly
    calibrated shows as large an error by chance.

    Examples are drawn again; those of the same sixteenth of a bin that are both right, or both
    wrong, count as alike (their confidences are within 1/240 of each other), so that a sample is a
    draw of at most 480 counts however many examples there are.

    Args:
      confidence: The predicted class's probability.
      correct: Whether the prediction is right.
      samples: Bootstrap samples.
      seed: Of the draws.
      stream: A name: draws of other names are independent.
    """
    count, fine = len(confidence), BINS * _FINE
    cell = 2 * _bin_of(confidence, fine) + correct
    counts = np.bincount(cell, minlength=2 * fine)
    gaps = np.bincount(cell, correct.astype(np.float64) - confidence, minlength=2 * fine)
    there = np.flatnonzero(counts)
    rng = numpy_stream(seed, f"calibration bootstrap {stream}")
    drawn = rng.multinomial(count, counts[there] / count, size=samples)
    member = (there // (2 * _FINE))[:, None] == np.arange(BINS)[None]
    sums = (drawn * (gaps[there] / counts[there])) @ member
    errors = np.abs(sums).sum(axis=1) / count
    value = expected_calibration_error(confidence, correct)
    low, high = pivotal(errors, value)
    bin_of = _bin_of(confidence, BINS)
    variances = np.bincount(bin_of, confidence * (1 - confidence), minlength=BINS)
    if value <= _largest_by_chance(variances, count, rng, samples):
        low = 0.0
    return max(low, 0.0), min(high, 1.0)


def _largest_by_chance(
    variances: Float[np.ndarray, " B"], count: int, rng: np.random.Generator, samples: int
) -> float:
    """Return the 97.5 % quantile of the error of a model that is perfectly calibrated.

    Its answers are drawn as right with their confidences' probability, bin by bin by the normal
    approximation (Broecker, Smith 2007, consistency resampling).
    """
    gaps = rng.normal(size=(samples, len(variances))) * np.sqrt(variances)
    return float(np.quantile(np.abs(gaps).sum(axis=1) / count, 0.975))


def _bin_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    exact = np.asarray(confidence, np.float64) * bins
    return np.clip(np.ceil(exact - 1e-12).astype(np.int64) - 1, 0, bins - 1)


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
    """What calibration is computed from, example by example.

    Attributes:
      confidence: float64[N], the probability of the predicted class.
      correct: bool[N], whether that class is right.
      nll: float64[N], ``-log p(label)``, in nats.
      brier: float64[N], ``sum_c (p_c - 1[c = label])^2``, from 0 to 2.
    """

    confidence: Float64[np.ndarray, " N"]
    correct: Bool[np.ndarray, " N"]
    nll: Float64[np.ndarray, " N"]
    brier: Float64[np.ndarray, " N"]


def probability_scores(
    logits: Float[np.ndarray, "N K"],
    labels: Int[np.ndarray, " N"],
    correct: Bool[np.ndarray, " N"],
    temperature: float = 1.0,
) -> Scores:
    """Return the scores of a softmax: ``p = softmax(logits / T)``.

    Args:
      logits: Finite.
      labels: Classes from 0 to K - 1.
      correct: Whether the prediction counts as right: on some sets several classes do.
      temperature: T > 0.
    """
    count = len(logits)
    confidence, nll, brier = np.empty(count), np.empty(count), np.empty(count)
    for block in row_blocks(logits.shape):
        z = np.array(logits[block], np.float64)
        z -= z.max(axis=1, keepdims=True)
        z /= temperature
        weights = np.exp(z)
        total = weights.sum(axis=1)
        log_p = np.take_along_axis(z, labels[block][:, None].astype(np.int64), 1)[:, 0]
        log_p -= np.log(total)
        confidence[block] = 1 / total  # the largest logit's weight is 1
        nll[block] = -log_p
        squares = np.einsum("nk,nk->n", weights, weights) / total**2
        brier[block] = squares - 2 * np.exp(log_p) + 1
    # A maximum can pass 1, and a square 0, by rounding.
    return Scores(np.minimum(confidence, 1.0), correct, nll, np.maximum(brier, 0.0))


def best_temperature(
    logits: Float[np.ndarray, "N K"], labels: Int[np.ndarray, " N"]
) -> tuple[float, Interval | None]:
    """Return the temperature of the least negative log-likelihood, and its 95 % interval.

    ``T = argmin mean_i -log softmax(z_i / T)[y_i]``. The likelihood is concave in ``1 / T``, so
    Newton's method, kept inside a bracket, finds its only maximum. The interval is of ``log T``, by
    the infinitesimal jackknife (a sandwich estimate). Source: Guo et al. 2017 (arXiv 1706.04599),
    section 4.2.

    Where all examples are right the best temperature is 0, and where logits are worse than none it
    is infinite: ``exp(-12)`` or ``exp(12)`` then, without an interval.

    Args:
      logits: Finite.
      labels: Classes from 0 to K - 1.

    Raises:
      InputError: No examples.
    """
    if len(logits) == 0:
        raise InputError("logits: expected at least one example, found none")
    start, step = None, len(logits) // _FEW
    if step > 1:
        start = _best_place(logits[::step], labels[::step])[0]
    place, slope, curve = _best_place(logits, labels, start)
    if abs(place) == _FARTHEST:
        return float(np.exp(-place)), None
    temperature, second = float(np.exp(-place)), float(curve.mean())
    if second <= 0:
        return temperature, None
    _, interval = jackknifed(-place, slope / second - float(slope.mean()) / second)
    if interval is None:
        return temperature, None
    return temperature, (float(np.exp(interval[0])), float(np.exp(interval[1])))


def _best_place(
    logits: np.ndarray, labels: np.ndarray, start: float | None = None
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return ``log(1 / T)`` of the least loss, and ``_slope`` there; an end if it isn't between.

    Both ends are looked at first, unless a start between them is known; from there they are looked
    at when a step would leave the bracket.
    """
    low, high, ends_are_known = -_FARTHEST, _FARTHEST, False
    place, following = np.inf, np.nan if start is None else start
    slope, curve = np.empty(0), np.empty(0)
    for _ in range(_MOST_STEPS):
        if not low < following < high:
            if not ends_are_known:
                for end in (_FARTHEST, -_FARTHEST):
                    slope, curve = _slope(logits, labels, end)
                    if float(slope.mean()) * np.sign(end) <= 0:
                        return end, slope, curve
            ends_are_known = True
            following = (low + high) / 2
        moved, place = abs(following - place), following
        slope, curve = _slope(logits, labels, place)
        if moved < _CLOSE:
            break
        first, second = float(slope.mean()), float(curve.mean())
        low, high = (low, place) if first > 0 else (place, high)
        following = place - first / second if second > 0 else np.nan
    return place, slope, curve


def _slope(logits: np.ndarray, labels: np.ndarray, place: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and second derivative of each example's loss by ``log(1 / T)``."""
    beta = float(np.exp(place))
    slope, curve = np.empty(len(logits)), np.empty(len(logits))
    for block in row_blocks(logits.shape):
        z = np.array(logits[block], np.float64)
        z -= z.max(axis=1, keepdims=True)
        weights = np.exp(beta * z)
        total = weights.sum(axis=1)
        np.maximum(z, -1e6, out=z)  # what is never predicted has p = 0, and no finite square
        of_label = np.take_along_axis(z, labels[block][:, None].astype(np.int64), 1)[:, 0]
        weights *= z
        mean = weights.sum(axis=1) / total
        square = np.einsum("nk,nk->n", weights, z) / total
        slope[block] = beta * (mean - of_label)
        curve[block] = slope[block] + beta**2 * np.maximum(square - mean**2, 0)
    return slope, curve


def calibration(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return calibration against alpha, for every set and alpha whose logits are stored.

    Rows: ``ece`` (15 bins; pivotal bootstrap), ``nll`` in nats and ``brier`` (jackknife),
    ``temperature``, the best on the set itself (a bound), and, where the run has a validation set,
    ``ece_scaled`` and ``nll_scaled``: with the temperature that is best there at the same alpha.

    Args:
      run: The run.
      options: Seed and samples.
    """
    held_out = next(iter(run.sets("reference", "validation")), None)
    fitted: dict[float, float] = {}
    if held_out is not None:
        for alpha in held_out.alphas:
            usable = _usable(held_out, alpha)
            if usable is not None:
                fitted[alpha] = best_temperature(usable[0], usable[1])[0]
    rows = []
    for predictions in run.in_turn():
        for alpha in predictions.alphas:
            usable = _usable(predictions, alpha)
            if usable is not None:
                scaled = None if predictions is held_out else fitted.get(alpha)
                rows += _rows(run, predictions, alpha, usable, scaled, options)
    return rows


def _usable(
    predictions: Predictions, alpha: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return logits, labels and right answers of the labelled examples with finite logits."""
    logits = stored_logits(predictions, alpha)
    if logits is None:
        return None
    counted = labelled(predictions)
    finite = counted & finite_rows(logits)
    if not finite[counted].all():
        logger.warning(
            "%s: the logits of %d examples are not finite at alpha %g; they don't count in its"
            " calibration",
            predictions.dataset, int(np.sum(counted & ~finite)), alpha,
        )  # fmt: skip
    if not finite.any():
        return None
    correct = predictions.correct[predictions.alphas.index(alpha)]
    chosen = logits if finite.all() else logits[finite]
    return chosen, np.asarray(predictions.labels[finite]), np.asarray(correct[finite])


def _rows(
    run: StoredRun,
    predictions: Predictions,
    alpha: float,
    usable: tuple[np.ndarray, np.ndarray, np.ndarray],
    scaled: float | None,
    options: AnalysisOptions,
) -> list[AnalysisRow]:
    logits, labels, correct = usable
    n = len(labels)
    temperature, interval = best_temperature(logits, labels)

    def row(metric: str, value: float, interval: Interval | None, **fields: object) -> AnalysisRow:
        return run.row(
            NAME, metric, value, n, predictions, alpha=alpha, interval=interval, **fields
        )

    rows = [row("temperature", temperature, interval)]
    wanted = {"": 1.0} | ({} if scaled is None else {"_scaled": scaled})
    for suffix, by in wanted.items():
        scores = probability_scores(logits, labels, correct, by)
        ece = expected_calibration_error(scores.confidence, correct)
        stream = f"{predictions.dataset} {alpha:g}{suffix}"
        spread = calibration_error_interval(
            scores.confidence, correct, samples=options.samples, seed=options.seed, stream=stream
        )
        rows.append(row(f"ece{suffix}", ece, spread, seed=options.seed))
        value, around = mean_interval(scores.nll)
        rows.append(row(f"nll{suffix}", value, within(around, 0.0, np.inf)))
        if not suffix:
            value, around = mean_interval(scores.brier)
            rows.append(row("brier", value, within(around, 0.0, 2.0)))
    return rows
