"""WiSE-FT and its alternatives as a table and in sentences; from the study's facts, without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wiseft_jax.reporting.plain_table import plain_markdown, plain_table

if TYPE_CHECKING:
    from rich.table import Table

_HEADS = ("method", "", "reference", "shifts", "reference, against", "shifts, against", "beaten by")


def alternatives_cells(facts: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines of the table: a line for each point of the chart.

    Args:
      facts: The content of ``alternatives.json``.
    """
    lines, before = [], ""
    for point in facts["points"]:
        method = facts["methods"][point["method"]]
        title = method["title"]
        lines.append(
            [
                "" if title == before else title,
                f"{method['value']} {point['value']:g}",
                _accuracy(point["reference"]),
                _accuracy(point["shifts"]),
                _difference(point["against"]["reference"]),
                _difference(point["against"]["shifts"]),
                _beaten(point["beaten_at"]),
            ]
        )
        before = title
    return list(_HEADS), lines


def alternatives_caption(facts: Mapping[str, Any]) -> str:
    """Return what the table shows, in words.

    Args:
      facts: The content of ``alternatives.json``.
    """
    bootstrap, shifts = facts["bootstrap"], facts["shifts"]
    sizes = sorted({*shifts.values()})
    counted = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    text = (
        f"accuracy in %; against: minus WiSE-FT at alpha {facts['compared_at']:g}, in points, with"
        " its 95 % interval over images (Newcombe's; of means over draws the paired bootstrap,"
        f" {bootstrap['samples']} samples, seed {bootstrap['seed']}; sets that show the same images"
        " are taken together, models are fixed: intervals say nothing of other training seeds);"
        " beaten by: alphas of WiSE-FT that are at least as accurate on both, and more accurate on"
        " one; reference:"
        f" {facts['reference']['dataset']}, n = {facts['reference']['n']}; shifts: mean of"
        f" {len(shifts)}, n = {counted} each"
    )
    draws = max(point["models"] for point in facts["points"])
    return text + (f"; random interpolation: mean of {draws} draws" if draws > 1 else "")


def alternatives_table(facts: Mapping[str, Any]) -> Table:
    """Return the table for a terminal.

    Args:
      facts: The content of ``alternatives.json``.
    """
    title = f"WiSE-FT and its alternatives, {facts['study']['name']}"
    return plain_table(title, *alternatives_cells(facts), alternatives_caption(facts))


def alternatives_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return how each method's best point under shift compares with WiSE-FT's.

    Args:
      facts: The content of ``alternatives.json``.
    """
    best = {each["method"]: each for each in facts["best"]}
    own = best.pop("wise_ft")
    sentences = [
        f"Best under shift, chosen on the shifts (an oracle): WiSE-FT at alpha {own['value']:g},"
        f" {_percent(own['shifts'])} on the shifts and {_percent(own['reference'])} on the"
        " reference."
    ]
    for method, each in best.items():
        named = facts["methods"][method]
        sentences.append(
            f"{named['title']}, {named['value']} {each['value']:g}: {_percent(each['shifts'])} on"
            f" the shifts ({_points(each)}), {_percent(each['reference'])} on the reference."
        )
    for each in facts["study"]["failed"]:
        title = facts["methods"][each["method"]]["title"]
        sentences.append(f"{title} {each['value']:g} diverged and is left out.")
    return sentences


def alternatives_markdown(facts: Mapping[str, Any], chart: str) -> str:
    """Return the page: chart, sentences, table, commands.

    Args:
      facts: The content of ``alternatives.json``.
      chart: The file of the chart, beside the page.
    """
    sentences = "\n".join(f"- {line}" for line in alternatives_sentences(facts))
    commands = "\n".join(f"    {line}" for line in facts["study"]["commands"])
    return (
        f"# WiSE-FT and its alternatives: {facts['study']['name']}\n\n"
        f"![Accuracy on the reference against accuracy under shift]({chart})\n\n"
        f"{sentences}\n\n"
        f"{plain_markdown(*alternatives_cells(facts))}\n\n"
        f"{alternatives_caption(facts)}.\n\n"
        f"Made by:\n\n{commands}\n"
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _accuracy(facts: Mapping[str, Any]) -> str:
    text = f"{100 * facts['value']:.1f}"
    return text + (f" (sd {100 * facts['sd']:.1f})" if "sd" in facts else "")


def _difference(facts: Mapping[str, Any]) -> str:
    return (
        f"{100 * facts['difference']:+.1f} [{100 * facts['low']:+.1f}, {100 * facts['high']:+.1f}]"
    )


def _points(facts: Mapping[str, Any]) -> str:
    return (
        f"{100 * facts['difference']:+.1f} points, 95 % interval {100 * facts['low']:+.1f} to"
        f" {100 * facts['high']:+.1f}"
    )


def _beaten(alphas: list[float]) -> str:
    if not alphas:
        return "none"
    if len(alphas) == 1:
        return f"{alphas[0]:g}"
    return f"{min(alphas):g} to {max(alphas):g} ({len(alphas)})"
