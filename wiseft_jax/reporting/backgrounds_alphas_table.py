"""Tables of the backgrounds study along alpha, for a terminal and in Markdown; without JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wiseft_jax.reporting.backgrounds_titles import VARIANT_TITLES
from wiseft_jax.reporting.plain_table import plain_markdown, plain_table

if TYPE_CHECKING:
    from rich.console import Group

COLUMNS = {
    "accuracy/original": "Original",
    "accuracy/mixed_same": "Mixed-Same",
    "accuracy/mixed_rand": "Mixed-Rand",
    "gap": "BG-Gap",
    "challenge_accuracy": "challenge",
    "paper_fooled_rate": "fooled",
    "energy/true": "energy, true",
    "energy/predicted": "energy, answer",
}
"""Measure -> its column's head, in the order of the first table's columns; all in per cent."""

CATEGORIES = (
    "BG irrelevant",
    "BG required",
    "BG fools",
    "BG and FG required",
    "BG and FG fools",
)

RULES = {
    "smallest_gap": "BG-Gap nearest to 0",
    "best_mixed_rand": "best on Mixed-Rand",
    "best_original": "best on Original",
}

_TEST = "test"


def measures_cells(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines of the main table: a line for each alpha.

    Args:
      summary: The content of ``summary.json``.
    """
    return _cells(summary, COLUMNS)


def variants_cells(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines of the accuracies on the other variants.

    Args:
      summary: The content of ``summary.json``.
    """
    others = {f"accuracy/{name}": title for name, title in VARIANT_TITLES.items()}
    return _cells(summary, {name: each for name, each in others.items() if name not in COLUMNS})


def categories_cells(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines of what the background does to images: shares along alpha.

    Args:
      summary: The content of ``summary.json``.
    """
    return _cells(summary, {f"category/{name}": name for name in CATEGORIES})


def choices_cells(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines of the alphas that were chosen, and what they cost.

    Args:
      summary: The content of ``summary.json``.
    """
    heads = [
        "chosen by", "alpha", "in resamples", "BG-Gap", "Original",
        "BG-Gap, change", "Original, change", "Mixed-Rand, change",
    ]  # fmt: skip
    lines = []
    for row in summary["choices"]:
        against = row["against"]["fine_tuned"]
        lines.append(
            [
                RULES[row["rule"]],
                f"{row['alpha']:g}",
                _sureness(row, summary["alphas"]),
                *(_value(**row[name]) for name in ("gap", "original")),
                *(_change(**against[name]) for name in ("gap", "original", "mixed_rand")),
            ]
        )
    return heads, lines


def measures_caption(summary: Mapping[str, Any]) -> str:
    """Return what the main table shows, in words.

    Args:
      summary: The content of ``summary.json``.
    """
    n, seeds = summary["n"][_TEST], summary["pairing_seeds"]
    text = (
        f"in %, with 95 % intervals; n = {n} ({summary['data'][_TEST]}); {summary['model']}; mixed"
        f" sets: mean over {seeds} pairing{'s' if seeds > 1 else ''}; BG-Gap: Mixed-Same minus"
        " Mixed-Rand, in points (paired bootstrap over foregrounds)"
    )
    challenge, saliency = summary.get("challenge"), summary.get("saliency")
    if challenge:
        text += f"; {challenge_words(challenge)}; fooled: turned to a background's class (paper)"
    if saliency:
        area = summary["curves"][_TEST]["mask_area"]["value"][0]
        text += (
            "; energy: share of Grad-CAM's positive part on the object, of"
            f" {saliency['images']['n']} originals, for the true class and for the answer; a map"
            f" that looks nowhere in particular has the mask's area, {100 * area:.1f} %"
        )
    return text


def challenge_words(challenge: Mapping[str, Any]) -> str:
    """Return which pairs the challenge is of, and that a sample bounds the whole from above.

    Args:
      challenge: Of ``summary.json``.
    """
    front, back = challenge["foregrounds"], challenge["backgrounds"]
    bound = ", an upper bound of the whole set's" if challenge["upper_bound"] else ""
    return (
        f"challenge: {front['n']} of {front['of']} foregrounds on {back['n']} of {back['of']}"
        f" backgrounds{bound}"
    )


def choices_caption(summary: Mapping[str, Any]) -> str:
    """Return what the table of chosen alphas shows, in words.

    Args:
      summary: The content of ``summary.json``.
    """
    if not summary["choices"]:
        return (
            "no alpha is chosen: there are no images to choose on but those that are reported on"
            " (--choose-split)"
        )
    count = summary["n"]["validation"]
    return (
        f"chosen on {count} validation images, reported on {summary['n'][_TEST]} test images;"
        " changes against alpha = 1 in points, with 95 % intervals of the paired bootstrap over"
        " foregrounds, not corrected for their number; in resamples: in how many bootstrap samples"
        " of the validation images the same alpha is chosen"
    )


def alphas_tables(summary: Mapping[str, Any]) -> Group:
    """Return the tables for a terminal.

    Args:
      summary: The content of ``summary.json``.

    Example:
      >>> rich.print(alphas_tables(json.loads(Path("study/summary.json").read_text())))
    """
    from rich.console import Group

    parts: list[Any] = []
    for title, (heads, lines), caption in _parts(summary):
        parts += [*([""] if parts else []), plain_table(title, heads, lines, caption)]
    return Group(*parts)


def alphas_markdown(summary: Mapping[str, Any]) -> str:
    """Return the tables as Markdown.

    Args:
      summary: The content of ``summary.json``.
    """
    text = ""
    for title, (heads, lines), caption in _parts(summary):
        body = plain_markdown(heads, lines, first=":---")
        text += f"## {title[0].upper()}{title[1:]}\n\n" + (f"{body}\n\n" if lines else "")
        text += f"{caption[0].upper()}{caption[1:]}.\n\n"
    return text.rstrip("\n") + "\n"


def _parts(summary: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    accuracies = "in %, with 95 % intervals (Clopper-Pearson; means over pairings: bootstrap)"
    shares = "in %, mean over pairings, with 95 % intervals (bootstrap over foregrounds)"
    return [
        ("backgrounds along alpha", measures_cells(summary), measures_caption(summary)),
        ("alphas chosen", choices_cells(summary), choices_caption(summary)),
        ("accuracy on the other variants", variants_cells(summary), accuracies),
        ("what the background does to images", categories_cells(summary), shares),
    ]


def _cells(
    summary: Mapping[str, Any], columns: Mapping[str, str]
) -> tuple[list[str], list[list[str]]]:
    curves = summary["curves"][_TEST]
    shown = [name for name in columns if name in curves]
    lines = [
        [
            f"{alpha:g}",
            *(
                _value(**{key: curves[name][key][place] for key in ("value", "low", "high")})
                for name in shown
            ),
        ]
        for place, alpha in enumerate(summary["alphas"])
    ]
    return ["alpha", *(columns[name] for name in shown)], lines


def _value(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "none"
    return f"{_number(value)} ({_number(low)}..{_number(high)})"


def _sureness(row: Mapping[str, Any], alphas: Sequence[float]) -> str:
    if "chosen_in_samples" not in row:
        return ""
    return f"{100 * row['chosen_in_samples'][alphas.index(row['alpha'])]:.0f} %"


def _change(difference: float, low: float, high: float) -> str:
    return f"{100 * difference:+.1f} ({_number(low)}..{_number(high)})"


def _number(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:.1f}"
