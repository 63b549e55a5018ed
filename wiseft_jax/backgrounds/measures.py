"""The BG-Gap, and what the background does to each image."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from wiseft_jax.core.errors import InputError

CATEGORIES: tuple[str, ...] = (
    "BG irrelevant",
    "BG required",
    "BG fools",
    "BG and FG required",
    "BG and FG fools",
)
"""What ``image_categories`` counts to, in this order."""


def background_gap(acc_same: Any, acc_rand: Any) -> Any:
    """Return the BG-Gap: accuracy on Mixed-Same minus accuracy on Mixed-Rand.

    Both have the same artefacts of cutting and pasting; only Mixed-Same's backgrounds tell of the
    class. Fractions, not points; it may be negative. Over seeds it is averaged after subtraction.

    Args:
      acc_same: Fraction, or an array of them (one for each model, alpha or seed).
      acc_rand: Of the same shape.

    Raises:
      InputError: If a value isn't a fraction: 87.3 is a percentage, NaN the accuracy of no image.

    Source: Xiao et al. 2020 (arXiv 2006.09994), section 3.
    """
    for name, given in (("acc_same", acc_same), ("acc_rand", acc_rand)):
        values = np.asarray(given, np.float64)
        if not ((values >= 0) & (values <= 1)).all():  # NaN is neither
            raise InputError(f"{name}: expected fractions in [0, 1], found {given}")
    return acc_same - acc_rand


def image_categories(
    original: Bool[np.ndarray, "*N"],
    mixed_rand: Bool[np.ndarray, "*N"],
    only_bg_t: Bool[np.ndarray, "*N"],
) -> Int[np.ndarray, "*N"]:
    """Return what the background does to each image: an index into ``CATEGORIES``.

    From whether the same image is right as Original, Mixed-Rand and Only-BG-T: (yes, no, yes) the
    background is required; (no, yes, no) it fools; (yes, no, no) both are required; (no, yes, yes)
    both fool; where Original and Mixed-Rand agree it is irrelevant. The five hold every case once.

    Args:
      original: Which are right as they are.
      mixed_rand: Which are right on another background.
      only_bg_t: Of which the background alone gives the class.

    Source: Xiao et al. 2020 (arXiv 2006.09994), section 5 and appendix.
    """
    background_alone = np.where(only_bg_t, 1, 3)
    foreground_alone = np.where(only_bg_t, 4, 2)
    differ = np.where(original, background_alone, foreground_alone)
    return np.where(original == mixed_rand, 0, differ).astype(np.int32)
