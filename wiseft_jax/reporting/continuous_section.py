"""The report's section on the continuous curve: what it took, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

from wiseft_jax.core.curve_rows import CurveRow

_ENOUGH = 20
"""With fewer audited predictions the upper bound is above a seventh, and says nothing."""


def continuous_section(curve_rows: Sequence[CurveRow]) -> str:
    """Return a table of the curves and what its columns mean, as Markdown.

    Args:
      curve_rows: The continuous curves.
    """
    lines = [_line(row) for row in curve_rows]
    header = (
        "| set | nodes | passes | uncertain | run directly | audit | best over the continuum |"
        "\n| :-- | --: | --: | --: | --: | :-- | :-- |\n"
    )
    explanation = (
        "The model was run at a few alphas (nodes); the features between them are those of a"
        " polynomial. A prediction is uncertain where its margin doesn't exceed a multiple of the"
        " estimated error (two, by default); those that were run directly are the model's own."
        " The audit runs a random sample of the certain ones: how many differ, and the 95 % upper"
        " bound of their share (of a small set by the alphas drawn, hence wide). Passes are forward"
        " passes over the set, with all of that. The best"
        " over the continuum is the polynomial's between the points asked for: intervals narrower"
        " than their distance are as sure as its band. A change and back within a hundredth of the"
        " range is missed."
        " ![Where predictions flip along alpha](flips.png)"
    )
    return "\n\n".join([explanation, header + "\n".join(lines)])


def _line(row: CurveRow) -> str:
    facts = row["summary"]
    audit = "none"
    if facts["audited"]:
        audit = f"{facts['mismatches']} of {facts['audited']}"
        few = facts["audited"] < _ENOUGH
        bound = (
            "too few for a bound" if few else f"at most {100 * facts['mismatch_upper_95']:.2g} %"
        )
        audit += f" ({bound})"
    for sampled, mismatches in facts.get("failed_audits", []):
        audit += f"; before it {mismatches} of {sampled}, so it was read again"
    cells = [
        row["dataset"].replace("|", "\\|"),
        ", ".join(facts["nodes"]),
        f"{facts['passes']:.1f}",
        f"{100 * facts['uncertain_share']:.2f} %",
        f"{100 * facts['evaluated_share']:.2f} %",
        audit,
        _best(row),
    ]
    if facts["note"]:
        cells[1] += f" ({facts['note']})"
    return f"| {' | '.join(cells)} |"


def _told_apart(intervals: Sequence[Sequence[float]]) -> list[tuple[str, str]]:
    """Return intervals as they are printed; those between which no gap would be seen as one."""
    found: list[tuple[str, str]] = []
    for low, high in intervals:
        first, last = f"{low:.4g}", f"{high:.4g}"
        if found and found[-1][1] == first:
            first = found.pop()[0]
        found.append((first, last))
    return found


def _best(row: CurveRow) -> str:
    most, intervals = row["summary"]["best_hits"], _told_apart(row["summary"]["best_alphas"])
    shown = ", ".join(f"{low} to {high}" for low, high in intervals[:2])
    more = f" and {len(intervals) - 2} more" if len(intervals) > 2 else ""
    return f"{100 * most / row['n']:.1f} % at {shown}{more}"
