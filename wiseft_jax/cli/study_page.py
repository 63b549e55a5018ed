"""How a study of a study's directory is shown: chart, page, and the table on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.cli.common import print_json, table_console
from wiseft_jax.core.writers import write_text
from wiseft_jax.studies.grid_files import StudyDirectory

Facts = Mapping[str, Any]


def show_page(
    name: str,
    facts: Facts,
    directory: StudyDirectory,
    *,
    draw: Callable[[Facts, Path], Sequence[Path]],
    markdown: Callable[[Facts, str], str],
    table: Callable[[Facts], Any],
    sentences: Callable[[Facts], Sequence[str]],
    as_json: bool,
) -> None:
    """Write ``NAME.png`` and ``NAME.md``, and print table and sentences; or the facts as JSON.

    Args:
      name: Of the study's files.
      facts: What the study found.
      directory: Where its files go; ``NAME.jsonl`` lies there.
      draw: ``(facts, path) -> paths``, the chart's first.
      markdown: ``(facts, the chart's file) -> the page``.
      table: ``facts -> a table`` for the terminal.
      sentences: ``facts -> lines`` below it.
      as_json: Whether to print JSON in place of the table.
    """
    chart = draw(facts, directory.path / f"{name}.png")[0]
    page = directory.path / f"{name}.md"
    write_text(page, markdown(facts, chart.name))
    if as_json:
        print_json({"directory": str(directory.path), **facts})
        return
    table_console().print(table(facts))
    for line in sentences(facts):
        print(line)
    rows = directory.path / f"{name}.jsonl"
    for what, path in (("chart", chart), ("page", page), ("rows", rows)):
        print(f"{what:<8} {path}")
