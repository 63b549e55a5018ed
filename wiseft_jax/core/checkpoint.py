"""Checkpoints: parameters, optimizer state and facts about the run, through Orbax.

The only importer of Orbax. Each step is a directory ``checkpoints/<step>/`` with the items
``params``, ``opt`` and ``meta``; a save goes to a temporary directory first, which readers ignore.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from wiseft_jax.core.checksum import checksum
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.orbax_noise import hush_orbax
from wiseft_jax.core.trees import check_same_structure, flatten_paths, unflatten_paths
from wiseft_jax.core.typing import Params, PyTree

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
"""The directory of a run that holds its checkpoints."""

_UNREADABLE = (ValueError, OSError, KeyError)
"""What Orbax and TensorStore raise, by turns, at files that they can't read or write."""

_METRIC = "value"
_CHECKSUMS = "checksums"


class DamagedCheckpointError(Exception):
    """A checkpoint can't be read, or isn't what was written."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What ``Checkpoints.restore`` returns.

    Attributes:
      step: The number of complete steps.
      params: The trained parameters.
      opt: The optimizer's state.
      meta: What was given to ``save``.
    """

    step: int
    params: PyTree
    opt: PyTree
    meta: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run.

    Keeps the newest ``keep_latest`` and, by their metric, the best ``keep_best``: a run always
    resumes from its newest step, however bad.

    Example:
      >>> with Checkpoints(run_dir) as checkpoints:
      ...     checkpoints.save(10, params, opt_state, {"config": {...}}, metric=0.9)
      ...     checkpoint = checkpoints.restore(params_target, opt_target)
    """

    def __init__(self, run_dir: Path, *, keep_latest: int = 2, keep_best: int = 1) -> None:
        self.directory = Path(run_dir).absolute() / CHECKPOINTS
        self._keep_latest, self._keep_best = keep_latest, keep_best
        self._manager: ocp.CheckpointManager | None = None

    def steps(self) -> tuple[int, ...]:
        """Return the steps that were saved completely, in order."""
        return _steps(self.directory)

    def path(self, step: int) -> Path:
        """Return the directory of a step."""
        return self.directory / str(step)

    def save(
        self,
        step: int,
        params: PyTree,
        opt: PyTree,
        meta: dict[str, Any],
        metric: float | None = None,
    ) -> None:
        """Copy the state to the host and write it in the background.

        Args:
          step: The number of complete steps.
          params: The trained parameters.
          opt: The optimizer's state: any tree of arrays.
          meta: JSON values.
          metric: What ranks the checkpoints, larger is better; without it a checkpoint can't be
            the best.

        Raises:
          InputError: If this save, or an earlier one in the background, can't be written (a full
            disk, say); the checkpoints before it are intact.
        """
        opt = unflatten_paths(flatten_paths(opt))
        checksums = {"params": checksum(params), "opt": checksum(opt)}
        manager = self._open()
        with self._writing():
            manager.save(
                step,
                args=ocp.args.Composite(
                    params=ocp.args.StandardSave(params),
                    opt=ocp.args.StandardSave(opt),
                    meta=ocp.args.JsonSave({**meta, _CHECKSUMS: checksums}),
                ),
                metrics=None if metric is None else {_METRIC: metric},
                force=True,
            )

    def restore(
        self,
        params: PyTree,
        opt: PyTree,
        check_meta: Callable[[dict[str, Any], Path], None] | None = None,
    ) -> Checkpoint | None:
        """Return the newest checkpoint that can be read; None when there is none at all.

        A damaged one is named in a warning and renamed to ``damaged-<step>``.

        Args:
          params: Arrays or ``jax.ShapeDtypeStruct`` of the wanted shapes, with shardings.
          opt: The same of the optimizer's state.
          check_meta: Called with the meta values and the checkpoint's directory before anything
            large is read; raises if the checkpoint belongs to something else.

        Raises:
          InputError: If the checkpoint is another model's, or if every checkpoint is damaged.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return self._restore_step(step, params, opt, check_meta)
            except DamagedCheckpointError as error:
                self._set_aside(step, error)
        if steps:
            raise InputError(
                f"{self.directory}: every checkpoint is damaged; start again with --overwrite"
            )
        return None

    def _restore_step(
        self, step: int, params: PyTree, opt: PyTree, check_meta: Callable[..., None] | None
    ) -> Checkpoint:
        path = self.path(step)
        meta = _read_meta(path)
        checksums = meta.pop(_CHECKSUMS, {})
        if check_meta is not None:
            check_meta(meta, path)
        named_opt = unflatten_paths(flatten_paths(opt))
        found_params = _read_item(path / "params", params, checksums.get("params"))
        found_opt = _read_item(path / "opt", named_opt, checksums.get("opt"))
        leaves = flatten_paths(found_opt)
        structure = jax.tree_util.tree_structure(opt)
        ordered = [leaves[name] for name in flatten_paths(opt)]
        return Checkpoint(
            step, found_params, jax.tree_util.tree_unflatten(structure, ordered), meta
        )

    def _set_aside(self, step: int, error: Exception) -> None:
        aside = self.directory / f"damaged-{step}"
        logger.warning(
            "%s is damaged (%s); using the checkpoint before it; it is kept as %s",
            self.path(step),
            error,
            aside.name,
        )
        if jax.process_index() == 0 and not aside.exists():
            self.path(step).rename(aside)

    def _open(self) -> ocp.CheckpointManager:
        if self._manager is None:
            hush_orbax()
            for step in self.steps():
                try:
                    _read_meta(self.path(step))
                    _read_metric(self.path(step))
                except DamagedCheckpointError as error:
                    self._set_aside(step, error)
            policies: list[preservation_policy.PreservationPolicy] = [
                preservation_policy.LatestN(n=self._keep_latest),
                preservation_policy.BestN(
                    get_metric_fn=_metric_of,
                    n=self._keep_best,
                    keep_checkpoints_without_metrics=False,
                ),
            ]
            options = ocp.CheckpointManagerOptions(
                preservation_policy=preservation_policy.AnyPreservationPolicy(policies),
                best_fn=_metric_of,
            )
            self._manager = ocp.CheckpointManager(self.directory, options=options)
        return self._manager

    def wait(self) -> None:
        """Wait until what was saved is on the disk; raises as ``save``."""
        if self._manager is not None:
            with self._writing():
                self._manager.wait_until_finished()

    def close(self) -> None:
        """Wait for the background, and let go of the directory; raises as ``save``."""
        manager, self._manager = self._manager, None
        if manager is not None:
            with self._writing():
                manager.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except _UNREADABLE as error:
            intact = ", ".join(map(str, self.steps())) or "none"
            raise InputError(
                f"{self.directory}: a checkpoint can't be written ({_first_line(error)}); complete"
                f" checkpoints: {intact}; make room and continue with --resume"
            ) from None

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def restore_params(
    run_dir: Path, step: int | Literal["latest", "best"] = "latest"
) -> tuple[Params, int]:
    """Return the trained parameters of a checkpoint as host arrays, without the optimizer's state.

    Args:
      run_dir: The run directory.
      step: A step, the newest, or the one with the highest metric (validation accuracy).

    Returns:
      ``(params, step)``. Of a linear classifier the parameters are those of the head alone.

    Raises:
      InputError: If there is no such checkpoint, or if it is damaged.
    """
    checkpoints = Checkpoints(run_dir)
    steps = checkpoints.steps()
    if not steps or (isinstance(step, int) and step not in steps):
        known = ", ".join(map(str, steps)) or "none"
        raise InputError(f"{checkpoints.directory}: no checkpoint {step!r}; there are: {known}")
    candidates = [step] if isinstance(step, int) else list(reversed(steps))
    if step == "best":
        candidates.sort(key=lambda one: _rank(checkpoints.path(one)), reverse=True)
    for candidate in candidates:
        path = checkpoints.path(candidate)
        try:
            wanted = _read_meta(path).get(_CHECKSUMS, {}).get("params")
            return _read_item(path / "params", None, wanted), candidate
        except DamagedCheckpointError as error:
            logger.warning("%s is damaged (%s)", path, error)
    raise InputError(f"{checkpoints.directory}: checkpoint {step!r} is damaged and can't be read")


def _steps(directory: Path) -> tuple[int, ...]:
    if not directory.is_dir():
        return ()
    return tuple(sorted(ocp.utils.checkpoint_steps(directory)))


def _read_meta(path: Path) -> dict[str, Any]:
    return _read_json(path / "meta" / "metadata")


def _read_metric(path: Path) -> float | None:
    file = path / "metrics" / "metrics"
    return _metric_of(_read_json(file)) if file.exists() else None


def _metric_of(metrics: Any) -> float:
    return float(metrics[_METRIC])


def _rank(path: Path) -> float:
    try:
        metric = _read_metric(path)
    except DamagedCheckpointError:
        metric = None
    return float("-inf") if metric is None else metric


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedCheckpointError(f"{file.name}: {error}") from None


def _read_item(path: Path, target: PyTree | None, wanted: int | None) -> PyTree:
    """Return the arrays of one item, in ``target``'s shardings, or as NumPy arrays without it."""
    hush_orbax()
    handler: Any = ocp.StandardCheckpointHandler()
    try:
        stored = _stored_shapes(handler, path)
        if target is None:
            target = stored
        else:
            check_same_structure(
                stored, target, name=f"the checkpoint {path}", expected_name="the model"
            )
        tree = handler.restore(path, args=ocp.args.StandardRestore(_targets(target)))
    except InputError:
        raise
    except _UNREADABLE as error:
        raise DamagedCheckpointError(f"{path.name}: {_first_line(error)}") from None
    finally:
        handler.close()
    if wanted is not None and checksum(tree) not in (None, wanted):
        raise DamagedCheckpointError(f"{path.name}: the checksum of the arrays is wrong")
    return tree


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:200]


def _stored_shapes(handler: Any, path: Path) -> PyTree:
    return jax.tree_util.tree_map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), handler.metadata(path).tree
    )


def _targets(tree: PyTree) -> PyTree:
    def describe(leaf: Any) -> Any:
        sharding = getattr(leaf, "sharding", None)
        if sharding is None:
            return np.empty(leaf.shape, leaf.dtype)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    return jax.tree_util.tree_map(describe, tree)
