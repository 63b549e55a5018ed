"""From the stored facts of a run to what the page's charts and tables are drawn from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.reporting.page.analyses import Analysis, analyses_of, missing_commands
from wiseft_jax.reporting.page.classes import ClassCounts, class_counts
from wiseft_jax.reporting.page.facts import RunFacts
from wiseft_jax.reporting.page.flipped import MOST_SHOWN, Flip, count_flips, pick_flips
from wiseft_jax.reporting.page.lines import Line, lines_of
from wiseft_jax.reporting.page.settings import flat
from wiseft_jax.reporting.page.shared_images import with_correlations
from wiseft_jax.reporting.page.summary import summary_of
from wiseft_jax.reporting.series import Curves

_MOST_SKIPPED = 50


@dataclasses.dataclass(frozen=True)
class RunPage:
    """What a page shows of a run; ``dataclasses.asdict`` of it is JSON.

    Attributes:
      name: What it is called.
      alpha: The chosen one.
      rule: How it was chosen.
      alphas: Every alpha of any set, rising.
      summary: Sentences.
      lines: The curves.
      classes: Counts by class, of each set with predictions.
      flips: Images that flip.
      flip_counts: Set -> kind -> how many flip so.
      analyses: Those that are stored.
      missing: Title and command of those that aren't.
      how: ``configuration``, ``versions``, ``hashes`` as pairs; ``commands``.
      skipped: Set -> images that couldn't be read.
      omitted: Sentences on what isn't here, and why.
    """

    name: str
    alpha: float
    rule: str
    alphas: list[float]
    summary: list[str]
    lines: list[Line]
    classes: list[ClassCounts]
    flips: list[Flip]
    flip_counts: dict[str, dict[str, int]]
    analyses: list[Analysis]
    missing: list[tuple[str, str]]
    how: dict[str, list[Any]]
    skipped: dict[str, list[str]]
    omitted: list[str]


def run_page(facts: RunFacts, most_flips: int = MOST_SHOWN) -> RunPage:
    """Return what a page shows of a run, its flips without pictures.

    Args:
      facts: What is stored.
      most_flips: How many images that flip are shown at most.

    Raises:
      InputError: If there are no top-1 rows.
    """
    curves = with_correlations(Curves.of(facts.rows), facts.predictions, facts.images)
    lines = lines_of(curves, facts.predictions, facts.curve_rows, facts.alpha, facts.images)
    tested = [facts.predictions[name] for name in _flip_sets(lines, facts.predictions)]
    sizes = {name: len(names) for name, names in facts.class_names.items()}
    counted = [
        class_counts(stored, facts.class_names[name], facts.alpha)
        for name, stored in _in_order(lines, facts.predictions)
        if name in facts.class_names
    ]
    flip_counts = {each.dataset: count_flips(each, facts.alpha) for each in tested}
    return RunPage(
        name=facts.name,
        alpha=facts.alpha,
        rule=str(facts.selection.get("rule", "")),
        alphas=curves.alphas,
        summary=summary_of(lines, facts.selection, facts.possible_best),
        lines=lines,
        classes=[each for each in counted if each is not None],
        flips=pick_flips((e for e in tested if e.dataset in sizes), facts.alpha, sizes, most_flips),
        flip_counts={name: counts for name, counts in flip_counts.items() if counts},
        analyses=analyses_of(facts.analyses),
        missing=missing_commands(facts.analyses),
        how=_how(facts),
        skipped={
            name: list(stored.skipped[:_MOST_SKIPPED])
            for name, stored in facts.predictions.items()
            if stored.skipped
        },
        omitted=list(facts.omitted),
    )


def _flip_sets(lines: Sequence[Line], predictions: Mapping[str, Any]) -> list[str]:
    """Return the reference and the shifts with predictions, or of a run without any all sets."""
    names = [line.name for line in lines if line.name in predictions]
    kinds = {line.name: line.kind for line in lines}
    return [name for name in names if kinds[name] in ("reference", "shift")] or names


def _in_order(lines: Sequence[Line], predictions: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the predictions in the order of the curves: the reference, the shifts, the others."""
    names = [line.name for line in lines if line.name in predictions]
    return [(name, predictions[name]) for name in dict.fromkeys(names)]


def _how(facts: RunFacts) -> dict[str, list[Any]]:
    return {
        "configuration": [list(pair) for pair in flat(facts.config).items()],
        "versions": [list(pair) for pair in facts.versions.items()],
        "hashes": [list(pair) for pair in facts.hashes.items()],
        "commands": list(facts.commands),
    }
