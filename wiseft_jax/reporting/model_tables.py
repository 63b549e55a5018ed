"""Tables and sentences of several models on the same images: compared, or raced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.reporting.race_verdict import nothing_saved, percent, verdict
from wiseft_jax.reporting.study_tables import p_in_brackets

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""A header, and lines of as many cells."""

_OF_THE_SET = (
    "a race speaks of the images of its set alone; without --race, * marks what may be the best on"
    " images like these"
)


def comparison_table(
    rows: Sequence[Mapping[str, Any]], names: Mapping[str, str], skipped: Mapping[str, int]
) -> Table:
    """Return a line for each model on each set, with its difference from the first model.

    Args:
      rows: From ``evaluation.comparison.comparison_rows``.
      names: What models are called in the table.
      skipped: Images of each set that were left out.
    """
    first = names[rows[0]["reference"]]
    lines = []
    for row in rows:
        of_itself = row["model"] == row["reference"]
        low, high = percent(row["ci_low"]), percent(row["ci_high"])
        between = (_points(row["difference_low"]), _points(row["difference_high"]))
        lines.append(
            (
                row["dataset"],
                names[row["model"]] + (" *" if row["may_be_best"] else ""),
                percent(row["value"]),
                f"{low} to {high}",
                "" if of_itself else _points(row["difference"]),
                "" if of_itself else " to ".join(between),
                "" if of_itself else p_in_brackets(row["p_holm"]).strip("()"),
                str(row["n"]),
                str(skipped[row["dataset"]]),
            )
        )
    against = f"points to {first}"
    header = ("dataset", "model", "top-1 %", "95 % interval", against, "95 % interval", "p")
    return (*header, "n", "skipped"), lines


def comparison_caption(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Return what the columns of ``comparison_table`` are.

    Args:
      rows: Its rows.
      names: What models are called.
    """
    count = len({row["model"] for row in rows}) - 1
    holm = f", corrected for the {count} comparisons on a set (Holm)" if count > 1 else ""
    return (
        f"differences from {names[rows[0]['reference']]}, the first model, by the paired bootstrap"
        f" over images; p: McNemar's exact test{holm}; *: may be the best on images like"
        " these, not on these alone (95 %)"
    )


def race_table(facts: Mapping[str, Any], names: Mapping[str, str]) -> Table:
    """Return a line for each model of a race: what it got right, and when it was out.

    Args:
      facts: ``evaluation.race_facts.model_race_facts``, and the set.
      names: What models are called in the table.
    """
    lines = []
    for each in facts["models"]:
        lines.append(
            (
                names[each["model"]],
                f"{each['hits']} of {each['seen']}",
                percent(each["hits"] / max(each["seen"], 1)),
                _standing(each, facts),
            )
        )
    return ("model", "right", "%", "in the race"), lines


def _standing(each: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    if each["winner"]:
        return "winner"
    if not each["left"]:
        return f"out after {each['seen']} images"
    if each["model"] in facts["tied"]:
        return "tied"
    return "leads" if each["model"] == facts["leader"] else "left"


def race_sentences(facts: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Return who won a race of models, or that nobody did, what it cost, and what of it is sure.

    Args:
      facts: As for ``race_table``.
      names: What models are called.
    """
    left, tied = ([names[each] for each in facts[which]] for which in ("left", "tied"))
    chosen = "; it was chosen on this set, so that is optimistic" if facts["decided"] else ""
    lines = [
        f"{verdict(facts, names[facts['leader']], left, tied)}{chosen}",
        f"forward passes: {facts['forwards']} with the padding of batches,"
        f" {100 * facts['share']:.1f} % of the {facts['all_forwards']} of all models on all images"
        f"{nothing_saved(facts)}; the race ended because {facts['stopped']}",
    ]
    lines += [f"guaranteed: {line}" for line in facts["guaranteed"]]
    lines += [f"empirical: {line}" for line in facts["empirical"]]
    return [*lines, _OF_THE_SET]


def _points(share: float) -> str:
    # Rounding of -0.04 would give "-0.0".
    return f"{round(100 * share, 1) + 0.0:+.1f}"
