"""What JAX compiles while a test runs."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def counted_compilations() -> Iterator[list[str]]:
    """Yield the names of the functions that JAX compiles meanwhile."""
    names: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found = re.match(r"Compiling (?:jit\()?(\w+)", record.getMessage())
            if found:
                names.append(found[1])

    logger, listener = logging.getLogger("jax"), Listener()
    logger.addHandler(listener)
    try:
        with jax.log_compiles():
            yield names
    finally:
        logger.removeHandler(listener)
