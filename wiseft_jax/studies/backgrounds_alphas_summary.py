"""The study along alpha summed up: rows, and what the alpha with the smallest BG-Gap costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool

from wiseft_jax.studies.backgrounds_alphas_config import AlphasConfig
from wiseft_jax.studies.backgrounds_alphas_measures import (
    Correct,
    Curve,
    changes,
    smallest_gap,
    variant_correct,
)

SCHEMA = 1

Validation: TypeAlias = Mapping[str, Bool[np.ndarray, "A M"]]
"""As ``Correct``, of other foregrounds."""


def rows_of(
    curves: Mapping[str, Mapping[str, Curve]], alphas: Sequence[float], config_hash: str
) -> list[dict[str, Any]]:
    """Return one row for each split, measure and alpha.

    Args:
      curves: Split -> measure -> curve.
      alphas: The grid.
      config_hash: Of the study's configuration.
    """
    found = []
    for split, measures in curves.items():
        for measure, curve in measures.items():
            for place, alpha in enumerate(alphas):
                row = {
                    "schema": SCHEMA,
                    "split": split,
                    "alpha": alpha,
                    "measure": measure,
                    "value": curve["value"][place],
                    "low": curve["low"][place],
                    "high": curve["high"][place],
                    "n": _at(curve["n"], place),
                    "interval": curve["interval"],
                    "config_hash": config_hash,
                }
                if "per_seed" in curve:
                    row["per_seed"] = [each[place] for each in curve["per_seed"]]
                found.append(row)
    return found


def choices_of(
    config: AlphasConfig, validation: Validation | None, test: Correct, curves: Mapping[str, Curve]
) -> list[dict[str, Any]]:
    """Return the alphas that validation images choose, and what they are on test images.

    ``smallest_gap`` is where the BG-Gap is nearest to 0 (of equal ones the most accurate on
    Original); ``best_mixed_rand`` and ``best_original`` are the most accurate ones. Of those that
    are still equal it is the first. Without validation images nothing is
    chosen: choosing on test images and reporting on them flatters.

    Args:
      config: The study.
      validation: What is right on images to choose on; None where there are none.
      test: The same of images to report on.
      curves: The latter's, from ``prediction_curves``.

    Returns:
      For each rule ``rule``, ``alpha``, ``gap``, ``original`` and ``mixed_rand`` on test images as
      ``value``, ``low`` and ``high``, and ``against`` zero-shot and fine-tuned: see ``changes``.
    """
    if validation is None:
        return []
    layers = variant_correct(validation)
    nearest, shares = smallest_gap(validation, config.bootstrap_samples)
    rules = {
        "smallest_gap": nearest,
        "best_mixed_rand": int(layers["mixed_rand"].mean((0, 2)).argmax()),
        "best_original": int(layers["original"][0].mean(1).argmax()),
    }
    ends = dict(zip(("zero_shot", "fine_tuned"), config.end_places, strict=True))
    named = {"gap": "gap", "original": "accuracy/original", "mixed_rand": "accuracy/mixed_rand"}
    found = []
    for rule, place in rules.items():
        values = {
            name: {key: curves[measure][key][place] for key in ("value", "low", "high")}
            for name, measure in named.items()
        }
        against = {
            end: changes(test, place, other, config.bootstrap_samples)
            for end, other in ends.items()
        }
        row = {"rule": rule, "alpha": config.alphas[place], **values, "against": against}
        if rule == "smallest_gap":
            row["chosen_in_samples"] = shares
        found.append(row)
    return found


def _at(count: int | Sequence[int], place: int) -> int:
    return count if isinstance(count, int) else count[place]
