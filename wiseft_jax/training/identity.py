"""What a checkpoint belongs to, so that a run is never continued as another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from wiseft_jax.core.config_io import to_dict
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.core.trees import hash_tree
from wiseft_jax.training.config import RESULT_NEUTRAL
from wiseft_jax.training.problem import Task

Meta = dict[str, Any]
"""JSON values stored in a checkpoint."""


def describe_task(task: Task) -> Meta:
    """Return what decides a run's weights: configuration, data, starting point, batch.

    The batch is that of the plan: on another number of devices it may have been rounded otherwise.
    """
    described = {
        "config": to_dict(task.config),
        "mixing": to_dict(task.mixing),
        "training set": {"images": len(task.train), "content": task.train.fingerprint()},
        "theta_0": hash_tree(task.theta_0),
        "batch": task.plan.batch_size,
    }
    if task.config.recipe == "lp_ft" or task.config.converges:
        chosen_on = None if task.validation is None else task.validation.fingerprint()
        described["validation set"] = chosen_on  # it chooses a penalty, so it decides weights
    return described


def hash_task(described: Meta) -> str:
    """Return the hash of what ``describe_task`` described, but for fields that decide no weight."""
    config = described["config"].items()
    decisive = {field: value for field, value in config if field not in RESULT_NEUTRAL}
    return hash_json({**described, "config": decisive})


def make_check(described: Meta) -> Callable[[Meta, PurePath], None]:
    """Return the check of a checkpoint's ``meta`` against a task that ``describe_task`` described.

    The check raises ``InputError`` and names every field that differs.
    """

    def check(meta: Meta, path: PurePath) -> None:
        stored = meta.get("task", {})
        differing = [
            f"training.{field} ({_show(stored, 'config', field)} -> {value!r})"
            for field, value in described["config"].items()
            if field not in RESULT_NEUTRAL and _show(stored, "config", field) != repr(value)
        ]
        differing += [
            f"{fact} ({stored.get(fact)} -> {value})"
            for fact, value in described.items()
            if fact != "config" and stored.get(fact) != value
        ]
        if differing:
            raise InputError(
                f"{path}: can't resume, the run was started otherwise: {'; '.join(differing)}."
                " Give the same options and data, or another run directory"
            )

    return check


def _show(stored: Meta, section: str, field: str) -> str:
    values = stored.get(section, {})
    return repr(values[field]) if field in values else "nothing"
