"""Every rule for choosing alpha in one table, with what it must see, and what it costs.

The rules of ``select`` look at validation accuracies alone. Those here that look at a target set
see its images (their predictions), never its labels, except for the oracles, which are bounds and
no rules. Two give each example an alpha of its own: they have an accuracy, and no alpha to ship.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float64

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.softmax import softmax_entropy
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.select import RULES, Point

Need: TypeAlias = Literal[
    "validation",
    "validation_entropy",
    "target",
    "target_entropy",
    "target_ends",
    "target_labels",
    "target_model",
]

NEEDS: dict[Need, str] = {
    "validation": "labelled predictions of a validation set of the reference",
    "validation_entropy": "the entropies of these (an older version stored none; sweep again)",
    "target": "predictions of the target set",
    "target_entropy": (
        "the entropies of the predictions of the target set (an older version stored none; sweep"
        " again)"
    ),
    "target_ends": "predictions of the target set at both ends (sweep alphas 0 and 1 too)",
    "target_labels": "labels of the target set: a bound, not a rule",
    "target_model": "the two models, to run each image at an alpha of its own",
}
"""What a rule may see -> in words."""

PredictAt: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""``alphas float64[N] -> top1 int32[N]``: each example of the target set at its own alpha; -1 where
there is no class, its logits not being finite."""


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What rules may look at; both sets are of one sweep, so their alphas are the same.

    Attributes:
      target: The set that alpha is chosen for.
      validation: The set that may choose: held out, of the reference; None without one.
      predict_at: Runs the models on the target set (``per_example.predictors``); None without them.
    """

    target: Predictions
    validation: Predictions | None = None
    predict_at: PredictAt | None = None

    def has(self, need: Need) -> bool:
        """Return whether it is there."""
        return {
            "validation": self.validation is not None,
            "validation_entropy": self.validation is not None and _has_entropy(self.validation),
            "target": True,
            "target_entropy": _has_entropy(self.target),
            "target_ends": {0.0, 1.0} <= set(self.target.alphas),
            "target_labels": bool((self.target.labels >= 0).any()),
            "target_model": self.predict_at is not None,
        }[need]

    @property
    def held_out(self) -> Predictions:
        """The validation set.

        Raises:
          InputError: If there is none.
        """
        if self.validation is None:
            raise InputError(f"missing: {NEEDS['validation']}")
        return self.validation


@dataclasses.dataclass(frozen=True)
class Rule:
    """A way to choose alpha, for a whole set (``alpha``) or for each example (``correct``).

    Attributes:
      summary: What it says, to be read after "alpha is".
      needs: What it must see.
      alpha: ``evidence -> alpha``; None for a rule by example.
      correct: ``evidence -> bool[N]``, which examples of the target set it gets right.
    """

    summary: str
    needs: tuple[Need, ...]
    alpha: Callable[[Evidence], float] | None = None
    correct: Callable[[Evidence], Bool[np.ndarray, " N"]] | None = None

    @property
    def is_bound(self) -> bool:
        """Whether it reads the target's labels, and so is a bound to compare with."""
        return "target_labels" in self.needs

    def missing(self, evidence: Evidence) -> str:
        """Return what it must see and can't, in words; empty when nothing is missing."""
        return ", and ".join(NEEDS[need] for need in self.needs if not evidence.has(need))


def entropies(predictions: Predictions) -> Float[np.ndarray, "A N"]:
    """Return the entropy of the softmax at each alpha, in nats; log K where it isn't finite.

    As stored; of files of versions that stored none, from the logits.

    Raises:
      InputError: If there are neither entropies nor logits.
    """
    places = range(len(predictions.alphas))
    return np.stack([_entropy_at(predictions, place) for place in places])


def _entropy_at(predictions: Predictions, place: int) -> Float[np.ndarray, " N"]:
    if predictions.entropy is not None:
        return predictions.entropy[place]
    if _has_all_logits(predictions):
        return softmax_entropy(predictions.logits_at(predictions.alphas[place]))
    raise InputError(
        f"{predictions.dataset}: its entropies are needed, and an older version stored none;"
        " sweep again"
    )


def _has_entropy(predictions: Predictions) -> bool:
    return predictions.entropy is not None or _has_all_logits(predictions)


def _has_all_logits(predictions: Predictions) -> bool:
    return predictions.logits is not None and predictions.logit_alphas is None


def dawin_alphas(
    entropy_0: Float[np.ndarray, " N"], entropy_1: Float[np.ndarray, " N"]
) -> Float64[np.ndarray, " N"]:
    """Return ``exp(-H1) / (exp(-H0) + exp(-H1))``: the surer end weighs more.

    Source: Oh et al. (2025), DaWin: training-free dynamic weight interpolation for robust
    adaptation, ICLR (arXiv 2410.03782).

    Args:
      entropy_0: Entropy of each example at alpha = 0, in nats.
      entropy_1: At alpha = 1.
    """
    return 1 / (1 + np.exp(entropy_1 - entropy_0))


def _points(predictions: Predictions) -> list[Point]:
    counts = [predictions.accuracy(index) for index in range(len(predictions.alphas))]
    return [
        Point(alpha, count.hits, count.n)
        for alpha, count in zip(predictions.alphas, counts, strict=True)
    ]


def _by_points(name: str) -> Rule:
    spec = RULES[name]
    if not spec.needs_rows:
        return Rule(spec.summary, (), lambda evidence: spec.choose([]))
    return Rule(
        spec.summary, ("validation",), lambda evidence: spec.choose(_points(evidence.held_out))
    )


def _least_entropy(evidence: Evidence) -> float:
    return _at(evidence.target, -entropies(evidence.target).mean(axis=1))


def _most_agreement(evidence: Evidence) -> float:
    top1 = evidence.target.top1
    shares = [(top1 == mine[None]).mean() for mine in top1]
    return _at(evidence.target, np.array(shares))  # agreeing with oneself adds the same to all


def _average_confidence_threshold(evidence: Evidence) -> float:
    held_out, target = evidence.held_out, evidence.target
    _check_same_alphas(held_out, target)
    labelled = held_out.labels >= 0
    known, unknown = -entropies(held_out)[:, labelled], -entropies(target)
    estimates = [
        estimated_accuracy(*each)
        for each in zip(known, held_out.correct[:, labelled], unknown, strict=True)
    ]
    return _at(target, np.array(estimates))


def estimated_accuracy(
    known_scores: Float[np.ndarray, " M"],
    known_correct: Bool[np.ndarray, " M"],
    scores: Float[np.ndarray, " N"],
) -> float:
    """Return the share of ``scores`` above the threshold that as many known ones miss as are wrong.

    With t such that ``share(known_scores < t)`` is the error on the known examples. Source: Garg et
    al. (2022), Leveraging unlabeled data to predict out-of-distribution performance, ICLR.

    Args:
      known_scores: Confidence (here: negative entropy) of labelled examples of the reference.
      known_correct: Which of these are right.
      scores: Confidence of unlabelled examples of another set.
    """
    wrong = int(np.sum(~known_correct))
    if wrong == len(known_correct):
        return 0.0
    return float(np.mean(scores >= np.sort(known_scores)[wrong]))


def _dawin(evidence: Evidence) -> Bool[np.ndarray, " N"]:
    assert evidence.predict_at is not None
    top1 = np.asarray(evidence.predict_at(_dawin_of(evidence.target)))
    return (top1 == evidence.target.labels) & (top1 >= 0)  # -1 is no class, and no label either


def _dawin_on_grid(evidence: Evidence) -> Bool[np.ndarray, " N"]:
    target = evidence.target
    distance = np.abs(np.array(target.alphas)[:, None] - _dawin_of(target)[None])
    return np.take_along_axis(target.correct, distance.argmin(axis=0)[None], axis=0)[0]


def _dawin_of(target: Predictions) -> Float64[np.ndarray, " N"]:
    ends = [_entropy_at(target, target.alphas.index(end)) for end in (0.0, 1.0)]
    return dawin_alphas(*(end.astype(np.float64) for end in ends))


def _oracle(evidence: Evidence) -> float:
    target = evidence.target
    return _at(target, target.correct[:, target.labels >= 0].sum(axis=1))


def _oracle_by_example(evidence: Evidence) -> Bool[np.ndarray, " N"]:
    return np.asarray(evidence.target.correct.any(axis=0))


def _at(predictions: Predictions, scores: np.ndarray) -> float:
    """Return the alpha of the largest score, of equals the smallest; NaN is never the largest."""
    if np.isnan(scores).all():
        raise InputError(f"{predictions.dataset}: no alpha has a score; its predictions are NaN")
    return predictions.alphas[int(np.nanargmax(scores))]


def _check_same_alphas(first: Predictions, second: Predictions) -> None:
    if first.alphas != second.alphas:
        raise InputError(
            f"{first.dataset} and {second.dataset} were evaluated at other alphas; sweep them"
            " together"
        )


ALL_RULES: dict[str, Rule] = {name: _by_points(name) for name in RULES} | {
    "entropy": Rule(
        "the one with the least mean entropy on the target's images",
        ("target", "target_entropy"),
        _least_entropy,
    ),
    "agreement": Rule(
        "the one that agrees most with the others on the target's images",
        ("target",),
        _most_agreement,
    ),
    "atc": Rule(
        "the one with the highest accuracy as ATC estimates it on the target's images",
        ("validation", "validation_entropy", "target", "target_entropy"),
        _average_confidence_threshold,
    ),
    "dawin": Rule(
        "by example, the surer end weighs more (DaWin)",
        ("target", "target_entropy", "target_ends", "target_model"),
        correct=_dawin,
    ),
    "dawin_on_grid": Rule(
        "by example, the surer end weighs more (DaWin), rounded to the grid",
        ("target", "target_entropy", "target_ends"),
        correct=_dawin_on_grid,
    ),
    "oracle": Rule("the most accurate on the target itself", ("target", "target_labels"), _oracle),
    "oracle_by_example": Rule(
        "by example, one that is right if there is any on the grid",
        ("target", "target_labels"),
        correct=_oracle_by_example,
    ),
}
"""Rule name -> how it chooses."""
