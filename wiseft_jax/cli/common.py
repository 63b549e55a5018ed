"""What every verb shares: its common options, logging, and output on stdout."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class CommonOptions:
    """Options that every verb takes."""

    quiet: Annotated[bool, tyro.conf.arg(aliases=["-q"])] = False
    """Show warnings and errors only; no progress."""
    verbose: Annotated[bool, tyro.conf.arg(aliases=["-v"])] = False
    """Show debug messages."""
    debug: bool = False
    """Show the traceback of an error."""
    log_file: Path | None = None
    """Write the log there too; other processes than the first add `.p1`, `.p2`, ... to its name."""
    cache: bool = True
    """Whether the cache of text heads, features, verified images and compiled programs is used."""
    json: bool = False
    """Print the result as JSON on stdout, in place of the table."""

    def apply(self, process_index: int = 0) -> None:
        """Set up logging and the cache switch for this process.

        Args:
          process_index: Of several processes, which one; all but the first say their index, and
            show warnings and errors only (with ``verbose``: all).
        """
        level = logging.INFO if process_index == 0 else logging.WARNING
        if self.quiet or self.verbose:
            level = logging.WARNING if self.quiet else logging.DEBUG
        handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
        prefix = f"[p{process_index}] " if process_index else ""
        if self.log_file is not None:
            path = self.log_file
            if process_index:
                path = path.with_name(f"{path.name}.p{process_index}")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                handlers.append(logging.FileHandler(path, encoding="utf-8"))
            except OSError as error:
                raise InputError(f"--log-file {self.log_file}: {error.strerror}") from None
        logger = logging.getLogger("wiseft_jax")
        for old in list(logger.handlers):
            logger.removeHandler(old)
            if isinstance(old, logging.FileHandler):
                old.close()
        for handler in handlers:
            handler.setFormatter(logging.Formatter(f"{prefix}%(levelname)s %(message)s"))
            logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
        if not self.cache:
            os.environ["WISEFT_NO_CACHE"] = "1"


UNLIMITED = 10_000
"""Characters a line where no terminal limits them."""

Common = Annotated[CommonOptions, tyro.conf.arg(name="")]


def print_json(value: Any) -> None:
    """Print ``value`` as JSON on stdout."""
    print(json.dumps(value, indent=2, allow_nan=False))


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on stdout; cells are plain text, never markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for name in header:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    table_console().print(table)


def table_console() -> Any:
    """Return the ``rich`` console for tables on stdout: a terminal's width, else no limit."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=UNLIMITED)
