"""Folders of classes, ``02_wheeled vehicle``: what prompts call them, and what they match by."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wiseft_jax.data.matching import normalise_name

_NUMBER = re.compile(r"^\d+[_ ]+(?=\D)")


def is_numbered(folder: str) -> bool:
    """Return whether a folder's name begins with a number."""
    return bool(_NUMBER.match(folder))


def spoken_names(folders: Sequence[str]) -> tuple[str, ...]:
    """Return folders' names as words: without numbers in front, ``_`` a space.

    Args:
      folders: Names, with a number or without.
    """
    return tuple(_NUMBER.sub("", name).replace("_", " ") for name in folders)


def class_key(folder: str) -> str:
    """Return what a class is matched by: its normalised name, with or without a number in front."""
    return normalise_name(_NUMBER.sub("", folder))
