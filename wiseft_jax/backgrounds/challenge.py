"""Adversarial backgrounds: two definitions over a matrix of foregrounds and backgrounds.

``predictions[f, b]`` is the class that a model answers for foreground f on background b, an
Only-BG-T image; -1 is an answer outside of the classes, -2 (``UNTRIED``) a pair that wasn't tried.

What an untried pair would have given isn't known, and is never taken for right:

- challenge accuracy: a row with a wrong answer is vulnerable whatever else is untried (that is what
  an early exit leaves); one without is ``undecided`` while a pair of it is untried, and refused;
- the paper's rate: a foreground is fooled by what was tried, so that untried pairs make the rate a
  lower bound;
- success rates: of the foregrounds that a background met.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Integer

from wiseft_jax.core.errors import InputError

UNTRIED = -2


def undecided(
    predictions: Integer[np.ndarray, "F B"], fg_class: Integer[np.ndarray, " F"]
) -> Bool[np.ndarray, " F"]:
    """Return which foregrounds neither fell nor were tried with every background.

    Args:
      predictions: The matrix.
      fg_class: Label of each foreground.
    """
    untried = predictions == UNTRIED
    wrong = ~untried & (predictions != fg_class[:, None])
    return untried.any(axis=1) & ~wrong.any(axis=1)


def challenge_accuracy(
    predictions: Integer[np.ndarray, "F B"], fg_class: Integer[np.ndarray, " F"]
) -> float:
    """Return the share of foregrounds that no background makes the model get wrong.

    The challenge's definition: a foreground is vulnerable if ANY background, of its own class too,
    makes the prediction wrong; it stands if ALL were tried and none does. After an early exit the
    rest of a row is ``UNTRIED``, and the foreground is vulnerable already. On a sample of
    backgrounds (a matrix of fewer columns) it is an upper bound of the full matrix's.

    Args:
      predictions: The matrix.
      fg_class: Label of each foreground.

    Returns:
      A fraction; NaN without foregrounds.

    Raises:
      InputError: If a foreground was tried with no background, or is ``undecided``: neither
        would be right to count as standing, nor to leave out, as the vulnerable ones stay in.

    Source: MadryLab/backgrounds_challenge.
    """
    _check_tried(predictions)
    if not len(predictions):
        return float("nan")
    wrong = (predictions != UNTRIED) & (predictions != fg_class[:, None])
    open_rows = undecided(predictions, fg_class)
    unbroken = ~wrong.any(axis=1)
    if open_rows.any():
        first = int(open_rows.argmax())
        low, high = (float(rows.mean()) for rows in (unbroken & ~open_rows, unbroken))
        raise InputError(
            f"predictions: {open_rows.sum()} of {len(predictions)} foregrounds are undecided (the"
            f" first is {first}, with {(predictions[first] == UNTRIED).sum()} untried pairs and no"
            f" wrong answer): challenge accuracy is between {low:.4g} and {high:.4g}; try the rest,"
            " or give only columns that were tried"
        )
    return float(unbroken.mean())


def paper_fooled_rate(
    predictions: Integer[np.ndarray, "F B"],
    fg_class: Integer[np.ndarray, " F"],
    bg_class: Integer[np.ndarray, " B"],
) -> float:
    """Return the share of foregrounds that some background turns into the background's class.

    The paper's definition (87.5 % for an ImageNet ResNet-50): a background of another class than
    the foreground's makes the prediction equal to THAT background's class. ``UNTRIED`` pairs fool
    nobody: with them, as after an early exit, it is a lower bound, as it is of fewer backgrounds.

    Args:
      predictions: The matrix.
      fg_class: Label of each foreground.
      bg_class: Label of each background.

    Returns:
      A fraction; NaN without foregrounds.

    Raises:
      InputError: If a foreground was tried with no background.

    Source: Xiao et al. 2020 (arXiv 2006.09994), section 4.
    """
    _check_tried(predictions)
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
      predictions: The matrix; ``UNTRIED`` pairs are counted in neither part of a share.
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


def _check_tried(predictions: np.ndarray) -> None:
    tried = (predictions != UNTRIED).any(axis=1)
    if not tried.all():
        none = int(np.flatnonzero(~tried)[0])
        raise InputError(f"predictions: foreground {none} was tried with no background")
