"""``report.md``: which alpha, what it gains and costs, the table, the picture, how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.curve_rows import CurveRow
from wiseft_jax.core.results import Row, select_rows
from wiseft_jax.core.writers import write_text
from wiseft_jax.reporting.continuous_section import continuous_section
from wiseft_jax.reporting.gains_table import GAINS_NOTE, HEADS, gains_cells, points_text
from wiseft_jax.reporting.score_tables import scores_section
from wiseft_jax.reporting.series import Curves, Series
from wiseft_jax.reporting.tables import escaped, markdown_table

_MOST_SKIPPED = 20


def write_report(path: Path | str, rows: Sequence[Row], **options: Any) -> Path:
    """Write ``report_markdown(rows, **options)`` to ``path`` and return it."""
    path = Path(path)
    write_text(path, report_markdown(rows, **options))
    return path


def report_markdown(
    rows: Sequence[Row],
    *,
    selection: Mapping[str, Any],
    title: str = "Report",
    picture: str | None = "curve.png",
    skipped: Mapping[str, Sequence[str]] | None = None,
    commands: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
    curve_rows: Sequence[CurveRow] = (),
    possible_best: Sequence[float] = (),
    gains: Sequence[Mapping[str, Any]] = (),
    studies: str = "",
) -> str:
    """Return the report as Markdown.

    Args:
      rows: Of every set and alpha: top-1, and what else the sets are scored by.
      selection: ``Selection.facts()``.
      title: The heading.
      picture: The picture's file name, relative to the report; None for none.
      skipped: Dataset name -> ``"id: reason"`` of images that were left out.
      commands: What to type to do it again.
      curve_rows: The continuous curves, for the section on them.
      possible_best: The alphas that may be the best on the validation set.
      gains: ``SweepResult.gains`` of the chosen alpha: intervals and tests of its differences from
        both ends.
      studies: The section on studies, ``study_section``.
      facts: Further facts for the last section, such as versions or the model's name.
    """
    curves = Curves.of(rows)
    alpha = float(selection["alpha"])
    scores = scores_section(rows, {0.0, alpha, 1.0})
    sections = [
        f"# {title}",
        _summary(curves, alpha, selection),
        _possible(possible_best, rows, curve_rows),
        f"![Accuracy along the path from zero-shot to fine-tuned]({picture})" if picture else "",
        "## Accuracy",
        markdown_table(rows, selection=selection).rstrip(),
        _how_to_read(curves),
        "## At the chosen alpha, with 95 % intervals" if alpha in curves.alphas else "",
        _gains_table(curves, alpha, gains),
        "## What else the sets are scored by" if scores else "",
        scores,
        "## Between the alphas: the continuous curve" if curve_rows else "",
        continuous_section(curve_rows) if curve_rows else "",
        "## Studies" if studies else "",
        studies,
        "## Images left out",
        _skipped(skipped or {}),
        "## How it was made",
        _facts(rows, facts or {}, commands),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def is_report_of(text: str, rows: Sequence[Row], selection: Mapping[str, Any]) -> bool:
    """Return whether a stored report says what rows and the chosen alpha say.

    By what it says of them itself: the alpha, the table of accuracies, the configuration.

    Args:
      text: Of ``report_markdown``.
      rows: As there.
      selection: As there.
    """
    said = (
        _ship(float(selection["alpha"])),
        markdown_table(rows, selection=selection).rstrip(),
        _configuration(rows),
    )
    return all(each in text for each in said)


def _ship(alpha: float) -> str:
    return f"**Ship alpha = {alpha:g}**"


def _summary(curves: Curves, alpha: float, selection: Mapping[str, Any]) -> str:
    paragraphs = [f"{_ship(alpha)}: {selection['reason']}"]
    if not selection.get("held_out", True):
        paragraphs.append(
            "**Warning: alpha was chosen on a set that this report shows;"
            " its accuracy there is optimistic.**"
        )
    sets = ((curves.reference, "On the reference"), (curves.mean, "Under shift"))
    lines = [f"- {what}: {_sentence(each, curves, alpha)}" for each, what in sets if each]
    return "\n\n".join([*paragraphs, "\n".join(lines)])


def _possible(alphas: Sequence[float], rows: Sequence[Row], curve_rows: Sequence[CurveRow]) -> str:
    if not alphas:
        return ""
    measured = {row["alpha"] for row in select_rows(rows, split="validation", role="reference")}
    missing = ""
    if measured - {*alphas}:
        missing = " Those that are missing are less accurate there beyond chance."
    doubtful = ""
    for row in curve_rows:
        summary = row["summary"]
        if (row["split"], row["role"]) != ("validation", "reference"):
            continue
        if summary["evaluated_share"] < summary["uncertain_share"]:
            doubtful = (
                f" The curve is uncertain of {100 * summary['uncertain_share']:.2g} % of the"
                " predictions that this rests on; with `--sweep.curve.exact` it is of none."
            )
    listed = ", ".join(f"{alpha:g}" for alpha in alphas)
    return (
        f"Alphas that may be the best on the validation set (95 %, exact paired tests): {listed}."
        f"{missing}{doubtful}"
    )


def _sentence(series: Series, curves: Curves, alpha: float) -> str:
    name = series.name
    if series is curves.mean:
        count = len(curves.shifts)
        name = f"the mean of {count} shifts" if count > 1 else curves.shifts[0].name
    point = series.at(alpha)
    if point is None:
        return f"{name} was not measured at alpha = {alpha:g}."
    parts = [f"{100 * point.value:.1f} % on {name}"]
    for end, end_name in ((0.0, "zero-shot"), (1.0, "fine-tuned")):
        other = series.at(end)
        if other is not None and end != alpha:
            parts.append(f"{points_text(point.value - other.value)} against {end_name}")
    return ", ".join(parts) + "."


def _how_to_read(curves: Curves) -> str:
    lines = ["Accuracies are percentages; 0 is the zero-shot model, 1 the fine-tuned one."]
    if len(curves.shifts) > 1:
        lines.append(
            "The mean of the shifts is unweighted; its interval combines theirs as if the sets were"
            " independent, which sets made from the same images are not."
        )
    if curves.reference is not None and curves.reference.split != "test":
        lines.append(f"There is no test set of the reference: {curves.reference.name} is shown.")
    return " ".join(lines)


def _gains_table(curves: Curves, alpha: float, gains: Sequence[Mapping[str, Any]]) -> str:
    cells = gains_cells(curves, alpha, gains)
    if not cells:
        return ""
    lines = [f"| {' | '.join([escaped(line[0]), *line[1:]])} |" for line in cells]
    header = f"| {' | '.join(HEADS)} |\n| :-- | :-- | --: | --: | :-- | --: | --: |\n"
    return header + "\n".join(lines) + (f"\n\n{GAINS_NOTE}" if gains else "")


def _skipped(skipped: Mapping[str, Sequence[str]]) -> str:
    lines = []
    for name, reasons in skipped.items():
        if reasons:
            lines.append(f"- {name}: {len(reasons)}, not counted in n")
            lines += [f"  - `{reason}`" for reason in reasons[:_MOST_SKIPPED]]
            if len(reasons) > _MOST_SKIPPED:
                lines.append(f"  - and {len(reasons) - _MOST_SKIPPED} more")
    return "\n".join(lines) or "None: every image was read."


def _facts(rows: Sequence[Row], facts: Mapping[str, str], commands: Sequence[str]) -> str:
    lines = [_configuration(rows)]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines.append("- rows: `results.jsonl`; predictions of every image: `predictions/`")
    text = "\n".join(lines)
    if commands:
        listed = "\n".join(commands)
        text += (
            "\n\nTo do it again, where it was started (RUN is the directory of this report):"
            f"\n\n```sh\n{listed}\n```"
        )
    return text


def _configuration(rows: Sequence[Row]) -> str:
    hashes = sorted({row["config_hash"] for row in rows if row["config_hash"]})
    return f"- configuration: `{', '.join(hashes) or 'not given'}`"
