"""Adversarial backgrounds: two definitions over a matrix of foregrounds and backgrounds.

``predictions[f, b]`` is the class that a model answers for foreground f on background b, an
Only-BG-T image; -1 is an answer outside of the classes, -2 (``UNTRIED``) a pair that wasn't tried.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Integer

from wiseft_jax.core.errors import InputError

UNTRIED = -2


def challenge_accuracy(
    predictions: Integer[np.ndarray, "F B"], fg_class: Integer[np.ndarray, " F"]
) -> float:
    """Return the share of foregrounds that no background makes the model get wrong.

    The challenge's definition: a foreground is vulnerable if ANY background, of its own class too,
    makes the prediction wrong. What wasn't tried can't count: after an early exit the rest of the
    row is ``UNTRIED``, and the foreground is vulnerable already. On a sample of backgrounds it is
    an upper bound of the full matrix's.

    Args:
      predictions: The matrix.
      fg_class: Label of each foreground.

    Returns:
      A fraction; NaN without foregrounds.

    Raises:
      InputError: If a foreground was tried with no background.

    Source: MadryLab/backgrounds_challenge.
    """
    tried = predictions != UNTRIED
    if not tried.any(axis=1).all():
        none = int(np.flatnonzero(~tried.any(axis=1))[0])
        raise InputError(f"predictions: foreground {none} was tried with no background")
    if not len(predictions):
        return float("nan")
    wrong = tried & (predictions != fg_class[:, None])
    return float(1 - wrong.any(axis=1).mean())


def paper_fooled_rate(
    predictions: Integer[np.ndarray, "F B"],
    fg_class: Integer[np.ndarray, " F"],
    bg_class: Integer[np.ndarray, " B"],
) -> float:
    """Return the share of foregrounds that some background turns into the background's class.

    The paper's definition (87.5 % for an ImageNet ResNet-50): a background of another class than
    the foreground's makes the prediction equal to THAT background's class.

    Args:
      predictions: The matrix.
      fg_class: Label of each foreground.
      bg_class: Label of each background.

    Returns:
      A fraction; NaN without foregrounds.

    Source: Xiao et al. 2020 (arXiv 2006.09994), section 4.
    """
    if not len(predictions):
        return float("nan")
    other = fg_class[:, None] != bg_class[None]
    return float((other & (predictions == bg_class[None])).any(axis=1).mean())


def attack_success_rates(
    predictions: Integer[np.ndarray, "F B"],
    fg_class: Integer[np.ndarray, " F"],
    bg_class: Integer[np.ndarray, " B"],
) -> Float64[np.ndarray, " B"]:
    """Return, for each background, the share of foregrounds of other classes it turns to its own.

    Args:
      predictions: The matrix; ``UNTRIED`` pairs aren't counted.
      fg_class: Label of each foreground.
      bg_class: Label of each background.

    Returns:
      Fractions; NaN for a background that met no foreground of another class.

    Source: Xiao et al. 2020 (arXiv 2006.09994), section 4.
    """
    counted = (fg_class[:, None] != bg_class[None]) & (predictions != UNTRIED)
    hits = (counted & (predictions == bg_class[None])).sum(axis=0)
    of = counted.sum(axis=0)
    return np.where(of > 0, hits / np.maximum(of, 1), np.nan)
