"""State dicts of wise-ft, model-soups and OpenCLIP's training, under OpenCLIP's names.

Sources: wise-ft, ``src/models/modeling.py`` (``ImageClassifier``: ``image_encoder.model.*`` and
``classification_head.*``); model-soups, ``utils.py`` (``ModelWrapper``: ``model.*`` and
``classification_head.*``); both remove the text transformer, and normalise features before the
head. ``DataParallel`` puts ``module.`` before every name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from wiseft_jax.clip.openclip_names import BUFFERS
from wiseft_jax.core.errors import InputError

STATE_DICTS = {
    "image_encoder.model.": "wise-ft's `ImageClassifier`",
    "model.": "model-soups' `ModelWrapper`",
    "": "OpenCLIP's training",
}
"""What stands before the names of the CLIP -> whose state dict it is; the longest first."""
_HEAD = {"classification_head.weight": "kernel", "classification_head.bias": "bias"}
_TEXT = "transformer.resblocks."


@dataclasses.dataclass(frozen=True, eq=False)
class SplitStateDict:
    """What a state dict holds.

    Attributes:
      clip: The CLIP's tensors by OpenCLIP's names: the image side, or all of it.
      head: ``{"kernel": [D, K], "bias": [K]}``; empty where there is none.
      whole: Whether the text side is among them.
      left_out: Names of what remains of a text side whose transformer was removed.
      unknown: Names that are neither the CLIP's nor the head's.
    """

    clip: dict[str, np.ndarray]
    head: dict[str, np.ndarray]
    whole: bool
    left_out: tuple[str, ...]
    unknown: tuple[str, ...]


def split_state_dict(tensors: Mapping[str, np.ndarray], source: str) -> SplitStateDict:
    """Return a state dict's CLIP and head.

    Args:
      tensors: Name -> array.
      source: The file to name.

    Raises:
      InputError: There is no image transformer in it; names what was found.
    """
    named = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    prefix = next((p for p in STATE_DICTS if f"{p}visual.conv1.weight" in named), None)
    if prefix is None or f"{prefix}visual.proj" not in named:
        found = ", ".join(sorted(named)[:5]) or "nothing"
        raise InputError(
            f"{source}: expected a state dict of wise-ft, model-soups or OpenCLIP with a vision"
            f" transformer (visual.conv1.weight, visual.proj); found {found}, ..."
        )
    head, inside, unknown = {}, {}, []
    for name, tensor in named.items():
        if name in _HEAD:
            head[_HEAD[name]] = np.ascontiguousarray(tensor.T)
        elif name.startswith(prefix):
            inside[name.removeprefix(prefix)] = tensor
        else:
            unknown.append(name)
    inside = {name: tensor for name, tensor in inside.items() if name not in BUFFERS}
    if len(head) == 1:
        raise InputError(f"{source}: expected classification_head.weight and .bias, found one.")
    whole = any(name.removeprefix("text.").startswith(_TEXT) for name in inside)
    left_out = [] if whole else [name for name in inside if not name.startswith("visual.")]
    clip = {name: tensor for name, tensor in inside.items() if name not in left_out}
    return SplitStateDict(clip, head, whole, tuple(sorted(left_out)), tuple(sorted(unknown)))
