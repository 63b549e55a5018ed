"""The patch study's tables for a terminal, and in Markdown; from its summary, without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wiseft_jax.reporting.plain_table import plain_markdown, plain_table

if TYPE_CHECKING:
    from rich.console import Group

COLUMNS = {
    "clean": "clean",
    "shifts": "shifts",
    "corruptions": "corruptions",
    "drop/image": "drop",
    "flip/image": "flips",
    "score_drop/image": "score drop",
    "energy/image": "energy",
    "drop/noise": "drop, noise",
    "flip/noise": "flips, noise",
    "score_drop/noise": "score drop, noise",
    "energy/noise": "energy, noise",
}
"""Measure -> its column's head, in the order of the columns; all in per cent or points."""

FAMILIES = {"resnet": "ResNet", "clip": "CLIP"}
MIXERS = {
    "none": "none",
    "cutout": "Cutout",
    "cutmix": "CutMix",
    "smoothmix": "SmoothMix",
    "mixup": "Mixup",
}


def measures_cells(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines of the table of means over seeds.

    Args:
      summary: The content of ``summary.json``.
    """
    found = {(row["family"], row["mixer"], row["measure"]): row for row in summary["measures"]}
    kinds = dict.fromkeys((row["family"], row["mixer"]) for row in summary["measures"])
    shown = [name for name in COLUMNS if any(key[2] == name for key in found)]
    lines = [
        [
            f"{FAMILIES[family]}, {MIXERS[mixer]}",
            *(_mean(found[family, mixer, name]) for name in shown),
        ]
        for family, mixer in kinds
    ]
    return ["model", *(COLUMNS[name] for name in shown)], lines


def measures_caption(summary: Mapping[str, Any]) -> str:
    """Return what the table of means shows, in words.

    Args:
      summary: The content of ``summary.json``.
    """
    seeds, size = summary["seeds"], summary["patch_size"]
    interval = (
        f"mean ± half the 95 % interval (Student's t) over {seeds} seeds"
        if seeds > 1
        else "one seed, so no interval over seeds"
    )
    return (
        f"in %, {interval}; {summary['epochs']:g} epochs; n = {summary['n']}"
        f" ({summary['reference']}), {summary['n_shifts']} (shifts) and"
        f" {summary['n_corruptions']} (corruptions); a square of {size} x {size} pixels,"
        f" {100 * summary['patch_area']:.1f} % of the image, of an image of another class or of"
        " noise; drop: points of accuracy lost; flips: share of the answers that were right and"
        " change; score drop: of the true class's probability; energy: share of the saliency map"
        " of the answer inside the square (CAM of ResNets, Grad-CAM on tokens of CLIPs)"
    )


def differences_cells(
    summary: Mapping[str, Any], against: str
) -> tuple[list[str], list[list[str]]]:
    """Return heads and lines of how one augmentation compares with each other one.

    Args:
      summary: The content of ``summary.json``.
      against: The augmentation; a line's value is its measure minus the other's.
    """
    found: dict[tuple[str, str], dict[str, tuple[float, float, float]]] = {}
    for row in summary["differences"]:
        value = row["difference"], row["low"], row["high"]
        if row["mixer"] == against:
            found.setdefault((row["family"], row["against"]), {})[row["measure"]] = value
        elif row["against"] == against:
            turned = -value[0], -value[2], -value[1]
            found.setdefault((row["family"], row["mixer"]), {})[row["measure"]] = turned
    shown = [name for name in COLUMNS if any(name in each for each in found.values())]
    lines = [
        [f"{FAMILIES[family]}, minus {MIXERS[mixer]}", *(_gap(*each[name]) for name in shown)]
        for (family, mixer), each in found.items()
    ]
    return ["model", *(COLUMNS[name] for name in shown)], lines


def differences_caption(summary: Mapping[str, Any]) -> str:
    """Return what the table of differences shows, in words.

    Args:
      summary: The content of ``summary.json``.
    """
    return (
        f"points, with 95 % intervals of the paired bootstrap over images, {summary['seeds']}"
        " seed(s) pooled: they hold for these models on other images; not corrected for their"
        " number"
    )


def default_against(summary: Mapping[str, Any]) -> str:
    """Return the augmentation that others are compared with: SmoothMix where it is.

    Args:
      summary: The content of ``summary.json``.
    """
    mixers = list(dict.fromkeys(row["mixer"] for row in summary["measures"]))
    return "smoothmix" if "smoothmix" in mixers else mixers[-1]


def patch_tables(summary: Mapping[str, Any]) -> Group:
    """Return both tables for a terminal.

    Args:
      summary: The content of ``summary.json``.

    Example:
      >>> rich.print(patch_tables(json.loads(Path("study/summary.json").read_text())))
    """
    from rich.console import Group

    tables: list[Any] = [
        plain_table("patch study", *measures_cells(summary), measures_caption(summary))
    ]
    against = default_against(summary)
    heads, lines = differences_cells(summary, against)
    if lines:
        caption = differences_caption(summary)
        tables += ["", plain_table(f"{MIXERS[against]} against the others", heads, lines, caption)]
    return Group(*tables)


def patch_markdown(summary: Mapping[str, Any]) -> str:
    """Return both tables as Markdown.

    Args:
      summary: The content of ``summary.json``.
    """
    against = default_against(summary)
    heads, lines = measures_cells(summary)
    text = f"{plain_markdown(heads, lines)}\n\n{measures_caption(summary)}.\n"
    heads, lines = differences_cells(summary, against)
    if lines:
        text += f"\n{MIXERS[against]} against the others:\n\n{plain_markdown(heads, lines)}\n\n"
        text += f"{differences_caption(summary)}.\n"
    return text


def _mean(row: Mapping[str, Any]) -> str:
    value = f"{100 * row['mean']:.1f}"
    return value if row["high"] is None else f"{value} ± {100 * (row['high'] - row['mean']):.1f}"


def _gap(difference: float, low: float, high: float) -> str:
    low, high = (round(100 * end, 1) + 0.0 for end in (low, high))
    return f"{100 * difference:+.1f} ({low:.1f}..{high:.1f})"
