"""From the data of a page to one HTML file: nothing is fetched, and it has at most 5 MB."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.page.build import RunPage
from wiseft_jax.reporting.page.compare import Comparison
from wiseft_jax.reporting.page.flipped import KINDS
from wiseft_jax.reporting.page.static import compare_html, curve_html, how_html, summary_html
from wiseft_jax.reporting.page.text import escaped, isolated, json_block

MOST_BYTES = 5_000_000
SCRIPTS = ("charts.js", "sections.js", "analyses.js", "page.js")
_FEW_ROWS = 300
_SECTIONS = {
    "summary": "In short",
    "compare": "Side by side",
    "curve": "Curve",
    "scatter": "Shift",
    "classes": "Classes",
    "flips": "Flips",
    "analyses": "Analyses",
    "left-out": "Left out",
    "how": "How it was made",
}


def render_page(
    runs: Sequence[RunPage],
    comparison: Comparison | None = None,
    *,
    title: str,
    version: str,
    notes: Sequence[str] = (),
    most_bytes: int = MOST_BYTES,
) -> str:
    """Return the page; the same data give the same bytes.

    What makes it larger than ``most_bytes`` is left out, the least important first, and the page
    says what.

    Args:
      runs: At least one.
      comparison: Of several.
      title: The heading.
      version: Of this program.
      notes: Sentences on what isn't in the page.
      most_bytes: The largest size, in UTF-8.

    Raises:
      InputError: If even the least page is larger.
    """
    told = list(notes)
    page = _render(runs, comparison, title, version, told)
    for sentence, smaller in _REDUCTIONS:
        if len(page.encode()) <= most_bytes:
            return page
        reduced = [smaller(run) for run in runs]
        if reduced != list(runs):
            runs = reduced
            told.append(f"{sentence}, for the page to stay below {most_bytes / 1e6:g} MB.")
            page = _render(runs, comparison, title, version, told)
    if len(page.encode()) > most_bytes:
        raise InputError(
            f"the page of {len(runs)} runs has {len(page.encode())} bytes, expected at most"
            f" {most_bytes}; report fewer runs at once"
        )
    return page


def _without_images(run: RunPage, most: int) -> RunPage:
    flips = [
        flip if place < most else dataclasses.replace(flip, image="", size=(0, 0))
        for place, flip in enumerate(run.flips)
    ]
    return dataclasses.replace(run, flips=flips)


def _fewer_rows(run: RunPage) -> RunPage:
    analyses = [
        dataclasses.replace(
            each,
            rows=each.rows[:_FEW_ROWS],
            left_out=each.left_out + max(0, len(each.rows) - _FEW_ROWS),
        )
        for each in run.analyses
    ]
    return dataclasses.replace(run, analyses=analyses)


def _without_between(run: RunPage) -> RunPage:
    lines = [dataclasses.replace(line, between=None) for line in run.lines]
    return dataclasses.replace(run, lines=lines)


def _first_classes(run: RunPage) -> RunPage:
    return dataclasses.replace(run, classes=run.classes[:1])


_REDUCTIONS: tuple[tuple[str, Callable[[RunPage], RunPage]], ...] = (
    ("Of each run's images that flip 20 are shown", lambda run: _without_images(run, 20)),
    ("No image is shown", lambda run: _without_images(run, 0)),
    (f"Of each analysis the first {_FEW_ROWS} rows are shown", _fewer_rows),
    ("The continuous curves are left out", _without_between),
    ("Classes are shown of each run's first set alone", _first_classes),
    (
        "Classes and the images that flip are left out",
        lambda run: dataclasses.replace(run, classes=[], flips=[]),
    ),
    ("Analyses are left out", lambda run: dataclasses.replace(run, analyses=[])),
)


def _render(
    runs: Sequence[RunPage],
    comparison: Comparison | None,
    title: str,
    version: str,
    notes: Sequence[str],
) -> str:
    style = asset("page.css")
    script = _script()
    shown = {name: text for name, text in _SECTIONS.items() if comparison or name != "compare"}
    parts = {
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "title": escaped(title),
        "heading": isolated(title),
        "nav": " ".join(f'<a href="#{name}">{text}</a>' for name, text in shown.items()),
        "summary": summary_html(runs),
        "compare": compare_html(runs, comparison),
        "static": "\n".join(curve_html(run) for run in runs),
        "run_choice": _run_choice(runs),
        "how": how_html(runs, notes),
        "footer": _footer(version),
        "style": style,
        "script": script,
        "data": json_block(_data(runs)),
    }
    return filled(asset("page.html"), parts)


def filled(template: str, parts: dict[str, str]) -> str:
    """Return a template with each ``{{name}}`` replaced, and nothing within what replaces it."""
    pieces = template.split("{{")
    found = [pieces[0]]
    for piece in pieces[1:]:
        name, rest = piece.split("}}", 1)
        found += [parts[name], rest]
    return "".join(found)


def asset(name: str) -> str:
    """Return a file of ``assets``."""
    return (resources.files("wiseft_jax.reporting.page") / "assets" / name).read_text("utf-8")


def _script() -> str:
    kinds = json.dumps(KINDS)
    parts = [asset(name).replace("{{kinds}}", kinds) for name in SCRIPTS]
    return '\n(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();\n"


def _hash(text: str) -> str:
    """Return a SHA-256 as a content security policy names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data(runs: Sequence[RunPage]) -> dict[str, Any]:
    """Return what the script reads; what it doesn't is in the page as text already."""
    unread = ("summary", "how", "skipped", "omitted")
    told = [
        {name: value for name, value in dataclasses.asdict(run).items() if name not in unread}
        for run in runs
    ]
    alphas = sorted({alpha for run in runs for alpha in run.alphas})
    return {"schema": 1, "alphas": alphas, "runs": told}


def _run_choice(runs: Sequence[RunPage]) -> str:
    if len(runs) < 2:
        return ""
    options = "".join(
        f'<option value="{place}">{escaped(run.name)}</option>' for place, run in enumerate(runs)
    )
    return f'<label for="run">run</label><select id="run">{options}</select>'


def _footer(version: str) -> str:
    return (
        f"<p>Made by wiseft-jax {escaped(version)} from stored rows and predictions. alpha = 0 is"
        " the zero-shot model, 1 the fine-tuned one. This file needs no network and sends nothing;"
        " it holds names of classes, sets and files, settings, and thumbnails where they are"
        " shown: look before you pass it on.</p>"
    )
