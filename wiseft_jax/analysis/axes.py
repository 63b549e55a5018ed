"""Which set a shift is set against: the reference's images of the classes that the shift has."""

from __future__ import annotations

import logging
import shlex

from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.catalog_objects import MATCHED_DATASETS
from wiseft_jax.evaluation.predictions import Predictions

logger = logging.getLogger(__name__)


def catalog_id(name: str) -> str | None:
    """Return the id of the published set that a run's set is, by its name; None for others.

    Args:
      name: As specs name sets: ``imagenet-r-test`` of ``published:imagenet-r:test``.
    """
    ids = [each for each in DATASETS if name == each or name.startswith(f"{each}-")]
    return max(ids, key=len, default=None)


def is_axis(name: str) -> bool:
    """Return whether a set is only there for others to be set against."""
    return catalog_id(name) in MATCHED_DATASETS


def matched_axis(run: StoredRun, shift: Predictions) -> Predictions:
    """Return the set whose accuracy a shift's is set against.

    The catalog's class-matched set of a published shift with fewer classes, where the run has it;
    else the reference's test set. That a matched set is lacking is logged.

    Args:
      run: The run.
      shift: One of its sets.

    Raises:
      InputError: If the run has no reference.
    """
    own = catalog_id(shift.dataset)
    wanted = DATASETS[own].reference if own is not None else None
    if wanted is not None:
        for each in run.sets():
            if catalog_id(each.dataset) == wanted:
                return each
    reference = run.reference
    if reference is None:
        raise InputError(
            f"{run.path}: there is no set of the reference to set {shift.dataset} against; sweep"
            f" over one: wiseft sweep {shlex.quote(str(run.path))} --data.test SPEC"
        )
    if wanted in MATCHED_DATASETS:
        logger.warning(
            "%s: set against %s, which has more classes; add the matched axis:"
            " --data.shifts published:%s:val",
            shift.dataset, reference.dataset, wanted,
        )  # fmt: skip
    return reference
