"""One program at a time in a directory, as far as this host can see."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from wiseft_jax.core.errors import InputError

logger = logging.getLogger(__name__)

_HELD = {errno.EWOULDBLOCK, errno.EACCES}


@contextlib.contextmanager
def hold(path: Path, what: str = "run directory", option: str = "--out") -> Iterator[None]:
    """Hold a directory during the block; whoever else wants it meanwhile is refused.

    The lock is the directory's own (``flock``), so it leaves no file behind and ends with the
    process, however that ends. Where a file system has no such locks the block runs without one.

    Args:
      path: The directory; one that isn't there isn't held.
      what: What it is, for the message.
      option: What gives another one; empty where nothing does.

    Raises:
      InputError: If another program holds it.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            os.close(handle)
            other = f", or give another {option}" if option else ""
            raise InputError(
                f"{path}: another program is at work in this {what}; wait for it to end (its"
                f" signals SIGINT and SIGTERM save and stop it){other}"
            ) from None
        logger.debug("%s can't be locked (%s): two runs there aren't noticed", path, error)
    try:
        yield
    finally:
        os.close(handle)
