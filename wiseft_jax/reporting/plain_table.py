"""A table of texts, its first column to the left and the others to the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def plain_table(
    title: str,
    heads: Sequence[str],
    lines: Sequence[Sequence[str]],
    caption: str | None = None,
) -> Table:
    """Return a table for a terminal; cells are plain text, never markup.

    Args:
      title: A line above.
      heads: Of the columns.
      lines: The cells.
      caption: A note below.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title),
        title_justify="left",
        caption=None if caption is None else Text(caption),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for place, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if place else "left", overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    return table


def plain_markdown(
    heads: Sequence[str], lines: Sequence[Sequence[str]], *, first: str = "---"
) -> str:
    """Return the table in Markdown, without a newline at its end.

    Args:
      heads: Of the columns.
      lines: The cells.
      first: The rule below the first head; the others are ``---:``.
    """
    rule = [first, *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, rule, *lines))
