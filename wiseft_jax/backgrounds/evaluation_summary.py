"""What answers to the variants say: accuracies, the BG-Gap, classes, the five categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from wiseft_jax.backgrounds.challenge import UNTRIED
from wiseft_jax.backgrounds.evaluation import Answers
from wiseft_jax.backgrounds.measures import CATEGORIES, background_gap, image_categories
from wiseft_jax.backgrounds.predictor import Predictor
from wiseft_jax.core.metrics import Accuracy, clopper_pearson
from wiseft_jax.core.paired import drawn_differences

SCHEMA = 1
CATEGORY_KINDS = ("original", "mixed_rand", "only_bg_t")
_TAILS = (0.025, 0.975)
_SAMPLES = 10_000


def evaluation_summary(answers: Answers, predictors: Sequence[Predictor]) -> dict[str, Any]:
    """Return all numbers of an evaluation as plain data; fractions, with n and 95 % intervals.

    Args:
      answers: Of ``evaluate_backgrounds``.
      predictors: The models that were asked, in the same order.
    """
    models = []
    for place, predictor in enumerate(predictors):
        models.append(
            {
                "name": predictor.name,
                "protocol": predictor.protocol,
                "weights": predictor.weights,
                "alpha": predictor.alpha,
                "fed": answers.fed[place],
                "variants": {
                    kind: _accuracy(found[place], answers.labels)
                    for kind, found in answers.kinds.items()
                },
                "classes": _classes(answers, place),
                "gap": _gaps(answers, place),
                "categories": _categories(answers, place),
            }
        )
    return {
        "schema": SCHEMA,
        "set": answers.name,
        "fingerprint": answers.fingerprint,
        "originals": answers.originals,
        "n": len(answers.ids),
        "class_names": list(answers.class_names),
        "origins": answers.origins,
        "notes": list(answers.notes),
        "models": models,
    }


def evaluation_rows(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each model and variant, for ``rows.jsonl``."""
    return [
        {
            "schema": SCHEMA,
            "set": summary["set"],
            **{name: model[name] for name in ("name", "protocol", "weights", "alpha", "fed")},
            "variant": kind,
            "origin": summary["origins"][kind],
            **found,
        }
        for model in summary["models"]
        for kind, found in model["variants"].items()
    ]


def paired_gap(
    same: Bool[np.ndarray, "S N"], rand: Bool[np.ndarray, "S N"], samples: int = _SAMPLES
) -> dict[str, Any]:
    """Return the BG-Gap, averaged over pairings after the subtraction, with its interval.

    The interval is of the paired bootstrap over foregrounds, each drawn with all its pairings; it
    doesn't cover the draw of the backgrounds, which ``spread`` tells of.

    Args:
      same: Which foregrounds are right as Mixed-Same, for each of S pairings.
      rand: The same as Mixed-Rand.
      samples: Bootstrap samples.

    Returns:
      ``gap``, ``ci_low``, ``ci_high``, ``n``, ``by_seed``, and ``spread``, the standard deviation
      over pairings (None of one).
    """
    by_seed = background_gap(same.mean(axis=1), rand.mean(axis=1))
    drawn = drawn_differences(np.concatenate([same, rand]), 0, samples=samples, stream="BG-Gap")
    gaps = drawn[:, : len(same)].mean(axis=1) - drawn[:, len(same) :].mean(axis=1)
    low, high = np.quantile(gaps, _TAILS)
    return {
        "gap": float(by_seed.mean()),
        "ci_low": float(low),
        "ci_high": float(high),
        "n": same.shape[1],
        "by_seed": by_seed.tolist(),
        "spread": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
    }


def _accuracy(found: Int[np.ndarray, " N"], labels: Int[np.ndarray, " N"]) -> dict[str, Any]:
    tried = found != UNTRIED
    accuracy = Accuracy.of(found[tried] == labels[tried])
    if not accuracy.n:
        return {"accuracy": None, "ci_low": None, "ci_high": None, "n": 0}
    low, high = accuracy.interval()
    return {"accuracy": accuracy.compute(), "ci_low": low, "ci_high": high, "n": accuracy.n}


def _classes(answers: Answers, place: int) -> dict[str, list[dict[str, Any]]]:
    members = [answers.labels == label for label in range(len(answers.class_names))]
    return {
        kind: [_accuracy(found[place][each], answers.labels[each]) for each in members]
        for kind, found in answers.kinds.items()
    }


def _gaps(answers: Answers, place: int) -> dict[str, Any]:
    """Return the gap of a release's files and of composed pairings; None where there is none."""
    found: dict[str, Any] = {"files": None, "composed": None}
    kinds, origins = answers.kinds, answers.origins
    if all(origins.get(kind) == "files" for kind in ("mixed_same", "mixed_rand")):
        pair = kinds["mixed_same"][[place]], kinds["mixed_rand"][[place]]
        found["files"] = _gap_of(*pair, answers.labels)
    if answers.seeds:
        pair = answers.seeds["mixed_same"][:, place], answers.seeds["mixed_rand"][:, place]
        found["composed"] = _gap_of(*pair, answers.labels)
    return found


def _gap_of(
    same: Int[np.ndarray, "S N"], rand: Int[np.ndarray, "S N"], labels: Int[np.ndarray, " N"]
) -> dict[str, Any] | None:
    tried = (same != UNTRIED).all(axis=0) & (rand != UNTRIED).all(axis=0)
    if not tried.any():
        return None
    right = ((each == labels)[:, tried] for each in (same, rand))
    return {**paired_gap(*right), "unmatched": int((~tried).sum())}


def _categories(answers: Answers, place: int) -> dict[str, Any] | None:
    if not all(kind in answers.kinds for kind in CATEGORY_KINDS):
        return None
    found = [answers.kinds[kind][place] for kind in CATEGORY_KINDS]
    tried = np.all([each != UNTRIED for each in found], axis=0)
    right = [(each == answers.labels)[tried] for each in found]
    counts = np.bincount(image_categories(*right), minlength=len(CATEGORIES))
    n = int(tried.sum())
    return {
        "counts": dict(zip(CATEGORIES, counts.tolist(), strict=True)),
        "intervals": {
            name: list(clopper_pearson(int(count), n)) if n else None
            for name, count in zip(CATEGORIES, counts, strict=True)
        },
        "n": n,
        "unmatched": int((~tried).sum()),
    }
