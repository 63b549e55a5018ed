"""Diversity of pairs of models as tables and sentences; from the study's facts, without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wiseft_jax.core.results import MEAN_OF_SHIFTS
from wiseft_jax.reporting.plain_table import plain_markdown, plain_table

if TYPE_CHECKING:
    from rich.table import Table

PROBES, CKA = "probe/probe", "cka_complement"
GROUPS = {
    "zero_shot/fine_tuned": "zero-shot / fine-tuned",
    "fine_tuned/fine_tuned": "fine-tuned / fine-tuned",
    PROBES: "two linear probes on halves",
}
"""Group of pairs -> what it is called."""
MEASURES = {
    "prediction_diversity": "prediction diversity",
    "kappa_complement": "kappa complement",
    "kl_divergence": "KL divergence",
    CKA: "CKA complement",
}
"""Measure -> what it is called."""


def diversity_cells(facts: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines of the table: a line for each set and measure.

    Args:
      facts: The content of ``diversity.json``.
    """
    groups = [group for group in GROUPS if facts["pairs"].get(group)]
    ratios = [group for group in groups if group != "fine_tuned/fine_tuned"]
    heads = ["set", "measure", *(GROUPS[group] for group in groups)]
    heads += [f"{GROUPS[group]}: times fine-tuned / fine-tuned" for group in ratios]
    lines = []
    for each in facts["sets"]:
        for place, (measure, own) in enumerate(each["measures"].items()):
            name = f"{each['dataset']} (n = {each['n']})" if place == 0 else ""
            lines.append(
                [
                    name,
                    MEASURES[measure],
                    *(_value(own.get(group), measure, group) for group in groups),
                    *(_ratio(own.get(group), measure, group) for group in ratios),
                ]
            )
    return heads, lines


def diversity_caption(facts: Mapping[str, Any]) -> str:
    """Return what the table shows, in words.

    Args:
      facts: The content of ``diversity.json``.
    """
    bootstrap = facts["bootstrap"]
    counted = "; ".join(
        f"{GROUPS[group]}: {count} pair{'s' if count > 1 else ''}"
        for group, count in facts["pairs"].items()
        if count
    )
    return (
        f"means over pairs ({counted}), the least and the most of them after; 95 % intervals in"
        f" brackets: bootstrap over images ({bootstrap['samples']} samples, seed"
        f" {bootstrap['seed']}), models fixed; KL divergence in nats, mean of both directions"
        + cka_note(facts)
    )


def cka_note(facts: Mapping[str, Any]) -> str:
    """Return what the CKA complement is of; empty where there is none.

    Args:
      facts: The content of ``diversity.json``.
    """
    sets = [each for each in facts["sets"] if each["dataset"] != MEAN_OF_SHIFTS]
    images = [n for each in sets if (n := each.get("cka_images", 0))]
    if not images:
        return ""
    probes = ", 0 of probes, which share an encoder" if facts["pairs"].get(PROBES) else ""
    return (
        f"; CKA complement: 1 - minibatch CKA of the image embeddings of {min(images)} to"
        f" {max(images)} images a set, bootstrap over minibatches{probes}"
    )


def diversity_table(facts: Mapping[str, Any]) -> Table:
    """Return the table for a terminal.

    Args:
      facts: The content of ``diversity.json``.
    """
    title = f"How differently models err, {len(facts['runs'])} fine-tunings of {facts['name']}"
    return plain_table(title, *diversity_cells(facts), diversity_caption(facts))


def diversity_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return how many times as diverse zero-shot and fine-tuned are as two fine-tuned ones.

    Args:
      facts: The content of ``diversity.json``.
    """
    sentences = []
    for each in facts["sets"]:
        if each["role"] == "shift" and each["dataset"] != MEAN_OF_SHIFTS and _has_mean(facts):
            continue
        for measure, own in each["measures"].items():
            ratio = own.get("zero_shot/fine_tuned", {}).get("ratio")
            if ratio is None:
                continue
            n = each["cka_images"] if measure == CKA else each["n"]
            sentences.append(
                f"{each['dataset']}: by {MEASURES[measure]} zero-shot and fine-tuned are"
                f" {ratio['value']:.1f} times as diverse as two fine-tuned models (95 % interval"
                f" {ratio['low']:.1f} to {ratio['high']:.1f}, n = {n})."
            )
    return sentences


def diversity_markdown(facts: Mapping[str, Any], chart: str, command: str) -> str:
    """Return the page: chart, sentences, table, command.

    Args:
      facts: The content of ``diversity.json``.
      chart: The file of the chart, beside the page.
      command: The call that made it; empty: not told.
    """
    sentences = "\n".join(f"- {line}" for line in diversity_sentences(facts))
    made = f"\nMade by:\n\n    {command}\n" if command else ""
    return (
        f"# How differently models err: {facts['name']}\n\n"
        f"![Diversity of pairs of models]({chart})\n\n"
        f"{sentences}\n\n"
        f"{plain_markdown(*diversity_cells(facts))}\n\n"
        f"{diversity_caption(facts)}.\n{made}"
    )


def _has_mean(facts: Mapping[str, Any]) -> bool:
    return any(each["dataset"] == MEAN_OF_SHIFTS for each in facts["sets"])


def _value(facts: Mapping[str, Any] | None, measure: str, group: str) -> str:
    if facts is None:
        if measure == CKA:
            return "0 (one encoder)" if group == PROBES else "no features"
        return "no logits"
    value, low, high, least, most = (
        _number(facts[name], measure) for name in ("value", "low", "high", "least", "most")
    )
    text = f"{value} [{low}, {high}]"
    return text + (f" {least}..{most}" if facts["least"] < facts["most"] else "")


def _number(value: float, measure: str) -> str:
    """Return three decimals of a share; of a divergence, which may be tiny, three digits."""
    return f"{value:#.3g}".rstrip(".") if measure == "kl_divergence" else f"{value:.3f}"


def _ratio(facts: Mapping[str, Any] | None, measure: str, group: str) -> str:
    if facts is None and (measure, group) == (CKA, PROBES):
        return "0"
    if facts is None or facts["ratio"] is None:
        return "undefined"
    ratio = facts["ratio"]
    return f"{ratio['value']:.1f} [{ratio['low']:.1f}, {ratio['high']:.1f}]"
