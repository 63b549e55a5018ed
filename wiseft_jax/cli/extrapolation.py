"""What is said of alphas that lie beyond the two models."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from wiseft_jax.core.errors import few

logger = logging.getLogger(__name__)


def warn_of_extrapolation(alphas: Sequence[float], advice: str = "") -> None:
    """Log one warning if there are alphas outside of [0, 1].

    Args:
      alphas: Mixing coefficients.
      advice: What to do about it, behind the warning.

    Example:
      >>> warn_of_extrapolation([0.0, 1.2])
      WARNING alpha = 1.2 is outside of [0, 1]: it extrapolates beyond the fine-tuned model, ...
    """
    below, above = [a for a in alphas if a < 0], [a for a in alphas if a > 1]
    beyond = [*below, *above]
    if not beyond:
        return
    ends = [
        *(["the zero-shot model"] if below else []),
        *(["the fine-tuned model"] if above else []),
    ]
    one = len(beyond) == 1
    logger.warning(
        "%s %s outside of [0, 1]: %s beyond %s, where accuracy may collapse%s",
        f"alpha = {beyond[0]:g}" if one else f"alphas {few([f'{alpha:g}' for alpha in beyond])}",
        "is" if one else "are",
        "it extrapolates" if one else "they extrapolate",
        " and ".join(ends),
        f"; {advice}" if advice else "",
    )
