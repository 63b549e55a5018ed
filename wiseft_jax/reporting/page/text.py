"""Untrusted text, and how it gets into a page: names and paths are anybody's."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

_HARMLESS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), 0xFFFD)
_DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD)


def clean(text: str) -> str:
    """Return a text that UTF-8 can hold and that changes nothing around it.

    Half surrogates (of file names that aren't UTF-8), control characters and those that turn the
    direction of writing become U+FFFD.
    """
    whole = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return whole.translate(_CONTROLS | _DIRECTIONS)


def escaped(text: object) -> str:
    """Return a text as HTML shows it, in elements and in attributes."""
    return html.escape(clean(str(text)), quote=True)


def isolated(text: object) -> str:
    """Return a name as HTML, its direction of writing its own."""
    return f"<bdi>{escaped(text)}</bdi>"


def cleaned(value: Any) -> Any:
    """Return JSON values with every text in them ``clean``."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): cleaned(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(each) for each in value]
    return value


def json_block(value: Any) -> str:
    """Return JSON that can stand within ``<script>``: no text in it ends the element.

    Raises:
      ValueError: If a number is not finite.
    """
    text = json.dumps(cleaned(value), allow_nan=False, separators=(",", ":"))
    for character, code in _HARMLESS.items():
        text = text.replace(character, code)
    return text


def table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 1
) -> str:
    """Return an HTML table in a box of its own that scrolls.

    Args:
      caption: What it shows, as HTML.
      header: Of the columns, as HTML.
      rows: Cells as HTML; the first of each is a row's header.
      numbers: The first column that holds numbers, which stand to the right.
    """
    heads = "".join(
        f'<th scope="col"{_number(place, numbers)}>{each}</th>' for place, each in enumerate(header)
    )
    lines = []
    for first, *others in rows:
        cells = "".join(
            f"<td{_number(place, numbers)}>{each}</td>" for place, each in enumerate(others, 1)
        )
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    body = "\n".join(lines)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}">'
        f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _number(place: int, numbers: int) -> str:
    return ' class="number"' if place >= numbers else ""
