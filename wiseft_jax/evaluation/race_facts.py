"""What a race found as plain JSON values, and in words what of it is sure and what experience."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.evaluation.racing import RaceResult, Stopped

_STOPPED: dict[Stopped, str] = {
    "one left": "one {what} was left",
    "tolerance": "within tolerance",
    "budget": "the budget was used",
    "all seen": "all images were seen",
}


def race_facts(result: RaceResult, alphas: Sequence[float], racing: RaceConfig) -> dict[str, Any]:
    """Return what a race found as plain JSON values, and in words how sure that is.

    ``alpha`` has the most right of those ``left``, of equals the first; ``decided`` says whether it
    is the only one left or surely within the tolerance, and ``tied`` which have as many right.

    Args:
      result: The race.
      alphas: Its candidates.
      racing: How it was run.
    """
    left = [float(alphas[index]) for index in result.left]
    leader = f"alpha = {float(alphas[result.winner]):g}"
    facts = {
        "alpha": float(alphas[result.winner]),
        **_counts(result, racing),
        "alphas": [float(alpha) for alpha in alphas],
        "left": left,
        "tied": [float(alphas[index]) for index in result.tied],
        "stopped": _STOPPED[result.stopped].format(what="alpha"),
        "full_sweep": result.total * len(alphas),
        "filled": result.filled,
        "audited": result.audited,
        "wrong": result.wrong,
        "wrong_bound": result.wrong_bound,
    }
    listed = ", ".join(f"{alpha:g}" for alpha in left)
    claim = f"the most accurate alpha on these {result.total} images is among {listed}"
    return facts | {
        "guaranteed": _guaranteed(result, racing, claim, leader),
        "empirical": [*_filled_in(result), *_empirical(result, racing, leader)],
    }


def model_race_facts(
    result: RaceResult,
    names: Sequence[str],
    racing: RaceConfig,
    shown: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return what a race of models found as plain JSON values, and in words how sure that is.

    Each model has ``hits`` of the ``seen`` images that it was in the race for; one that was
    eliminated was so after these, and ``left`` is false. ``leader`` has the most right of those
    left, of equals the first; it is the ``winner``, which is None otherwise, where ``decided``:
    it is the only one left, or surely within the tolerance. ``tied`` have as many right.

    Args:
      result: The race.
      names: What its candidates are called.
      racing: How it was run, without ``neighbours``.
      shown: What they are called in sentences, if that differs.
    """
    shown = shown or names
    models = [
        {
            "model": name,
            "hits": int(result.hits[index]),
            "seen": int(result.seen[index]),
            "left": index in result.left,
            "winner": result.decided and index == result.winner,
        }
        for index, name in enumerate(names)
    ]
    among = "is" if len(result.left) == 1 else "is among"
    listed = ", ".join(shown[index] for index in result.left)
    claim = f"the most accurate model on these {result.total} images {among} {listed}"
    leader = shown[result.winner]
    return {
        "winner": names[result.winner] if result.decided else None,
        "leader": names[result.winner],
        **_counts(result, racing),
        "left": [names[index] for index in result.left],
        "tied": [names[index] for index in result.tied],
        "stopped": _STOPPED[result.stopped].format(what="model"),
        "all_forwards": result.total * len(names),
        "models": models,
        "guaranteed": _guaranteed(result, racing, claim, leader),
        "empirical": _empirical(result, racing, leader),
    }


def _counts(result: RaceResult, racing: RaceConfig) -> dict[str, Any]:
    leader = result.winner
    return {
        "decided": result.decided,
        "hits": int(result.hits[leader]),
        "seen": int(result.seen[leader]),
        "hits_counted": result.complete,
        "n": result.total,
        "evaluations": result.evaluations,
        "forwards": result.forwards,
        "share": result.share,
        "budget": racing.budget,
        "tolerance": racing.tolerance,
    }


def _guaranteed(result: RaceResult, racing: RaceConfig, claim: str, leader: str) -> list[str]:
    given = counted = ""
    if racing.neighbours:
        points = 100 * racing.fill_error
        given = f", if results filled in change no difference by more than {points:g} points"
        counted = ", none of them filled in"
    sure = f"with a probability of at least {100 * racing.confidence:g} %"
    lines = [f"{sure} {claim}{given}"]
    if result.as_good:
        points = f"{100 * racing.tolerance:g} points of accuracy"
        lines.append(f"{sure} {leader} is that one, or less than {points} behind it{given}")
    if result.complete:
        hits, seen = result.hits[result.winner], result.seen[result.winner]
        part = "" if seen == result.total else f" that the race looked at (of {result.total})"
        lines.append(f"{leader} was run on all {seen} images{part} and is right on {hits}{counted}")
    return lines


def _filled_in(result: RaceResult) -> list[str]:
    if not result.filled:
        return []
    return [
        f"{result.filled} results were filled in between neighbouring alphas; of"
        f" {result.audited} of these that were drawn and run {result.wrong} were wrong, so"
        f" at most {100 * result.wrong_bound:.1f} % are (95 % confidence)"
    ]


def _empirical(result: RaceResult, racing: RaceConfig, leader: str) -> list[str]:
    lines = []
    if len(result.left) > 1:
        count, left = result.seen[result.winner], len(result.left)
        if result.tied:
            lines.append(
                f"{len(result.tied)} of the {left} left have equally many right on the {count}"
                f" images seen; {leader} is the first of them"
            )
        else:
            lines.append(
                f"{leader} has the most right of the {left} left on the {count} images seen"
            )
    if racing.budget < 1 and result.share > racing.budget:
        lines.append(_passed(result, racing))
    if not result.complete:
        lines.append(f"the count of {leader} includes results that were filled in")
    return lines


def _passed(result: RaceResult, racing: RaceConfig) -> str:
    """Say what keeps the budget: nothing but the first question is asked beyond it."""
    enough = math.ceil(1000 * result.share) / 1000
    images = int(racing.budget * result.total)
    remedy = f"give --racing.budget {enough:g} or more"
    if images and not racing.neighbours:
        remedy += f", or --racing.batch-size {images} or less"
    return (
        f"the budget of {100 * racing.budget:g} % was passed: the first batch alone takes"
        f" {100 * result.share:.1f} %, padding included; {remedy}"
    )
