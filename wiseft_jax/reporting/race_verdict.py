"""How a race ended, in words: who won, who is level, who leads, and what it saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def verdict(
    facts: Mapping[str, Any],
    leader: str,
    left: Sequence[str],
    tied: Sequence[str],
    what: str = "models",
) -> str:
    """Return who won a race, or plainly that nobody did and who is still in it.

    Args:
      facts: Of the race and its set, from ``evaluation.race_facts``.
      leader: What the one with the most right is called.
      left: What those that were not eliminated are called.
      tied: What those with equally many right are called; none where the leader has more.
      what: What raced.
    """
    count = len(facts.get("models") or facts["alphas"])
    where = f"{facts['dataset']} ({facts['split']}, n={facts['n']})"
    right = f"{percent(facts['hits'] / max(facts['seen'], 1))} % of {facts['seen']}"
    if facts["decided"]:
        points = f", or less than {100 * facts['tolerance']:g} points behind the best,"
        within = points if len(left) > 1 else ""
        return f"{leader} is the best of {count}{within} on {where}: {right}"
    if not tied:
        return (
            f"undecided on {where}: {leader} leads with {right};"
            f" {len(left)} of {count} are still in the race: {', '.join(left)}"
        )
    level = f"the {what} {', '.join(tied)} are right on equally many images, {right}"
    others = [each for each in left if each not in tied]
    behind = f"; also still in the race: {', '.join(others)}" if others else ""
    return f"undecided, a tie on {where}: {level}{behind}"


def nothing_saved(facts: Mapping[str, Any]) -> str:
    """Return a remark where a race took as much as running all on everything, else nothing.

    Args:
      facts: Of the race.
    """
    if facts["share"] < 1:
        return ""
    return (
        "; that is no less than running all on everything, since padding fills up the batches: this"
        " race saved nothing"
    )


def percent(share: float) -> str:
    """Return a share in percent, with one digit behind the point."""
    return f"{100 * share:.1f}"
