"""Checkpoints: parameters, optimizer state and facts about the run, through Orbax.

Each step is a directory ``<step>/`` with the items ``params``, ``opt`` and ``meta``; a save goes to
a temporary directory first, which readers ignore.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import jax
from etils import epath

from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.checkpoint_directory import Ownership, prepare_directory, remove_partial
from wiseft_jax.core.checkpoint_errors import (
    DamagedCheckpointError,
    first_line,
    is_full,
    is_of_files,
    together,
)
from wiseft_jax.core.checkpoint_files import (
    RANKING,
    Checkpoint,
    Facts,
    begin_anew,
    check_arrays,
    check_structure,
    describe_arrays,
    empty_arrays,
    find_directory,
    has_damaged,
    is_remote,
    mend_ranking,
    name_aside,
    not_shared,
    rank_of,
    reaching,
    read_facts,
    restore_targets,
    write_facts,
)
from wiseft_jax.core.checkpoint_orbax import (
    Manager,
    complete_steps,
    keep_again,
    make_manager,
    read_item,
    write_step,
)
from wiseft_jax.core.distributed import of_first, same_on_all
from wiseft_jax.core.errors import CheckpointWriteError, InputError, Interrupted
from wiseft_jax.core.orbax_noise import hush_orbax
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.core.typing import Params, PyTree

logger = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run.

    Keeps the newest few and, by validation accuracy, the best few: a run always resumes from its
    newest step, however bad. With several processes all of them must make the same calls, on one
    directory that they share; ``steps`` and ``path`` aside.

    Args:
      run_dir: The run directory.
      config: How many are kept, and where if not in the run directory.

    Raises:
      InputError: If the configured directory can't be used.

    Example:
      >>> with Checkpoints(run_dir) as checkpoints:
      ...     metrics = {"loss": 0.3, "validation_accuracy": 0.9}
      ...     checkpoints.save(10, params, opt_state, {"config": {...}}, metrics)
      ...     checkpoint = checkpoints.restore(params_target, opt_target)
    """

    def __init__(self, run_dir: Path, config: CheckpointConfig = CheckpointConfig()) -> None:
        self.directory = find_directory(run_dir, config)
        self._config = config
        self._manager: Manager | None = None
        self._owned = Ownership(self.directory, run_dir, outside=config.directory is not None)

    def steps(self) -> tuple[int, ...]:
        """Return the steps that were saved completely, in order.

        Raises:
          InputError: If the directory can't be read.
        """
        with reaching(self.directory):
            return complete_steps(self.directory)

    def path(self, step: int) -> epath.Path:
        """Return the directory of a step."""
        return self.directory / str(step)

    def check_unused(self) -> None:
        """Refuse a directory that holds checkpoints, whole or damaged, of an earlier run.

        Raises:
          InputError: Says how to continue that run, and how to start again.
        """
        if self.steps() or has_damaged(self.directory):
            raise InputError(
                f"{self.directory}: there are checkpoints of an earlier run; continue it with"
                f" --resume; {begin_anew(self.directory, self._config)}"
            )

    def check_free(self) -> None:
        """Refuse a directory that is another run's, in one process, before anything is done there.

        Raises:
          InputError: Says whose it is.
        """
        self._owned.check_free()

    def open(self, task: str = "", *, resume: bool = False) -> None:
        """Make the directory this run's and write there, before work is done that could be lost.

        ``save`` does it too, too late for a long run. Nobody else may save there until ``close``.

        Args:
          task: The hash of what decides the run's weights.
          resume: Whether a run is continued; it may take over the directory of one of that task.

        Raises:
          InputError: If checkpoints can't be kept there, or another run keeps its own there.
        """
        self._open(task, resume=resume)

    def save(
        self,
        step: int,
        params: PyTree,
        opt: PyTree,
        meta: dict[str, Any],
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Copy the state to the host and write it in the background.

        Args:
          step: The number of complete steps.
          params: The trained parameters.
          opt: The optimizer's state: any tree of arrays.
          meta: JSON values.
          metrics: Numbers to keep with it; ``validation_accuracy`` ranks the checkpoints, and
            without it a checkpoint can't be the best.

        Raises:
          CheckpointWriteError: If this save, or an earlier one in the background, finds no room or
            can't be written for another reason of the file system's, or another run has taken the
            directory over. The checkpoints before it are intact.
        """
        opt = unflatten_paths(flatten_paths(opt))
        arrays = {"params": describe_arrays(params), "opt": describe_arrays(opt)}
        facts = Facts(meta, dict(metrics or {}), arrays)
        manager = self._open()
        if self._config.directory is not None:
            self._first_writes(self._owned.check)
        with self._writing():
            write_step(manager, step, params, opt, facts)

    def rate(self, step: int, accuracy: float) -> None:
        """Add the validation accuracy to a checkpoint that was saved without one; a collective.

        Then what is kept is what would be, had it been saved with it. Call ``open`` before.

        Args:
          step: A complete step.
          accuracy: What ranks it, a fraction.

        Raises:
          CheckpointWriteError: As ``save``.
        """
        manager = self._open()
        path = self.path(step)
        facts = together(lambda: read_facts(path))
        rated = dataclasses.replace(facts, metrics={**facts.metrics, RANKING: accuracy})
        self._first_writes(lambda: write_facts(path, rated))
        with self._writing():
            keep_again(manager, self._config)

    def restore(
        self,
        params: PyTree,
        opt: PyTree,
        check_meta: Callable[[dict[str, Any], epath.Path], None] | None = None,
    ) -> Checkpoint | None:
        """Return the newest checkpoint that can be read; None when there is none at all.

        It need not have been saved by as many devices or processes. A damaged one is named in a
        warning and renamed to ``damaged-<step>``.

        Args:
          params: Arrays or ``jax.ShapeDtypeStruct`` of the wanted shapes, with shardings.
          opt: The same of the optimizer's state.
          check_meta: Called with the meta values and the checkpoint's directory before anything
            large is read; raises if the checkpoint belongs to something else.

        Raises:
          InputError: If the checkpoint is another model's, if it can't be read now (which is no
            damage), if every checkpoint is damaged, or if the processes don't see the same ones.
        """
        steps = self.steps()
        if not same_on_all(list(steps)):
            raise InputError(not_shared(self.directory))
        for step in reversed(steps):
            try:
                return self._restore_step(step, params, opt, check_meta)
            except DamagedCheckpointError as error:
                self._set_aside(step, error)
        if steps or has_damaged(self.directory):
            raise InputError(
                f"{self.directory}: every checkpoint is damaged;"
                f" {begin_anew(self.directory, self._config)}"
            )
        return None

    def _restore_step(
        self, step: int, params: PyTree, opt: PyTree, check_meta: Callable[..., None] | None
    ) -> Checkpoint:
        path = self.path(step)
        facts = together(lambda: read_facts(path))
        if check_meta is not None:
            check_meta(facts.meta, path)
        found = {}
        for item, target in (("params", params), ("opt", unflatten_paths(flatten_paths(opt)))):
            check_structure(path / item, facts.arrays[item], target)
            found[item] = together(
                lambda item=item, target=target: read_item(path / item, restore_targets(target))
            )
            check_arrays(item, found[item], facts.arrays[item])
        leaves = flatten_paths(found["opt"])
        structure = jax.tree_util.tree_structure(opt)
        ordered = [leaves[name] for name in flatten_paths(opt)]
        restored_opt = jax.tree_util.tree_unflatten(structure, ordered)
        return Checkpoint(step, found["params"], restored_opt, facts.meta, facts.metrics)

    def _set_aside(self, step: int, error: Exception) -> None:
        """Rename a damaged checkpoint, so that nothing takes it for a good one, and say so.

        Process 0 chooses the name and renames: what the others see there may be older, or newer.
        """
        first = jax.process_index() == 0
        name = together(lambda: self._chosen(step) if first else "")
        aside, path = of_first(name), self.path(step)
        logger.warning("%s is damaged (%s); it isn't used, and kept as %s", path, error, aside)
        self._first_writes(lambda: path.rename(self.directory / aside))

    def _chosen(self, step: int) -> str:
        with self._writing():
            return name_aside(self.directory, step)

    def _open(self, task: str = "", *, resume: bool = False) -> Manager:
        if self._manager is None:
            hush_orbax()
            prepare_directory(self.directory)
            self._first_writes(lambda: self._owned.take(task, resume=resume))
            self._tidy()
            with self._writing():
                self._manager = make_manager(self.directory, self._config)
        return self._manager

    def _tidy(self) -> None:
        """Leave nothing in the directory at which Orbax would stumble."""
        if not is_remote(self.directory):
            self._first_writes(lambda: remove_partial(self.directory, self.steps()))
        for step in self.steps():
            try:
                facts = together(lambda step=step: read_facts(self.path(step)))
            except DamagedCheckpointError as error:
                self._set_aside(step, error)
                continue
            self._first_writes(lambda step=step, facts=facts: mend_ranking(self.path(step), facts))

    def _first_writes(self, act: Callable[[], object]) -> None:
        """Let the first process write; what it meets is raised in all."""
        together(lambda: self._write(act) if jax.process_index() == 0 else None)

    def _write(self, act: Callable[[], object]) -> None:
        with self._writing():
            act()

    def wait(self) -> None:
        """Wait until what was saved is on the disk; raises as ``save``."""
        if self._manager is not None:
            with self._writing():
                self._manager.wait_until_finished()

    def close(self) -> None:
        """Wait for the background, and let go of the directory; raises as ``save``."""
        manager, self._manager = self._manager, None
        try:
            if manager is not None:
                with self._writing():
                    manager.close()
        finally:
            self._owned.release()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not is_of_files(error):
                raise
            what = (
                f"{self.directory}: a checkpoint can't be written ({first_line(error)}); complete"
                f" checkpoints: {self._intact()}"
            )
            then = "what is complete is intact, and --resume goes on from it"
            then = "make room and continue with --resume" if is_full(error) else then
            raise CheckpointWriteError(f"{what}; {then}") from None

    def _intact(self) -> str:
        try:
            return ", ".join(map(str, self.steps())) or "none"
        except InputError:
            return "unknown, the directory can't be read"

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; what fails then is logged where another error ends the block already.

        An ``Interrupted`` says that the state was saved, and must not say so if it wasn't.
        """
        if error is None or isinstance(error, Interrupted):
            self.close()
            return
        try:
            self.close()
        except Exception as failure:
            logger.error("%s", failure)


def restore_params(
    run_dir: Path,
    step: int | Literal["latest", "best"] = "latest",
    config: CheckpointConfig = CheckpointConfig(),
) -> tuple[Params, int]:
    """Return the trained parameters of a checkpoint as host arrays, without the optimizer's state.

    Each process may call it on its own.

    Args:
      run_dir: The run directory.
      step: A step, the newest, or the one with the highest validation accuracy.
      config: Where the checkpoints are, if not in the run directory.

    Returns:
      ``(params, step)``. Of a linear classifier the parameters are those of the head alone.

    Raises:
      InputError: If there is no such checkpoint, if it is damaged, or if it can't be read now.
    """
    checkpoints = Checkpoints(run_dir, config)
    steps = checkpoints.steps()
    if not steps or (isinstance(step, int) and step not in steps):
        known = ", ".join(map(str, steps)) or "none"
        raise InputError(f"{checkpoints.directory}: no checkpoint {step!r}; there are: {known}")
    candidates = [step] if isinstance(step, int) else list(reversed(steps))
    if step == "best":
        candidates.sort(key=lambda one: rank_of(checkpoints.path(one)), reverse=True)
    for candidate in candidates:
        path = checkpoints.path(candidate)
        try:
            arrays = read_facts(path).arrays["params"]
            params = read_item(path / "params", empty_arrays(arrays))
            check_arrays("params", params, arrays)
            return params, candidate
        except DamagedCheckpointError as error:
            logger.warning("%s is damaged (%s)", path, error)
    raise InputError(f"{checkpoints.directory}: checkpoint {step!r} is damaged and can't be read")
