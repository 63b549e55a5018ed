"""The report's section on the studies of a run: the race, learned coefficients, rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.reporting.study_tables import (
    LEARNED_NOTE,
    MODELS,
    coefficients_sentence,
    missing_sentences,
    race_sentences,
    rules_caption,
    rules_cells,
)
from wiseft_jax.reporting.tables import escaped, p_text


def study_section(found: Mapping[str, Mapping[str, Any]], left_out: Sequence[str]) -> str:
    """Return the section as Markdown; empty without studies.

    Args:
      found: ``"race"``, ``"learned"``, ``"rules"`` -> the content of their files, as far as there.
      left_out: A line for each file that doesn't fit the run.
    """
    parts = []
    if "race" in found:
        parts.append(_listed("The race (`race.json`):", race_sentences(found["race"])))
    if "learned" in found:
        parts.append(_learned(found["learned"]))
    if "rules" in found:
        parts.append(_rules(found["rules"]))
    parts += [f"**{line}**" for line in left_out]
    return "\n\n".join(parts)


def _learned(facts: Mapping[str, Any]) -> str:
    half = "half of " if not facts["held_out"] else ""
    title = (
        f"Learned coefficients (`learned.json`), fitted on {half}{facts['dataset']}"
        f" (n={facts['n']}) by {facts['config']['objective']}, beside the best of"
        f" {len(facts['alphas'])} single alphas:"
    )
    lines = [coefficients_sentence(facts)]
    for each in facts["reported_on"]:
        rows = {row["model"]: row for row in facts["rows"] if row["dataset"] == each["dataset"]}
        said = [_compared(name, rows[name]) for name in MODELS if name in rows]
        lines.append(f"{each['dataset']} (n={rows['learned']['n']}): {', '.join(said)}")
    lines.append(
        "p: McNemar's exact test against the learned ones, corrected for the"
        f" {len(facts['reported_on'])} sets (Holm); {LEARNED_NOTE}"
    )
    return _listed(title, lines)


def _rules(facts: Mapping[str, Any]) -> str:
    header, lines = rules_cells(facts)
    head = [name if not kind else f"{name} ({kind}, {_counted(n)})" for name, kind, n in header]
    table = [f"| {' | '.join(map(escaped, line))} |" for line in (head, *lines)]
    table.insert(1, f"| :-- |{' --: |' * (len(header) - 1)}")
    title = f"What each rule for alpha costs (`rules.json`): {rules_caption(facts)}."
    missing = [f"- {line}" for line in missing_sentences(facts)]
    return "\n".join([title, "", *table, *(["", *missing] if missing else [])])


def _counted(n: str) -> str:
    return f"n={n}" if n.isdigit() else n


def _compared(name: str, row: Mapping[str, Any]) -> str:
    alpha = "" if row["alpha"] is None else f" ({row['alpha']:g})"
    text = f"{MODELS[name]}{alpha} {100 * row['value']:.1f} %"
    return text if row["p_holm"] is None else f"{text} ({p_text(row['p_holm'])})"


def _listed(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, "", *(f"- {line}" for line in lines)])
