"""Roles of sets in files of versions that knew of no matched references."""

from __future__ import annotations

from wiseft_jax.core.typing import Role

_MATCHED_REFERENCES = (
    "imagenet-r-val-classes",
    "imagenet-a-val-classes",
    "imagenet-objectnet-val-classes",
    "imagenet-vid-robust-val-classes",
    "imagenet-ytbb-robust-val-classes",
)
"""What was published then; those of later versions say what they are themselves."""


def role_of_older(dataset: str, role: Role) -> Role:
    """Return the role that a set has now; these files had nothing but its name to tell it by.

    Args:
      dataset: Its name, by default that of the published set and its split.
      role: As the file has it.
    """
    known = dataset.removesuffix("-val") in _MATCHED_REFERENCES
    return "matched_reference" if role == "shift" and known else role
