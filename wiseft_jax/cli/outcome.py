"""Print what an experiment found."""

from __future__ import annotations

from typing import Any

from wiseft_jax.cli.common import print_json
from wiseft_jax.core.run_directory import RunDirectory


def print_outcome(outcome: Any, directory: RunDirectory, *, as_json: bool) -> None:
    """Print the table, the chosen alpha and the files; or all of it as JSON.

    Args:
      outcome: A ``WiseFT``.
      directory: Where its files are.
      as_json: Whether to print JSON.
    """
    if as_json:
        print_json(
            {
                "run": str(directory.path),
                "selection": outcome.selection.facts(),
                "rows": outcome.sweep.rows,
            }
        )
        return
    from rich.console import Console

    from wiseft_jax.reporting.tables import accuracy_table

    console = Console()
    table = accuracy_table(outcome.sweep.rows, selection=outcome.selection.facts())
    console.print(table, width=console.width if console.is_terminal else 10_000)
    print(outcome.selection.sentence)
    for what, path in (
        ("picture", directory.curve_file),
        ("report", directory.report_file),
        ("model", directory.merged_dir),
    ):
        if path.exists():
            print(f"{what:<8} {path}")
