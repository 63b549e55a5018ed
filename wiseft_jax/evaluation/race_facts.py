"""What a race found as plain JSON values, and in words what of it is sure and what experience."""

from __future__ import annotations

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

    Args:
      result: The race.
      alphas: Its candidates.
      racing: How it was run.
    """
    left = [float(alphas[index]) for index in result.left]
    facts = {
        "alpha": float(alphas[result.winner]),
        **_counts(result, racing),
        "alphas": [float(alpha) for alpha in alphas],
        "left": left,
        "stopped": _STOPPED[result.stopped].format(what="alpha"),
        "full_sweep": result.total * len(alphas),
        "filled": result.filled,
        "audited": result.audited,
        "wrong": result.wrong,
        "wrong_bound": result.wrong_bound,
    }
    listed = ", ".join(f"{alpha:g}" for alpha in left)
    claim = f"the most accurate alpha on all {result.total} images is among {listed}"
    return facts | {
        "guaranteed": _guaranteed(result, racing, claim),
        "empirical": [*_filled_in(result), *_empirical(result, racing)],
    }


def model_race_facts(
    result: RaceResult,
    names: Sequence[str],
    racing: RaceConfig,
    shown: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return what a race of models found as plain JSON values, and in words how sure that is.

    Each model has ``hits`` of the ``seen`` images that it was in the race for; one that was
    eliminated was so after these, and ``left`` is false.

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
            "winner": index == result.winner,
        }
        for index, name in enumerate(names)
    ]
    among = "is" if len(result.left) == 1 else "is among"
    listed = ", ".join(shown[index] for index in result.left)
    claim = f"the most accurate model on all {result.total} images {among} {listed}"
    return {
        "winner": names[result.winner],
        **_counts(result, racing),
        "left": [names[index] for index in result.left],
        "stopped": _STOPPED[result.stopped].format(what="model"),
        "all_forwards": result.total * len(names),
        "models": models,
        "guaranteed": _guaranteed(result, racing, claim),
        "empirical": _empirical(result, racing),
    }


def _counts(result: RaceResult, racing: RaceConfig) -> dict[str, Any]:
    winner = result.winner
    return {
        "hits": int(result.hits[winner]),
        "seen": int(result.seen[winner]),
        "complete": result.complete,
        "n": result.total,
        "evaluations": result.evaluations,
        "forwards": result.forwards,
        "share": result.share,
        "budget": racing.budget,
    }


def _guaranteed(result: RaceResult, racing: RaceConfig, claim: str) -> list[str]:
    given = counted = ""
    if racing.neighbours:
        points = 100 * racing.fill_error
        given = f", if results filled in change no difference by more than {points:g} points"
        counted = ", none is filled in"
    sure = f"with a probability of at least {100 * racing.confidence:g} %"
    lines = [f"{sure} {claim}{given}"]
    if result.as_good:
        points = 100 * racing.tolerance
        lines.append(f"{sure} the winner is less than {points:g} points below it{given}")
    if result.complete:
        hits, seen = result.hits[result.winner], result.seen[result.winner]
        lines.append(f"the winner's {hits} right of {seen} are counted{counted}")
    return lines


def _filled_in(result: RaceResult) -> list[str]:
    if not result.filled:
        return []
    return [
        f"{result.filled} results were filled in between neighbouring alphas; of"
        f" {result.audited} of these that were drawn and run {result.wrong} were wrong, so"
        f" at most {100 * result.wrong_bound:.1f} % are (95 % confidence)"
    ]


def _empirical(result: RaceResult, racing: RaceConfig) -> list[str]:
    lines = []
    if len(result.left) > 1:
        lines.append(
            f"the winner is the most accurate of the {len(result.left)} left on the"
            f" {result.seen[result.winner]} images seen"
        )
    if racing.budget < 1 and result.share > racing.budget:
        lines.append(
            f"the budget of {100 * racing.budget:g} % was passed: so few images fill no batch, and"
            " a single question with the padding of its batch takes more"
        )
    if not result.complete:
        lines.append("the winner's count includes results that were filled in")
    return lines
