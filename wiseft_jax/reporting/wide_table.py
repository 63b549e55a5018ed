"""A table of many sets for a terminal: cut into blocks of columns that fit its width."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group
    from rich.table import Table

_WRAP = 8
_LEAST = 5
_PIECES = re.compile(r"\s*(?:[^\s_-]*[_-]+|[^\s_-]+)")


@dataclasses.dataclass(frozen=True)
class WideTable:
    """Cells of a table whose columns, but for the first few, are sets.

    ``rich`` prints it in blocks that fit the console; ``fit`` makes these for another width.

    Attributes:
      title: A line above.
      caption: A note below.
      left: Heads of the first columns, which each block repeats.
      sets: Name, kind and n of each set.
      lines: The cells of each line; one may have several rows of text.
      bold: Indices of the lines that stand out.
    """

    title: str
    caption: str
    left: Sequence[str]
    sets: Sequence[tuple[str, str, str]]
    lines: Sequence[Sequence[str]]
    bold: Sequence[int] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Group]:
        """Yield what ``rich`` prints: the blocks that fit."""
        yield self.fit(options.max_width)

    def fit(self, width: int | None = None) -> Group:
        """Return the blocks, one below the other.

        Args:
          width: Characters a line; None for one block with all sets.
        """
        from rich.console import Group
        from rich.text import Text

        blocks = list(self._blocks(width))
        tables = []
        for place, columns in enumerate(blocks):
            tables += [""] if place else []
            tables.append(self._table(columns, first=place == 0))
        # Not the last table's: it would be broken to the width of that.
        return Group(*tables, Text(self.caption, style="italic"))

    def _blocks(self, width: int | None) -> Iterator[list[int]]:
        """Yield the sets of each block, as many as fit and at least one."""
        left = sum(1 + self._width(place, [head]) for place, head in enumerate(self.left))
        block: list[int] = []
        used = left
        for index, column in enumerate(self.sets):
            more = 1 + max(
                _LEAST, self._width(len(self.left) + index, column_head(*column).split("\n"))
            )
            if block and width is not None and used + more > width:
                yield block
                block, used = [], left
            block.append(index)
            used += more
        yield block

    def _width(self, place: int, head: Sequence[str]) -> int:
        cells = [row for line in self.lines for row in line[place].split("\n")]
        return max(map(len, [*head, *cells]))

    def _table(self, columns: Sequence[int], *, first: bool) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        # Text, not markup: a dataset may be called "[red]".
        table = Table(
            title=Text(self.title) if first else None,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            padding=0,  # the box leaves one space between columns
            show_edge=False,
        )
        for name in self.left:
            table.add_column(Text(f"{name}\n\nn" if name == self.left[0] else name), no_wrap=True)
        for index in columns:
            head = Text(column_head(*self.sets[index]))
            table.add_column(head, justify="right", min_width=_LEAST, overflow="fold")
        for place, line in enumerate(self.lines):
            cells = [*line[: len(self.left)], *(line[len(self.left) + i] for i in columns)]
            table.add_row(*map(Text, cells), style="bold" if place in self.bold else None)
        return table


def column_head(name: str, kind: str, n: str) -> str:
    """Return the head of a set's column, in narrow lines.

    Args:
      name: Of the set; broken between its words, and after ``-`` and ``_``.
      kind: What it is for.
      n: How many examples it has.
    """
    # Broken here: rich would break words to make room where it needn't.
    lines = [""]
    for piece in _PIECES.findall(name):
        if lines[-1] and len(lines[-1] + piece) > _WRAP:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return "\n".join([*lines, kind, n])
