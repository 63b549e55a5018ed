"""MATLAB files, as some data sets are shipped; what reads them runs no code of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wiseft_jax.core.errors import InputError


def read_matlab(path: Path, *names: str, squeeze: bool = False) -> list[Any]:
    """Return variables of a file of MATLAB 4 to 7.2.

    Args:
      path: The file.
      names: The variables.
      squeeze: Whether to drop axes of length 1.

    Raises:
      InputError: It is another kind of file, is cut off, or hasn't got a variable.
    """
    import scipy.io

    try:
        found = scipy.io.loadmat(path, squeeze_me=squeeze)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise InputError(f"{path}: can't be read as a MATLAB file ({error}); cut off?") from None
    missing = [name for name in names if name not in found]
    if missing:
        there = ", ".join(name for name in found if not name.startswith("__"))
        raise InputError(
            f"{path}: no variable {missing[0]!r}; the file has {there or 'none'}. Is it another"
            " file of the same data set?"
        )
    return [found[name] for name in names]
