"""At which alphas the logits of each set are stored: chosen by how large they are, and told."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wiseft_jax.core.errors import few
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.keep_logits_config import KeepLogits

logger = logging.getLogger(__name__)

ALL_BYTES = 64 * 2**20
"""``auto`` stores the logits of a set at all alphas where they take so much at most."""
ENDS_BYTES = 512 * 2**20
"""Else at both ends alone, where they take so much at most."""


def kept_logits(
    keep: KeepLogits, alphas: Sequence[float], datasets: Sequence[Dataset]
) -> dict[str, tuple[int, ...]]:
    """Return, by a set's name, at which places of the grid its logits are stored; and log it.

    Args:
      keep: What was asked for. ``auto`` decides set by set: one of 1000 classes may take ten
        thousand times what another does.
      alphas: The grid.
      datasets: The sets.
    """
    every = tuple(range(len(alphas)))
    ends = end_places(alphas)
    found, said = {}, dict[str, list[str]]()
    for dataset in datasets:
        one = 4 * len(dataset) * len(dataset.class_names)  # bytes at one alpha
        chosen = keep if keep != "auto" else _by_size(one, len(every), len(ends))
        places = {"all": every, "ends": ends, "none": ()}[chosen]
        found[dataset.name] = places
        said.setdefault(_where(len(places), len(every)), []).append(
            f"{dataset.name} ({_mebibytes(one * len(places))} of {_mebibytes(one * len(every))})"
        )
    if keep != "none":
        why = _why(keep, ends)
        listed = "; ".join(f"{where}: {few(names)}" for where, names in said.items())
        logger.info("logits are stored %s (sweep.keep_logits %s)", listed, why)
    return found


def end_places(alphas: Sequence[float]) -> tuple[int, ...]:
    """Return the places of 0 and 1 on a grid, as far as they are on it.

    As float32, in which alphas are evaluated: 0.9999999999999999 is 1.
    """
    return tuple(place for place, alpha in enumerate(alphas) if np.float32(alpha) in (0, 1))


def logit_alphas(places: Sequence[int], alphas: Sequence[float]) -> tuple[float, ...] | None:
    """Return ``Predictions.logit_alphas``: the alphas of some places, None for all.

    Args:
      places: Where logits are stored.
      alphas: The grid.
    """
    return None if len(places) == len(alphas) else tuple(alphas[place] for place in places)


def with_kept(outputs: Mapping[str, Any], places: Sequence[int]) -> dict[str, Any]:
    """Return what a step gave, with logits at some of its alphas alone; without any at none.

    Called as soon as the step is: what is left out then never leaves the devices, nor stays there.

    Args:
      outputs: Of the step, on every device; ``logits`` are float32[A, B, K].
      places: Of the alphas among those of the call.
    """
    found = {name: array for name, array in outputs.items() if name != "logits"}
    if not places:
        return found
    logits = outputs["logits"]
    if list(places) != list(range(len(logits))):
        logits = logits.addressable_data(0)[np.asarray(places)]
    return found | {"logits": logits}


def places_by_call(places: Sequence[int], counts: Sequence[int]) -> list[list[int]]:
    """Return places of a grid as places in each call of the step that evaluates a part of it.

    Args:
      places: In the grid, rising.
      counts: How many alphas each call takes.
    """
    starts = np.cumsum([0, *counts]).tolist()
    return [
        [place - start for place in places if start <= place < start + count]
        for start, count in zip(starts, counts, strict=False)
    ]


def _by_size(one: int, alphas: int, ends: int) -> KeepLogits:
    if one * alphas <= ALL_BYTES:
        return "all"
    return "ends" if ends and one * ends <= ENDS_BYTES else "none"


def _where(kept: int, alphas: int) -> str:
    if not kept:
        return "nowhere"
    return "at every alpha" if kept == alphas else "at the ends alone"


def _why(keep: KeepLogits, ends: Sequence[int]) -> str:
    limits = f"{_mebibytes(ALL_BYTES)} a set, and for both ends {_mebibytes(ENDS_BYTES)}"
    why = f"auto: up to {limits}" if keep == "auto" else keep
    return why if ends or keep == "all" else f"{why}; neither 0 nor 1 is on the grid"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.3g} MiB"
