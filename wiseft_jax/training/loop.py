"""The training loop: batches in, steps out; validation, checkpoints and signals in between."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from wiseft_jax.core.interrupt import Interruption
from wiseft_jax.core.mesh import put_batch
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.typing import Params
from wiseft_jax.training.config import Plan
from wiseft_jax.training.feed import Feed
from wiseft_jax.training.log import TrainLog
from wiseft_jax.training.problem import Problem, device_batch
from wiseft_jax.training.state import TrainState
from wiseft_jax.training.step import TrainStep


@dataclasses.dataclass(frozen=True)
class Saving:
    """How a run with a directory saves itself, and stops.

    Attributes:
      save: ``(step, state, validation accuracy or None)``; may go on in the background.
      rate: ``(step, validation accuracy)``; adds what a checkpoint was saved without.
      every_steps: Save every so many steps too; None: after evaluations and at the end.
      interruption: Tells whether a signal arrived.
      run_dir: The run directory, for the message.
    """

    save: Callable[[int, TrainState, float | None], None]
    rate: Callable[[int, float], None]
    every_steps: int | None
    interruption: Interruption
    run_dir: Path

    def is_due(self, step: int) -> bool:
        """Return whether a checkpoint is due after ``step`` by count."""
        return self.every_steps is not None and step % self.every_steps == 0

    def stop_requested(self, step: int, *, last: bool = False) -> bool:
        """Return whether to save and leave; see ``Interruption.stop_requested``."""
        return self.interruption.stop_requested(step, last=last)


def validate_restored(
    state: TrainState,
    step: int,
    log: TrainLog,
    validate: Callable[[Params], float],
    saving: Saving,
) -> None:
    """Make up for the validation that a signal prevented after ``step``, which was saved.

    Raises:
      Interrupted: If a signal has arrived again; nothing is lost.
    """
    if saving.stop_requested(step):
        raise saving.interruption.stop(f"step {step} is saved", saving.run_dir)
    accuracy = validate(state.params)
    saving.rate(step, accuracy)
    log.validation(step, accuracy)


def run_loop(
    state: TrainState,
    train_step: TrainStep,
    problem: Problem,
    plan: Plan,
    mesh: Mesh,
    log: TrainLog,
    *,
    start_step: int = 0,
    validate: Callable[[Params], float] | None = None,
    saving: Saving | None = None,
    finish: Callable[[TrainState], TrainState] | None = None,
    what: str = "fine-tuning",
) -> TrainState:
    """Train from ``start_step`` to the end of the plan and return the last state.

    While the devices compute step k, batch k + 1 goes to them and the host reads the metrics of
    step k - 1. The loop waits for step k only to validate or save it. A signal is heeded before a
    validation, which may take longer than there is time: the resumed run makes it up.

    Args:
      state: The state after ``start_step`` steps; donated.
      train_step: What ``make_train_step`` returns.
      problem: Where batches come from.
      plan: How many steps, and after which ones to validate.
      mesh: The devices.
      log: Where metrics go.
      start_step: How many steps are complete.
      validate: Trained parameters on the devices -> accuracy, a fraction.
      saving: How to save; None: nothing is saved, and signals keep their usual effect.
      finish: What is made of the state after the last step, before it is validated and saved.
      what: What the progress bar calls it.

    Raises:
      NonFiniteLossError: Names the step, the batch's images and the last good checkpoint.
      Interrupted: After a signal, at the last step too, once the state is saved.
    """
    eval_steps = frozenset(plan.eval_steps if validate is not None else ())
    remaining = (plan.total_steps - start_step) * plan.batch_size

    def place(batch: dict[str, Any]) -> Any:
        return put_batch(device_batch(batch), mesh)

    feed = Feed(problem.batches(start_step), place, plan.total_steps - start_step)
    with contextlib.closing(feed), progress_bar(what, remaining) as advance:
        for step in range(start_step + 1, plan.total_steps + 1):
            batch = feed.take()
            state, metrics = train_step(state, batch.placed)
            log.start_clock()
            feed.fetch_next(metrics["loss"])
            log.push(step, metrics, batch.index, data_wait_secs=batch.wait_secs)
            if finish is not None and step == plan.total_steps:
                state = finish(state)
            advance(plan.batch_size)
            stop, accuracy = saving is not None and saving.stop_requested(step), None
            if validate is not None and step in eval_steps and not stop:
                log.flush()
                accuracy = validate(state.params)
                log.validation(step, accuracy)
            if saving is None:
                continue
            last = step == plan.total_steps
            stop = stop or saving.stop_requested(step, last=last)
            if last or stop or accuracy is not None or saving.is_due(step):
                log.flush()
                saving.save(step, state, accuracy)
            if stop:
                log.skipped(step, feed.skipped)
                log.report_data_wait()
                raise saving.interruption.stop(f"saved after step {step}", saving.run_dir)
        log.flush()
        log.skipped(plan.total_steps, feed.skipped)
        log.report_data_wait()
    return jax.block_until_ready(state)
