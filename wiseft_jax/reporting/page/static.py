"""The parts of a page that need no script: summary, key numbers, how it was made."""

from __future__ import annotations

from collections.abc import Sequence

from wiseft_jax.core.errors import counted
from wiseft_jax.reporting.page.build import RunPage
from wiseft_jax.reporting.page.compare import Comparison
from wiseft_jax.reporting.page.lines import Line
from wiseft_jax.reporting.page.summary import signed
from wiseft_jax.reporting.page.text import escaped, isolated, table
from wiseft_jax.reporting.tables import alpha_name, alphas_of_interest, p_text

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 640, 340, 50, 12, 500, 300
_COLOURS = {"reference": "#0067a3", "mean": "#b34a00"}
_FAINT = "#858c95"


def summary_html(runs: Sequence[RunPage]) -> str:
    """Return the sentences of each run; those of a later one are hidden until it is chosen."""
    parts = []
    for run in runs:
        first, *others = run.summary
        heading = f"<h3>{isolated(run.name)}</h3>" if len(runs) > 1 else ""
        listed = "".join(
            f'<li class="warning">{escaped(each)}</li>'
            if each.startswith("Take care")
            else f"<li>{escaped(each)}</li>"
            for each in others
        )
        bullets = f'<ul class="plain">{listed}</ul>' if listed else ""
        parts.append(
            f'<div>{heading}<p class="lead"><strong>{escaped(first)}</strong></p>{bullets}</div>'
        )
    return "\n".join(parts)


def compare_html(runs: Sequence[RunPage], comparison: Comparison | None) -> str:
    """Return the section that has several runs side by side; empty for one."""
    if comparison is None:
        return ""
    rows = [(isolated(run.name), f"{run.alpha:g}", *_key_numbers(run)) for run in runs]
    header = (
        "run", "chosen alpha", "reference", "95 % interval",
        "under shift", "95 % interval", "above zero-shot", "above fine-tuned",
    )  # fmt: skip
    parts = [
        '<section id="compare" aria-labelledby="compare-title">',
        '<h2 id="compare-title">Side by side</h2>',
        table(
            "At each run's chosen alpha, in %; under shift: the mean of its shifted sets",
            header,
            rows,
        ),
    ]
    if comparison.pairs:
        parts.append(_pairs(comparison))
    parts += [f'<p class="note">{escaped(each)}</p>' for each in comparison.notes]
    parts.append(
        '<div id="compare-live" hidden><div class="choices" id="compare-choices"></div>'
        '<div class="chart" id="compare-chart"></div><div id="compare-now"></div>'
        '<div class="chart" id="compare-scatter"></div></div>'
    )
    if comparison.config:
        parts.append(
            table(
                "Where the configurations differ",
                ("field", *(isolated(run.name) for run in runs)),
                [
                    (f"<code>{escaped(field)}</code>", *(_code(value) for value in values))
                    for field, values in comparison.config
                ],
                numbers=len(runs) + 1,
            )
        )
    else:
        parts.append("<p>The configurations are the same.</p>")
    return "\n".join([*parts, "</section>"])


def _code(value: str) -> str:
    return f"<code>{escaped(value)}</code>"


def _pairs(comparison: Comparison) -> str:
    rows = [
        (
            isolated(pair.name),
            f"{isolated(pair.second)} minus {isolated(pair.first)}",
            signed(pair.difference),
            f"{signed(pair.low)} to {signed(pair.high)}",
            p_text(pair.p_value),
            f"{pair.n}",
        )
        for pair in comparison.pairs
    ]
    caption = "Runs on the same images, in points: Newcombe's interval, McNemar's exact test"
    header = ("set", "runs", "difference", "95 % interval", "p", "n")
    return table(caption, header, rows, numbers=2)


def _key_numbers(run: RunPage) -> list[str]:
    cells: list[str] = []
    shift = shift_line(run)
    for line in (_of_kind(run, "reference"), shift):
        if line is None or run.alpha not in line.alphas:
            cells += ["-", "-"]
            continue
        place = line.alphas.index(run.alpha)
        cells.append(f"{100 * line.values[place]:.1f}")
        cells.append(f"{100 * line.low[place]:.1f} to {100 * line.high[place]:.1f}")
    for end in (0.0, 1.0):
        if shift is None or not {end, run.alpha} <= {*shift.alphas}:
            cells.append("-")
            continue
        here, there = (shift.values[shift.alphas.index(at)] for at in (run.alpha, end))
        cells.append(signed(here - there))
    return cells


def _of_kind(run: RunPage, kind: str) -> Line | None:
    return next((line for line in run.lines if line.kind == kind), None)


def shift_line(run: RunPage) -> Line | None:
    """Return the mean of the shifts, or the only one."""
    return _of_kind(run, "mean") or _of_kind(run, "shift")


def curve_html(run: RunPage) -> str:
    """Return the curve as a plain picture, and its table."""
    alphas = alphas_of_interest(run.alphas, run.alpha)
    header = ("alpha", *(isolated(line.name) for line in run.lines))
    rows = [
        (
            escaped(alpha_name(alpha, chosen=alpha == run.alpha)),
            *(
                f"{100 * line.values[line.alphas.index(alpha)]:.1f}"
                if alpha in line.alphas
                else "-"
                for line in run.lines
            ),
        )
        for alpha in alphas
    ]
    return curve_svg(run) + table("Accuracy in %", header, rows)


def curve_svg(run: RunPage) -> str:
    """Return the curve as SVG markup."""
    values = [value for line in run.lines for value in line.values]
    low, high = min(values), max(values)
    low, high = low - 0.02, max(high, low + 0.01) + 0.02
    first, last = min(0.0, run.alphas[0]), max(1.0, run.alphas[-1])

    def x(alpha: float) -> float:
        return _LEFT + (alpha - first) / (last - first) * (_RIGHT - _LEFT)

    def y(value: float) -> float:
        return _BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Accuracy over alpha">',
        f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{_BOTTOM}" y2="{_BOTTOM}"/>',
        f'<line class="chosen" x1="{x(run.alpha):.1f}" x2="{x(run.alpha):.1f}" y1="{_TOP}"'
        f' y2="{_BOTTOM}"/>',
        f'<text x="{_LEFT}" y="{_BOTTOM + 20}">zero-shot</text>',
        f'<text x="{_RIGHT}" y="{_BOTTOM + 20}" text-anchor="end">fine-tuned</text>',
    ]
    for value in (low + 0.02, high - 0.02):
        parts.append(f'<text x="6" y="{y(value) + 4:.1f}">{100 * value:.1f} %</text>')
    for line in run.lines:
        points = " ".join(
            f"{x(alpha):.1f},{y(value):.1f}"
            for alpha, value in zip(line.alphas, line.values, strict=True)
        )
        width = 2.4 if line.kind in ("reference", "mean") else 1.1
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{_COLOURS.get(line.kind, _FAINT)}"'
            f' stroke-width="{width}"/>'
        )
        if line.kind in ("reference", "mean"):
            end = y(line.values[-1]) + 4
            parts.append(f'<text x="{_RIGHT + 6}" y="{end:.1f}">{escaped(line.name[:18])}</text>')
    return f'<div class="chart">{"".join(parts)}</svg></div>'


def _unread(count: int) -> str:
    return (
        counted(count, "image couldn't be read and doesn't", "images couldn't be read and don't")
        + " count"
    )


def how_html(runs: Sequence[RunPage], notes: Sequence[str]) -> str:
    """Return what is left out, and how each run was made."""
    parts = []
    said = [*notes, *(f"{_of(run, runs)}{each}" for run in runs for each in run.omitted)]
    said += [
        f"{_of(run, runs)}{name}: {_unread(len(ids))}:"
        f" {'; '.join(ids[:5])}{'; ...' if len(ids) > 5 else ''}"
        for run in runs
        for name, ids in run.skipped.items()
    ]
    listed = "".join(f"<li>{escaped(each)}</li>" for each in said)
    parts.append(
        '<section id="left-out" aria-labelledby="left-out-title">'
        '<h2 id="left-out-title">Left out</h2>'
        + (f'<ul class="plain">{listed}</ul>' if listed else "<p>Nothing.</p>")
        + "</section>"
    )
    parts.append(
        '<section id="how" aria-labelledby="how-title"><h2 id="how-title">How it was made</h2>'
    )
    parts += [_how_of(run, len(runs) > 1) for run in runs]
    return "\n".join([*parts, "</section>"])


def _of(run: RunPage, runs: Sequence[RunPage]) -> str:
    return f"{run.name}: " if len(runs) > 1 else ""


def _how_of(run: RunPage, several: bool) -> str:
    parts = [f"<h3>{isolated(run.name)}</h3>" if several else ""]
    if run.how["commands"]:
        commands = escaped("\n".join(run.how["commands"]))
        parts.append(
            "<p>To do it again, where it was started (RUN is the run's directory):</p>"
            f'<pre tabindex="0">{commands}</pre>'
        )
    for name, title in (("hashes", "Hashes"), ("versions", "Versions")):
        if run.how[name]:
            rows = [(escaped(key), _code(value)) for key, value in run.how[name]]
            parts.append(table(title, ("of", "value"), rows, numbers=2))
    if run.how["configuration"]:
        rows = [(_code(key), _code(value)) for key, value in run.how["configuration"]]
        inner = table("Every field; of paths the last name alone", ("field", "value"), rows, 2)
        parts.append(f"<details><summary>Resolved configuration</summary>{inner}</details>")
    return "\n".join(parts)
