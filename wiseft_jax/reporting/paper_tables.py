"""Tables as files: Markdown to read, CSV to compute with, LaTeX (booktabs) to typeset."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.writers import write_text
from wiseft_jax.reporting.tables import escaped

FORMATS = ("md", "csv", "tex")
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "α": r"$\alpha$",
}  # fmt: skip
_MINUS = re.compile(r"(?<![\w.\-])-(?=\d)")
_SPACE = re.compile(r"[\x00-\x20\x7f-\x9f]+")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """One table.

    Attributes:
      name: The stem of its files.
      caption: What it shows.
      heads: Of the columns.
      lines: The cells, as they are printed.
      records: What the CSV holds in their place: numbers in full, fractions; None: the cells.
      bold: Indices of the lines that stand out.
    """

    name: str
    caption: str
    heads: Sequence[str]
    lines: Sequence[Sequence[str]]
    records: Sequence[Mapping[str, Any]] | None = None
    bold: Sequence[int] = ()


def write_tables(tables: Sequence[PaperTable], directory: Path) -> list[Path]:
    """Write ``<name>.md``, ``.csv`` and ``.tex`` of each table; return the files.

    The bytes are the same for the same tables.

    Args:
      tables: With distinct names.
      directory: Where to.

    Raises:
      InputError: If two tables have the same name.
    """
    names = [table.name for table in tables]
    if len({*names}) < len(names):
        raise InputError(f"tables: a name is given twice among {', '.join(names)}")
    texts = {"md": markdown_text, "csv": csv_text, "tex": latex_text}
    written = []
    for table in tables:
        for kind in FORMATS:
            path = directory / f"{table.name}.{kind}"
            write_text(path, texts[kind](table))
            written.append(path)
    return written


def markdown_text(table: PaperTable) -> str:
    """Return a table in Markdown, with its caption."""

    def line_of(cells: Sequence[str], bold: bool = False) -> str:
        mark = "**" if bold else ""
        shown = ["<br>".join(map(escaped, cell.split("\n"))) for cell in cells]
        return f"| {' | '.join(f'{mark}{cell}{mark}' for cell in shown)} |"

    lines = [line_of(line, place in table.bold) for place, line in enumerate(table.lines)]
    rule = f"| :-- |{' --: |' * (len(table.heads) - 1)}"
    return "\n".join([line_of(table.heads), rule, *lines, "", table.caption]) + "\n"


def csv_text(table: PaperTable) -> str:
    """Return a table as CSV: numbers in full, commas, UTF-8, a line feed at each end.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if table.records is None:
        writer.writerow(map(_csv_cell, table.heads))
        writer.writerows([_csv_cell(cell) for cell in line] for line in table.lines)
        return out.getvalue()
    names = list(dict.fromkeys(name for record in table.records for name in record))
    writer.writerow(names)
    writer.writerows([_csv_cell(record.get(name)) for name in names] for record in table.records)
    return out.getvalue()


def _csv_cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def latex_text(table: PaperTable) -> str:
    r"""Return a ``tabular`` to ``\input``; it needs ``\usepackage{booktabs}``.

    Text of other scripts than Latin needs a font that has it (XeLaTeX or LuaLaTeX).
    """
    columns = "l" + "r" * (len(table.heads) - 1)
    body = []
    for place, line in enumerate(table.lines):
        cells = [latex_escaped(cell) for cell in line]
        if place in table.bold:
            cells = [rf"\textbf{{{cell}}}" for cell in cells]
        body.append(_latex_line(cells))
    return "\n".join(
        [
            f"% {_SPACE.sub(' ', table.caption)}",
            r"% \usepackage{booktabs}",
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            _latex_line([latex_escaped(head) for head in table.heads]),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _latex_line(cells: Sequence[str]) -> str:
    # After the \\ of the line above, a bracket or a star would be read as its argument.
    guarded = [f"{{}}{cells[0]}" if cells[0][:1] in ("[", "*") else cells[0], *cells[1:]]
    return f"{' & '.join(guarded)} \\\\"


def latex_escaped(text: str) -> str:
    r"""Return a text as LaTeX prints it: nothing in it is a command; minus signs are in math.

    Example:
      >>> latex_escaped("50 % of my_set")
      '50 \\% of my\\_set'
    """
    words = _SPACE.sub(" ", text)
    shown = "".join(_LATEX.get(letter, letter) for letter in words)
    return _MINUS.sub("$-$", shown).strip()
