"""Which set a shift is set against: the reference's images of the classes that the shift has."""

from __future__ import annotations

import dataclasses
import logging
import shlex
from typing import Any

from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.data.matched_references import published_reference
from wiseft_jax.data.specs import is_spec, parse_spec
from wiseft_jax.evaluation.predictions import Predictions

logger = logging.getLogger(__name__)


def axis_of(run: StoredRun, shift: Predictions) -> Predictions:
    """Return the set whose accuracy a shift's is set against.

    Its matched reference, as the rows name it; without one the reference's test set. That this has
    more classes than the shift is logged, with what to add.

    Args:
      run: The run.
      shift: One of its sets.

    Raises:
      InputError: If the run has neither.
    """
    matched = run.matched_references.get(shift.dataset)
    if matched is not None:
        return matched
    reference = run.reference
    if reference is None:
        raise InputError(
            f"{run.path}: there is no set of the reference to set {shift.dataset} against; sweep"
            f" over one: wiseft sweep {shlex.quote(str(run.path))} --data.test SPEC"
        )
    own, others = num_classes_of(run, shift, reference)
    if own < others:
        logger.warning(
            "%s: it has %d classes and is set against %s, which has %d, so its effective robustness"
            " counts that difference too; sweep with a matched reference: wiseft sweep %s"
            " --data.matched_references %s",
            shift.dataset, own, reference.dataset, others, shlex.quote(str(run.path)),
            _to_add(run, shift),
        )  # fmt: skip
    return reference


def num_classes_of(run: StoredRun, shift: Predictions, axis: Predictions) -> tuple[int, int]:
    """Return how many classes a shift and its axis have.

    Where the shift alone has classes of its own, those that predictions are among; else those that
    images are labelled.

    Args:
      run: The run.
      shift: One of its sets.
      axis: What it is set against.
    """
    if shift.class_names and not axis.class_names and run.class_names:
        return shift.num_classes, len(run.class_names)
    return shift.num_classes, axis.num_classes


def _to_add(run: StoredRun, shift: Predictions) -> str:
    """Return the specs of the matched references to sweep with: what is there, and the shift's."""
    directory = RunDirectory(run.path)
    data: dict[str, Any] = {}
    for file in (directory.config_file, directory.sweep_config_file):
        data |= read_json(file)["config"]["data"] if file.is_file() else {}
    specs = {spec.name: spec for spec in map(parse_spec, filter(is_spec, data.get("shifts", ())))}
    given = [shlex.quote(text) for text in data.get("matched_references", ())]
    own = specs.get(shift.dataset)
    wanted = ""
    if own is not None and own.scheme == "published":
        wanted = published_reference(own.target.partition("/")[0])
    if own is None or not wanted:
        return " ".join([*given, "SPEC, SPEC being images of the reference, of its classes alone"])
    found = dataclasses.replace(own, target=wanted, split="val")
    return " ".join([*given, shlex.quote(str(found))])
