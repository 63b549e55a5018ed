"""What originals of a directory lack to be composed of, and the one policy for it.

An original needs its mask and, for mixed variants, its Only-BG-T image.

- What measures (``evaluate``'s pairings, ``attack``, the challenge and saliency of ``alphas``)
  leaves out originals that lack one, counts and names them; none left is an error.
- What is trained on, or composed as a whole set, has every original or is refused: sets of other
  images would be compared as if they were the same.
- A mask that is there and doesn't fit its image, or is empty or full, is an error, which names the
  file; ``attack``, whose foregrounds stand alone, leaves such a one out as it does one without.
"""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool

from wiseft_jax.backgrounds.release import Release
from wiseft_jax.core.errors import InputError

logger = logging.getLogger(__name__)

Policy: TypeAlias = Literal["leave_out", "refuse"]
_SHOWN = 3


def have_masks(release: Release, image_ids: list[str]) -> Bool[np.ndarray, " N"]:
    """Return which originals have a file of their mask.

    Args:
      release: Where.
      image_ids: ``CLASS/ID`` of each.
    """
    return np.asarray([release.mask_path(each).is_file() for each in image_ids], bool)


def heed_missing(
    release: Release,
    image_ids: list[str],
    there: Bool[np.ndarray, " N"],
    what: str,
    policy: Policy,
) -> None:
    """Warn of originals that lack something, or refuse them.

    Args:
      release: Where.
      image_ids: ``CLASS/ID`` of each original.
      there: Which have it.
      what: What it is, in words.
      policy: ``leave_out`` warns, ``refuse`` raises.

    Raises:
      InputError: Some lack it, and the policy is to refuse; says how many, and which.
    """
    missing = np.flatnonzero(~there)
    if not len(missing):
        return
    more = ", ..." if len(missing) > _SHOWN else ""
    named = ", ".join(image_ids[at] for at in missing[:_SHOWN]) + more
    told = f"{release.root}: {len(missing)} of {len(image_ids)} originals have no {what} ({named})"
    if policy == "refuse":
        raise InputError(f"{told}, so the set can't be composed whole: add them, or build it anew")
    logger.warning("%s and are left out of what is composed", told)
