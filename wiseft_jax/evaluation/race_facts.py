"""What a race found as plain JSON values, and in words what of it is sure and what experience."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.evaluation.racing import RaceResult, Stopped

STOPPED: dict[Stopped, str] = {
    "one left": "one alpha was left",
    "tolerance": "within tolerance",
    "budget": "the budget was used",
    "all seen": "all images were seen",
}
"""Why a race ended, in words."""


def race_facts(result: RaceResult, alphas: Sequence[float], racing: RaceConfig) -> dict[str, Any]:
    """Return what a race found as plain JSON values, and in words how sure that is.

    Args:
      result: The race.
      alphas: Its candidates.
      racing: How it was run.
    """
    winner = result.winner
    left = [float(alphas[index]) for index in result.left]
    facts = {
        "alpha": float(alphas[winner]),
        "hits": int(result.hits[winner]),
        "seen": int(result.seen[winner]),
        "complete": result.complete,
        "n": result.total,
        "alphas": [float(alpha) for alpha in alphas],
        "left": left,
        "stopped": STOPPED[result.stopped],
        "evaluations": result.evaluations,
        "forwards": result.forwards,
        "full_sweep": result.total * len(alphas),
        "share": result.share,
        "budget": racing.budget,
        "filled": result.filled,
        "audited": result.audited,
        "wrong": result.wrong,
        "wrong_bound": result.wrong_bound,
    }
    return facts | {
        "guaranteed": _guaranteed(facts, racing),
        "empirical": _empirical(facts, racing),
    }


def _guaranteed(facts: dict[str, Any], racing: RaceConfig) -> list[str]:
    given = ""
    if racing.neighbours:
        points = 100 * racing.fill_error
        given = f", if results filled in change no difference by more than {points:g} points"
    listed = ", ".join(f"{alpha:g}" for alpha in facts["left"])
    sure = f"with a probability of at least {100 * racing.confidence:g} %"
    lines = [f"{sure} the most accurate alpha on all {facts['n']} images is among {listed}{given}"]
    if facts["stopped"] == STOPPED["tolerance"]:
        points = 100 * racing.tolerance
        lines.append(f"{sure} the winner is less than {points:g} points below it{given}")
    if facts["complete"]:
        lines.append(
            f"the winner's {facts['hits']} right of {facts['seen']} are counted, none is filled in"
        )
    return lines


def _empirical(facts: dict[str, Any], racing: RaceConfig) -> list[str]:
    lines = []
    if facts["filled"]:
        lines.append(
            f"{facts['filled']} results were filled in between neighbouring alphas; of"
            f" {facts['audited']} of these that were drawn and run {facts['wrong']} were wrong, so"
            f" at most {100 * facts['wrong_bound']:.1f} % are (95 % confidence)"
        )
    if len(facts["left"]) > 1:
        lines.append(
            f"the winner is the most accurate of the {len(facts['left'])} left on the"
            f" {facts['seen']} images seen"
        )
    if racing.budget < 1 and facts["share"] > racing.budget:
        lines.append(
            f"the budget of {100 * racing.budget:g} % was passed: so few images fill no batch, and"
            " a single question with the padding of its batch takes more"
        )
    if not facts["complete"]:
        lines.append("the winner's count includes results that were filled in")
    return lines
