"""One program at a time in a run directory, as far as this host can see."""

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
def hold(path: Path) -> Iterator[None]:
    """Hold a run directory during the block; whoever else wants it meanwhile is refused.

    The lock is the directory's own (``flock``), so it leaves no file behind and ends with the
    process, however that ends. Where a file system has no such locks the block runs without one.

    Args:
      path: The run directory; one that isn't there isn't held.

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
            raise InputError(
                f"{path}: another program is at work in this run directory; wait for it to end (its"
                " signals SIGINT and SIGTERM save and stop it), or give another --out"
            ) from None
        logger.debug("%s can't be locked (%s): two runs there aren't noticed", path, error)
    try:
        yield
    finally:
        os.close(handle)
