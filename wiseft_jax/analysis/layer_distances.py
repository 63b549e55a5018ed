"""How far each layer moved from zero-shot to fine-tuned: distances and cosines of weights."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

from wiseft_jax.analysis.layers_file import layers_file, missing_layers
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import FINE_TUNED, StoredRun
from wiseft_jax.core.analysis_rows import AnalysisRow, analysis_row
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError

logger = logging.getLogger(__name__)

ANALYSIS = "layers"
WHOLE = "all"
"""The group of all layers together."""

_SUMS = ("square_0", "square_1", "change", "along")


def layer_distances(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return how far each layer moved, and all of them together (group ``"all"``).

    With ``tau = theta_1 - theta_0`` of a layer's parameters: ``distance`` is ``|tau|``,
    ``relative_distance`` ``|tau| / |theta_0|``, ``cosine`` the one between ``theta_0`` and
    ``theta_1``, ``task_cosine`` the one between ``tau`` and ``theta_0``: below 0 where fine-tuning
    shrinks a layer's weights, near 0 where it only turns them. n counts parameters; these are
    facts of the weights, so there are no intervals. What isn't defined (a cosine with zeros) has
    no row, and is logged.

    Args:
      run: The run.
      options: Not read.

    Raises:
      InputError: If the sums of the run's present ends aren't stored, with the command.
    """
    if why := missing_layers(run):
        raise InputError(f"{run.path}: {why.replace('RUN', str(run.path))}")
    return distance_rows(read_json(layers_file(run.path))["layers"], run.config_hash)


def distance_rows(layers: Mapping[str, Mapping[str, Any]], config_hash: str) -> list[AnalysisRow]:
    """Return the rows; see ``layer_distances``.

    Args:
      layers: The sums of each layer, as ``weights.layer_sums`` returns them.
      config_hash: Of the run.
    """
    whole: dict[str, Any] = {
        name: sum(each[name] for each in layers.values()) for name in ("count", *_SUMS)
    }
    return [
        analysis_row(
            ANALYSIS,
            metric,
            value,
            sums["count"],
            config_hash=config_hash,
            alpha=FINE_TUNED,
            other="zero_shot",
            group=group,
        )
        for group, sums in {**layers, WHOLE: whole}.items()
        for metric, value in _measures(group, sums)
    ]


def _measures(group: str, sums: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    start, end, change = (math.sqrt(sums[name]) for name in ("square_0", "square_1", "change"))
    yield "distance", change
    if start > 0:
        yield "relative_distance", change / start
    if start > 0 and end > 0:
        # <theta_0, theta_1> = |theta_0|^2 + <tau, theta_0>
        yield "cosine", _cosine(sums["square_0"] + sums["along"], start * end)
    if start > 0 and change > 0:
        yield "task_cosine", _cosine(sums["along"], start * change)
    if not start > 0:
        logger.warning("layers: %s is zero at zero-shot, so that only its distance is told", group)
    elif not change > 0:
        logger.info("layers: %s didn't move, so that its task vector has no direction", group)


def _cosine(product: float, lengths: float) -> float:
    return max(-1.0, min(1.0, product / lengths))  # what is beyond is rounding
