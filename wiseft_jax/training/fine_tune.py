"""``fine_tune``: from the zero-shot parameters to the fine-tuned ones."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.checkpoint_files import RANKING
from wiseft_jax.core.distributed import assert_same
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.interrupt import catch_signals
from wiseft_jax.core.mesh import Layout, num_batch_shards, put_batch, to_host
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.run_directory import TRAIN_LOG
from wiseft_jax.core.tracking import Tracker
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset, check_matches
from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.training.averaging import find_average, usual_average_alpha
from wiseft_jax.training.config import (
    TWO_TOWER_RECIPES,
    TrainConfig,
    check_mixed_batch,
    check_mixing,
)
from wiseft_jax.training.configured_step import configured_loss, configured_step
from wiseft_jax.training.identity import Meta, describe_task, hash_task, make_check
from wiseft_jax.training.log import TrainLog, drop_records_after
from wiseft_jax.training.loop import Saving, run_loop, validate_restored
from wiseft_jax.training.optimizer import make_optimizer
from wiseft_jax.training.problem import Problem, Task, device_batch
from wiseft_jax.training.rates import count_trained
from wiseft_jax.training.recipes import RECIPES
from wiseft_jax.training.sampling import training_images
from wiseft_jax.training.state import TrainState, abstract_state, init_state
from wiseft_jax.training.step import make_hit_counter

logger = logging.getLogger(__name__)


def fine_tune(
    classifier: Classifier,
    theta_0: Params,
    train: Dataset,
    validation: Dataset | None,
    config: TrainConfig,
    *,
    run_dir: Path | None = None,
    resume: bool = False,
    evaluate: Callable[[Params], float] | None = None,
    mesh: Layout | Mesh | MeshConfig | None = None,
    checkpoints: CheckpointConfig = CheckpointConfig(),
    num_threads: int = 16,
    mixing: MixingConfig = MixingConfig(),
    tracker: Tracker | None = None,
) -> Params:
    """Return ``theta_1``: ``theta_0`` fine-tuned on ``train`` by the configured recipe.

    Only what ``theta_0`` holds is trained. The parameters after the last step are returned, as in
    the paper; the best by validation is among the checkpoints.

    Args:
      classifier: The model.
      theta_0: The zero-shot parameters, float32; they stay as they are.
      train: Labelled images of the reference distribution.
      validation: Held-out images to report accuracy on; None: none is reported.
      config: How to fine-tune.
      run_dir: Where checkpoints and ``train.jsonl`` go; with it, SIGTERM and SIGINT save first.
        Without it nothing is written.
      resume: Continue from the newest checkpoint in ``run_dir``, bit for bit; start afresh if there
        is none.
      evaluate: ``theta -> accuracy`` (a fraction), called instead of the built-in pass over
        ``validation``; gets the whole tree as host arrays.
      mesh: The devices, and how parameters are split over them; all devices by default, each with
        all parameters. Devices on the axis ``alpha`` count as ``data``.
      checkpoints: Which checkpoints are kept, and where.
      num_threads: Decoding threads.
      mixing: How images are mixed with others of their batch, and targets with them.
      tracker: Who gets what ``train.jsonl`` does; only with ``run_dir``, and in process 0.

    Returns:
      A float32 tree of host arrays of ``theta_0``'s structure.

    Raises:
      InputError: If the data or a checkpoint doesn't fit.
      NonFiniteLossError: If the loss or the gradient becomes NaN or infinite.
      Interrupted: If a signal arrived and the state was saved.

    Example:
      >>> theta_1 = fine_tune(classifier, theta_0, train, validation, TrainConfig(epochs=5))
      >>> merged = lerp(theta_0, theta_1, 0.5)
    """
    _check_inputs(classifier, theta_0, train, validation, config)
    check_mixing(config, mixing)
    if resume and run_dir is None:
        raise InputError("resume=True needs run_dir: the directory of the run to continue")
    layout = Layout.of(mesh).for_training()
    layout.check(theta_0)
    train = training_images(train, config)
    plan = config.plan(len(train), num_batch_shards(layout.mesh))
    check_mixed_batch(plan, mixing)
    kept = {"run_dir": None if run_dir is None else Path(run_dir), "resume": resume}
    facts = (classifier, theta_0, train, config, plan, layout, num_threads, mixing, validation)
    task = Task(*facts, **kept)
    problem = RECIPES[config.recipe](task)
    task = task.without_steps() if problem.solved else task
    validate = _make_validate(problem, validation, evaluate, layout)
    _log_plan(task, problem)
    if run_dir is None:
        state = init_state(problem.params, _optimizer(task, problem), layout)
        log = TrainLog(None, task.plan, train.id, lambda: "none (no run directory)")
        with contextlib.closing(log):
            state = _loop(task, problem, state, 0, log, validate, None)
    else:
        options: dict[str, Any] = {"resume": resume, "tracker": tracker}
        state = _train_in(Path(run_dir), task, problem, validate, checkpoints, **options)
    return problem.theta(to_host(state.params))


def _log_plan(task: Task, problem: Problem) -> None:
    plan = task.plan
    logger.info(
        "fine-tuning (%s): %d images, %d steps of %d (%d of warm-up); %s parameters; %d device(s)",
        task.config.recipe,
        plan.num_examples,
        plan.total_steps,
        plan.batch_size,
        plan.warmup_steps,
        f"{count_trained(problem.params, problem.factors):,}",
        task.layout.mesh.size,
    )


def _train_in(
    run_dir: Path,
    task: Task,
    problem: Problem,
    validate: Callable[[Params], float] | None,
    keeping: CheckpointConfig,
    *,
    resume: bool,
    tracker: Tracker | None,
) -> TrainState:
    """Train with checkpoints, a log file and signal handling."""
    from wiseft_jax.core.checkpoint import Checkpoints

    described = describe_task(task)
    assert_same(described)
    with catch_signals() as interruption, Checkpoints(run_dir, keeping) as checkpoints:
        if not resume:
            checkpoints.check_unused()
        found = _restore(checkpoints, task, problem, described) if resume else None
        checkpoints.open(hash_task(described), resume=resume)
        start_step, state, validated = found or (
            0,
            init_state(problem.params, _optimizer(task, problem), task.layout),
            True,
        )
        validated = validated or validate is None or start_step not in task.plan.eval_steps
        log_file = run_dir / TRAIN_LOG
        is_writer = jax.process_index() == 0
        if is_writer:
            drop_records_after(log_file, start_step, validated=validated)
            if tracker is not None:
                tracker.replay(log_file)

        def save(step: int, state: TrainState, accuracy: float | None) -> None:
            names = ("loss", "accuracy", "learning_rate")
            metrics = {name: log.last[name] for name in names if name in log.last}
            if accuracy is not None:
                metrics[RANKING] = accuracy
            checkpoints.save(step, state.params, state.opt, {"task": described}, metrics)

        log = TrainLog(
            log_file if is_writer else None,
            task.plan,
            task.train.id,
            lambda: _last_checkpoint(checkpoints),
            tracker=tracker if is_writer else None,
        )
        every, rate = keeping.save_every_steps, checkpoints.rate
        saving = Saving(save, rate, every, interruption, run_dir)
        with contextlib.closing(log):
            if problem.solved and found is None:
                accuracy = None if validate is None else validate(state.params)
                if accuracy is not None:
                    log.validation(0, accuracy)
                save(0, state, accuracy)
            if validate is not None and not validated:
                validate_restored(state, start_step, log, validate, saving)
            return _loop(task, problem, state, start_step, log, validate, saving)


def _last_checkpoint(checkpoints: Any) -> str:
    """Return the newest complete checkpoint for a message, and why a later save isn't complete.

    It raises nothing: what happens to a checkpoint now mustn't hide the error that it is told with.
    """
    failed = ""
    try:
        checkpoints.wait()
    except Exception as error:
        failed = f" (the save after it failed: {error})"
    try:
        steps = checkpoints.steps()
    except InputError as error:
        return f"not known ({error}){failed}"
    return (str(checkpoints.path(max(steps))) if steps else "none") + failed


def _restore(
    checkpoints: Any, task: Task, problem: Problem, described: Meta
) -> tuple[int, TrainState, bool] | None:
    """Return the newest checkpoint's step, its state, and whether it has a validation accuracy.

    Each part of the state is where it lives. None if there is no checkpoint.
    """
    shapes = abstract_state(problem.params, _optimizer(task, problem), task.layout)
    found = checkpoints.restore(shapes.params, shapes.opt, make_check(described))
    if found is None:
        logger.info("%s: nothing to resume, starting afresh", checkpoints.directory)
        return None
    logger.info("resuming after step %d from %s", found.step, checkpoints.path(found.step))
    step = task.layout.place(np.asarray(found.step, np.int32))
    return found.step, TrainState(step, found.params, found.opt), RANKING in found.metrics


def _loop(
    task: Task,
    problem: Problem,
    state: TrainState,
    start_step: int,
    log: TrainLog,
    validate: Callable[[Params], float] | None,
    saving: Saving | None,
) -> TrainState:
    config, plan, layout = task.config, task.plan, task.layout
    if start_step >= plan.total_steps:
        if plan.total_steps:
            logger.info("all %d steps are complete already", plan.total_steps)
        if saving is not None and saving.stop_requested(start_step, last=True):
            raise saving.interruption.stop(f"step {start_step} is saved", saving.run_dir)
        return state
    loss = problem.loss or configured_loss(problem.logits, config)
    options = (config, task.mixing, plan, layout, len(task.classifier.class_names), problem.factors)
    train_step = configured_step(loss, task.classifier, *options)
    return run_loop(
        state,
        train_step,
        problem,
        plan,
        layout.mesh,
        log,
        start_step=start_step,
        validate=validate,
        saving=saving,
        finish=_finish(task),
    )


def _optimizer(task: Task, problem: Problem) -> optax.GradientTransformation:
    return make_optimizer(task.config, task.plan, problem.factors)


def _finish(task: Task) -> Callable[[TrainState], TrainState] | None:
    """Return what replaces the last weights by their average; None where there is none."""
    decay = task.config.options.ema_decay
    if decay is None:
        return None

    def finish(state: TrainState) -> TrainState:
        logger.info("the average over the steps is the result")
        if task.config.recipe != "lp_ft":  # which starts from another head than theta_0's
            logger.info(
                "the usual average, with its bias towards the start, is the merged model at"
                " alpha = %.4f",
                usual_average_alpha(decay, task.plan.total_steps),
            )
        average = find_average(state.opt)
        copies = jax.tree_util.tree_map(jnp.copy, average)  # the state's own is donated
        return TrainState(state.step, copies, state.opt)

    return finish


def _make_validate(
    problem: Problem,
    validation: Dataset | None,
    evaluate: Callable[[Params], float] | None,
    layout: Layout,
) -> Callable[[Params], float] | None:
    """Return trained parameters on the devices -> validation accuracy; None if there is no way."""
    if evaluate is not None:
        return lambda params: float(evaluate(problem.theta(to_host(params))))
    if validation is None:
        return None
    mesh = layout.mesh
    counter = make_hit_counter(problem.logits, mesh)
    prepare = jax.jit(problem.evaluated)

    def validate(params: Params) -> float:
        params = prepare(params)
        with contextlib.closing(problem.eval_batches(validation)) as batches:
            counts = [counter(params, put_batch(device_batch(batch), mesh)) for batch in batches]
        hits, n = np.sum(np.asarray(jax.device_get(counts), np.int64), axis=0)
        return Accuracy(int(hits), int(n)).compute()

    return validate


def _check_inputs(
    classifier: Classifier,
    theta_0: Params,
    train: Dataset,
    validation: Dataset | None,
    config: TrainConfig,
) -> None:
    """Refuse parameters and labels that don't belong to the classifier."""
    names = classifier.class_names
    parts = {"encoder", "text" if config.recipe in TWO_TOWER_RECIPES else "head"}
    if not isinstance(theta_0, dict) or {*theta_0} != parts:
        keys = sorted(theta_0) if isinstance(theta_0, dict) else type(theta_0).__name__
        raise InputError(
            f"theta_0: expected the keys {' and '.join(sorted(parts))} for training.recipe"
            f" {config.recipe}, found {keys}"
        )
    outputs = np.shape(theta_0["head"]["kernel"])[-1] if "head" in theta_0 else len(names)
    if outputs != len(names):
        raise InputError(
            f"theta_0: head/kernel has {outputs} outputs, the classifier {len(names)} classes"
        )
    if config.recipe == "contrastive":  # its classes are captions
        check_matches(train, train.class_names, all_labelled=True)
    else:
        check_matches(train, names, all_labelled=True)
    if validation is not None:
        check_matches(validation, names, all_labelled=True)
