"""Progress on stderr with rate and time left; when that is no terminal silent, but for ``-v``."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

Advance = Callable[[int], None]

_LOG_EVERY_SECS = 10.0


@contextlib.contextmanager
def progress_bar(description: str, total: int, unit: str = "images") -> Iterator[Advance]:
    """Show a bar while the block runs; yield the function that advances it.

    Args:
      description: What is going on.
      total: How many units there are.
      unit: What is counted.

    Yields:
      ``advance(count)``.
    """
    quiet = logging.getLogger("wiseft_jax").getEffectiveLevel() > logging.INFO
    if quiet or not sys.stderr.isatty():
        yield _logged(description, total, unit)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} {unit}/s" if task.speed else f"- {unit}/s")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda count: progress.advance(task, count)


def _logged(description: str, total: int, unit: str) -> Advance:
    """Return what tells ``-v``, now and then, how far the work is."""
    start = last = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= _LOG_EVERY_SECS:
            last = now
            rate = done / (now - start)
            left = (total - done) / rate if rate else 0.0
            logger.debug(
                "%s: %d of %d %s, %.3g a second, %.0f s left",
                *(description, done, total, unit, rate, left),
            )

    return advance
