"""What Orbax does for ``core.checkpoint``, behind a few functions; the only importer of Orbax."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint.checkpoint_managers import preservation_policy

from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.checkpoint_errors import patiently
from wiseft_jax.core.checkpoint_files import RANKING, Facts, is_directory
from wiseft_jax.core.distributed import of_first
from wiseft_jax.core.orbax_noise import hush_orbax
from wiseft_jax.core.typing import PyTree

Manager = ocp.CheckpointManager


def make_manager(directory: epath.Path, config: CheckpointConfig) -> Manager:
    """Return what saves into a directory that is there, and removes what isn't to be kept."""
    options = ocp.CheckpointManagerOptions(
        preservation_policy=_policy(config),
        best_fn=_metric_of,
    )
    return ocp.CheckpointManager(directory, options=options)


def write_step(manager: Manager, step: int, params: PyTree, opt: PyTree, facts: Facts) -> None:
    """Copy the state to the host and begin to write it; a collective."""
    manager.save(
        step,
        args=ocp.args.Composite(
            params=ocp.args.StandardSave(params),
            opt=ocp.args.StandardSave(opt),
            meta=ocp.args.JsonSave(facts.seal()),
        ),
        metrics=None if facts.rank is None else {RANKING: facts.rank},
        force=True,
    )


def keep_again(manager: Manager, config: CheckpointConfig) -> None:
    """Read again how steps are ranked, and remove those that aren't to be kept; a collective."""
    manager.reload()
    steps = manager.all_steps()
    found = [SimpleNamespace(step=step, time=None, metrics=manager.metrics(step)) for step in steps]
    context = preservation_policy.PreservationContext()
    kept: Any = _policy(config).should_preserve(found, context=context)  # type: ignore[arg-type]
    surplus = [step for step, keep in zip(steps, kept, strict=True) if not keep]
    for step in of_first(surplus):
        manager.delete(step)


def complete_steps(directory: epath.Path) -> tuple[int, ...]:
    """Return the steps that were saved completely, in order."""
    if not is_directory(directory):
        return ()
    named = [path for path in directory.iterdir() if path.name.isdecimal()]
    return tuple(
        sorted(
            int(path.name)
            for path in named
            if path.name == str(int(path.name))
            and is_directory(path)
            and ocp.utils.is_checkpoint_finalized(path)
        )
    )


def read_item(path: epath.Path, targets: PyTree) -> PyTree:
    """Return the arrays of one item as ``targets`` says: in shardings, or in host arrays.

    Raises:
      DamagedCheckpointError: If it is damaged.
      InputError: If it can't be read now.
    """
    hush_orbax()

    def read() -> PyTree:
        handler: Any = ocp.StandardCheckpointHandler()
        try:
            return handler.restore(path, args=ocp.args.StandardRestore(targets))
        finally:
            handler.close()

    return patiently(read, path, path.name)


def _policy(config: CheckpointConfig) -> preservation_policy.AnyPreservationPolicy:
    policies: list[preservation_policy.PreservationPolicy] = [
        preservation_policy.LatestN(n=config.keep_latest),
        preservation_policy.BestN(
            get_metric_fn=_metric_of,
            n=config.keep_best,
            keep_checkpoints_without_metrics=False,
        ),
    ]
    return preservation_policy.AnyPreservationPolicy(policies)


def _metric_of(metrics: Any) -> float:
    return float(metrics[RANKING])
