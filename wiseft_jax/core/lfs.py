"""Git LFS leaves a pointer, a few lines of text, where a large file wasn't downloaded."""

from __future__ import annotations

from pathlib import Path

POINTER = b"version https://git-lfs.github.com/spec/"
"""How a pointer begins: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md."""


def is_pointer(path: Path) -> bool:
    """Return whether a file is a pointer; one that can't be opened is none."""
    try:
        with path.open("rb") as file:
            return file.read(len(POINTER)) == POINTER
    except OSError:
        return False


def pointer_text(what: str) -> str:
    """Return what is wrong with a pointer, and what to do, as the end of a message.

    Args:
      what: What should be in its place, for example ``"the weights"``.

    Example:
      >>> pointer_text("the weights")
      'is a Git LFS pointer, not the weights; install git-lfs, and run git lfs pull in the clone'
    """
    return f"is a Git LFS pointer, not {what}; install git-lfs, and run git lfs pull in the clone"
