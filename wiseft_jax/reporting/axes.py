"""Axes of accuracies: logit scale, ticks in percent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

_EDGE = 1e-7
_FEW = 3
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def logit(accuracy: Any) -> Float[np.ndarray, "..."]:
    """Return ``log(p / (1 - p))``, with 0 and 1 moved inside by 1e-7."""
    inside = np.clip(np.asarray(accuracy, float), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside / (1 - inside)))


def expit(x: Any) -> Float[np.ndarray, "..."]:
    """Return the inverse of ``logit``."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(x, float))))


def percent(accuracy: float) -> str:
    """Return ``0.95`` as ``"95 %"``, with as few decimals as it needs."""
    return f"{100 * accuracy:.2f}".rstrip("0").rstrip(".") + " %"


def probit(accuracy: Any) -> Float[np.ndarray, "..."]:
    """Return the normal quantile, with 0 and 1 moved inside by 1e-7."""
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(np.asarray(accuracy, float), _EDGE, 1 - _EDGE)))


def normal_share(x: Any) -> Float[np.ndarray, "..."]:
    """Return the inverse of ``probit``."""
    from scipy.special import ndtr

    return np.asarray(ndtr(np.asarray(x, float)))


SCALES = {"logit": (logit, expit), "probit": (probit, normal_share)}
"""Scale of an axis of accuracies -> the function and its inverse."""


def set_logit_scale(
    axes: Axes,
    which: Literal["x", "y"],
    accuracies: Sequence[float],
    margin: float = 0.08,
    scale: str = "logit",
) -> None:
    """Make an axis logit-scaled around some accuracies, with ticks in percent.

    On this scale a step from 98 to 99 % is as long as one from 2 to 1 %, and models of many kinds
    fall on straight lines (Taori et al. 2020, arXiv 2007.00644).

    Args:
      axes: The panel.
      which: Which of its axes.
      accuracies: What must be visible; fractions.
      margin: Free space at each end, as a fraction of the span.
      scale: A key of ``SCALES``.
    """
    functions = SCALES[scale]
    forward, backward = functions
    low, high = float(forward(min(accuracies))), float(forward(max(accuracies)))
    pad = max(margin * (high - low), 0.05)
    limits = float(backward(low - pad)), float(backward(high + pad))
    if which == "x":
        axes.set_xscale("function", functions=functions)
        axes.set_xlim(limits)
    else:
        axes.set_yscale("function", functions=functions)
        axes.set_ylim(limits)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(percent_ticks(*limits)))
    axis.set_major_formatter(FuncFormatter(lambda accuracy, _: percent(accuracy)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def percent_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Return round accuracies in ``[low, high]``, not too close together on the logit scale.

    Args:
      low: Lower limit, a fraction inside (0, 1).
      high: Upper limit.
      most: How many ticks to return at most.
    """
    slopes = [accuracy * (1 - accuracy) for accuracy in (low, high)]
    even = _even_ticks(low, high, most)
    if max(slopes) < 3 * min(slopes) and even:  # nearly linear: even steps look best
        return even
    span = float(logit(high) - logit(low))
    rounds = [[k / 10 for k in range(1, 10)], [k / 20 for k in range(1, 20, 2)]]
    extremes = [[0.99, 0.01], [0.98, 0.02], [0.999, 0.001], [0.995, 0.005]]
    ticks: list[float] = []
    for candidate in (c for level in (*rounds, *extremes) for c in level):
        far = all(abs(float(logit(candidate) - logit(tick))) > span / (most + 2) for tick in ticks)
        if low <= candidate <= high and far:
            ticks.append(candidate)
    return sorted(ticks) if len(ticks) >= _FEW or len(ticks) >= len(even) else even


def _even_ticks(low: float, high: float, most: int) -> list[float]:
    """Return accuracies in even steps, the smallest of which there are at most ``most``."""
    for step in _STEPS:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [round(index * step, 4) for index in range(first, last + 1)]
    return []
