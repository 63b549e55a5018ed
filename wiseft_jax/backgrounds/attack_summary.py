"""What a matrix of foregrounds and backgrounds says: both rates, classes, the strongest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Integer

from wiseft_jax.backgrounds.attack_images import AttackImages
from wiseft_jax.backgrounds.challenge import (
    UNTRIED,
    attack_success_rates,
    challenge_accuracy,
    paper_fooled_rate,
)
from wiseft_jax.core.metrics import clopper_pearson

OFFICIAL_PAIRS = 4050**2
STRONGEST = 5
_STEPS = (1, 2, 5)

Predictions = Integer[np.ndarray, "F B"]


def attack_summary(
    predictions: Predictions,
    images: AttackImages,
    *,
    early_exit: bool = False,
    strongest: int = STRONGEST,
) -> dict[str, Any]:
    """Return what ``summary.json`` says of a complete matrix; fractions, intervals of 95 %.

    After an early exit the paper's rate is a lower bound, and a background's success rate would be
    of the foregrounds that others left: there is none.

    Args:
      predictions: The matrix.
      images: What it is of.
      early_exit: Whether rows end with their first wrong answer.
      strongest: How many backgrounds of each class are listed.

    Raises:
      InputError: The matrix isn't complete; see ``challenge_accuracy``.
    """
    fg_class, bg_class = images.foregrounds.labels, images.backgrounds.labels
    front, back = images.foregrounds, images.backgrounds
    rates = attack_success_rates(predictions, fg_class, bg_class)
    return {
        "images": images.name,
        "class_names": list(images.class_names),
        "foregrounds": {"n": len(front), "of": front.available, "rejected": list(images.rejected)},
        "backgrounds": {"n": len(back), "of": back.available},
        "sampled_backgrounds": len(back) < back.available,
        "early_exit": early_exit,
        "pairs": {"tried": int((predictions != UNTRIED).sum()), "of": predictions.size},
        "challenge_accuracy": _challenge(predictions, fg_class),
        "paper_fooled_rate": _fooled(predictions, fg_class, bg_class),
        "per_class": [
            {"class": name, **_of_class(predictions, images, label, rates, early_exit)}
            for label, name in enumerate(images.class_names)
        ],
        "by_backgrounds": None if early_exit else accuracy_by_backgrounds(predictions, fg_class),
        "strongest": [] if early_exit else _strongest(predictions, images, strongest),
    }


def background_rows(predictions: Predictions, images: AttackImages) -> list[dict[str, Any]]:
    """Return a row for each background, for ``backgrounds.csv``: its success rate, of which n.

    Args:
      predictions: A matrix, of which pairs that were tried count; after an early exit these are
        no sample, and there are no such rates.
      images: What it is of.

    Returns:
      ``column`` in the matrix, ``class``, ``id``, and ``share`` of the foregrounds of other classes
      that it turns into its own, in the order of columns.
    """
    back, front = images.backgrounds, images.foregrounds
    rates = attack_success_rates(predictions, front.labels, back.labels)
    met = ((front.labels[:, None] != back.labels) & (predictions != UNTRIED)).sum(axis=0)
    return [
        {"column": column, "class": images.class_names[label], "id": image_id}
        | share(float(rates[column]) if met[column] else 0.0, int(met[column]))
        for column, (label, image_id) in enumerate(zip(back.labels, back.ids, strict=True))
    ]


def accuracy_by_backgrounds(
    predictions: Predictions, fg_class: Integer[np.ndarray, " F"]
) -> list[dict[str, float]]:
    """Return the challenge accuracy that fewer of these backgrounds would have given.

    Of m backgrounds drawn from B without replacement, a foreground that w of them break survives
    with probability ``C(B - w, m) / C(B, m)``; the mean over foregrounds is the expected challenge
    accuracy. It falls with m: how steeply at its end tells how much a larger set would lower it.

    Args:
      predictions: A matrix without untried pairs.
      fg_class: Label of each foreground.

    Returns:
      ``{"backgrounds": m, "challenge_accuracy": value}`` for m = 1, 2, 5, 10, ..., B.
    """
    width = predictions.shape[1]
    wrong = (predictions != fg_class[:, None]).sum(axis=1)
    sizes = sorted({*_round_numbers(width), width})
    return [
        {"backgrounds": size, "challenge_accuracy": float(_survival(wrong, width, size).mean())}
        for size in sizes
    ]


def timing(
    pairs: int, secs: float, compile_secs: float, images: AttackImages
) -> dict[str, float | None]:
    """Return the rate, and how long the full matrices would take at it.

    Args:
      pairs: Tried in one call.
      secs: That it took.
      compile_secs: What compiling took, which isn't in ``secs``.
      images: What was tried; the full matrix is of all that are there.
    """
    rate = pairs / secs if pairs and secs > 0 else None
    full = images.foregrounds.available * images.backgrounds.available
    return {
        "pairs": pairs,
        "secs": round(secs, 3),
        "compile_secs": round(compile_secs, 3),
        "pairs_per_sec": rate,
        "full_pairs": full,
        "full_secs": None if rate is None else full / rate,
        "official_pairs": OFFICIAL_PAIRS,
        "official_secs": None if rate is None else OFFICIAL_PAIRS / rate,
    }


def share(value: float, n: int) -> dict[str, Any]:
    """Return a fraction with its count and its exact interval; None for that of nothing."""
    if not n:
        return {"value": None, "hits": 0, "n": 0, "low": None, "high": None}
    hits = round(value * n)
    low, high = clopper_pearson(hits, n)
    return {"value": hits / n, "hits": hits, "n": n, "low": low, "high": high}


def _challenge(predictions: np.ndarray, fg_class: np.ndarray) -> dict[str, Any]:
    return share(challenge_accuracy(predictions, fg_class), len(predictions))


def _fooled(predictions: np.ndarray, fg_class: np.ndarray, bg_class: np.ndarray) -> dict[str, Any]:
    return share(paper_fooled_rate(predictions, fg_class, bg_class), len(predictions))


def _of_class(
    predictions: np.ndarray, images: AttackImages, label: int, rates: np.ndarray, early_exit: bool
) -> dict[str, Any]:
    fg_class, bg_class = images.foregrounds.labels, images.backgrounds.labels
    rows, of_class = fg_class == label, rates[bg_class == label]
    known = of_class[~np.isnan(of_class)]
    shown = len(known) and not early_exit
    return {
        "challenge_accuracy": _challenge(predictions[rows], fg_class[rows]),
        "paper_fooled_rate": _fooled(predictions[rows], fg_class[rows], bg_class),
        "backgrounds": len(of_class),
        "mean_success": float(known.mean()) if shown else None,
        "best_success": float(known.max()) if shown else None,
    }


def _strongest(predictions: np.ndarray, images: AttackImages, count: int) -> list[dict[str, Any]]:
    """Return the backgrounds with the highest success rates, class by class, of equal the first."""
    rows = [row for row in background_rows(predictions, images) if row["n"]]
    found = []
    for label, name in enumerate(images.class_names):
        own = sorted((row for row in rows if row["class"] == name), key=lambda row: -row["value"])
        for row in own[:count]:
            becomes = _becomes(predictions[:, row["column"]], images, label)
            found.append(row | {"becomes": becomes})
    return found


def _becomes(answers: np.ndarray, images: AttackImages, label: int) -> list[str]:
    """Return the classes of the foregrounds that a background turns to its own, most first."""
    fg_class = images.foregrounds.labels
    hit = fg_class[(answers == label) & (fg_class != label)]
    counts = np.bincount(hit, minlength=len(images.class_names))
    return [images.class_names[each] for each in np.argsort(-counts, kind="stable") if counts[each]]


def _survival(wrong: np.ndarray, width: int, size: int) -> Float64[np.ndarray, " F"]:
    from scipy.special import gammaln

    right = width - wrong
    possible = right >= size
    kept = np.where(possible, right, size)
    log = gammaln(kept + 1) - gammaln(kept - size + 1)
    log -= math.lgamma(width + 1) - math.lgamma(width - size + 1)
    return np.where(possible, np.exp(log), 0.0)


def _round_numbers(most: int) -> Sequence[int]:
    powers = range(len(str(most)))
    return [step * 10**power for power in powers for step in _STEPS if step * 10**power <= most]
