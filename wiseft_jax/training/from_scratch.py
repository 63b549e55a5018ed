"""A ResNet trained from random, or given, weights: batch statistics beside the parameters."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from wiseft_jax.clip.resnet import ResNet
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, num_batch_shards, process_share, to_host
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.trees import count_parameters
from wiseft_jax.core.typing import Params, PyTree
from wiseft_jax.data.pipeline import train_batches
from wiseft_jax.data.source import Dataset, check_matches
from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.training.config import Plan, TrainConfig, check_mixed_batch
from wiseft_jax.training.log import TrainLog
from wiseft_jax.training.loop import run_loop
from wiseft_jax.training.mixed_batch import make_mix
from wiseft_jax.training.optimizer import make_optimizer, make_schedule
from wiseft_jax.training.options import TrainOptions
from wiseft_jax.training.problem import Problem
from wiseft_jax.training.sgd import make_sgd, make_sgd_schedule
from wiseft_jax.training.sgd_config import SgdConfig
from wiseft_jax.training.state import TrainState, init_state
from wiseft_jax.training.step import loss_of_logits, take_step

logger = logging.getLogger(__name__)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ScratchState(TrainState):
    """The state of a run; a pytree, donated to every step.

    Attributes:
      batch_stats: Running means and variances.
      seed: uint32[], the root seed, of which mixing draws.
    """

    batch_stats: PyTree
    seed: PyTree


def train_from_scratch(
    resnet: ResNet,
    train: Dataset,
    config: TrainConfig,
    *,
    mixing: MixingConfig = MixingConfig(),
    mesh: Layout | Mesh | MeshConfig | None = None,
    num_threads: int = 16,
    class_names: tuple[str, ...] = (),
    start: Params | None = None,
    sgd: SgdConfig | None = None,
) -> Params:
    """Return the variables of a ResNet trained on ``train`` from random weights, or from ``start``.

    Batches, crops, mixing, optimizer (AdamW, a cosine after a warm-up; or ``sgd``) and plan are
    those of fine-tuning with the same configuration; initial weights, order and draws are decided
    by ``config.seed``. Nothing is saved in between: it is for small models.

    Args:
      resnet: The model.
      train: Labelled images.
      config: How; validation has no meaning here, and ``recipe``, ``accumulation_steps`` and
        ``options`` are the default ones.
      mixing: How images are mixed.
      mesh: The devices; all devices by default, each with all parameters.
      num_threads: Decoding threads.
      class_names: The classifier's classes; the training set's own by default.
      start: Variables to begin with, such as published ones (``clip.resnet.with_new_head`` gives
        them a head of other classes); random ones of ``config.seed`` by default.
      sgd: SGD, its drops of the learning rate and its weight decay, in place of AdamW's.

    Returns:
      ``{"params", "batch_stats"}``, float32 host arrays.

    Raises:
      InputError: If the data or ``start`` don't fit, or ``config`` asks for what isn't read here.
      NonFiniteLossError: If the loss or the gradient becomes NaN or infinite.

    Example:
      >>> resnet = make_resnet(10, preprocess)
      >>> variables = train_from_scratch(resnet, train, config, mixing=MixingConfig("smoothmix"))
    """
    _check_read(config)
    check_matches(train, class_names or train.class_names, all_labelled=True)
    layout = Layout.of(mesh).for_training()
    plan = config.plan(len(train), num_batch_shards(layout.mesh))
    check_mixed_batch(plan, mixing)
    share = process_share(layout.mesh)

    def batches(start_step: int) -> Any:
        return train_batches(
            train,
            resnet.preprocess,
            batch_size=plan.batch_size,
            seed=config.seed,
            start_step=start_step,
            augmentation=config.augmentation,
            num_threads=num_threads,
            num_workers=config.num_workers,
            **share,
        )

    variables = resnet.init(config.seed) if start is None else _checked(start, resnet)
    logger.info(
        "training from %s: %d images, %d steps of %d (%d of warm-up); %s parameters",
        "scratch" if start is None else "given weights",
        plan.num_examples,
        plan.total_steps,
        plan.batch_size,
        0 if sgd else plan.warmup_steps,
        f"{count_parameters(variables['params']):,}",
    )
    problem = Problem(variables["params"], _unused, batches, _unused, lambda params: params)
    step = scratch_step(resnet, dataclasses.replace(config, seed=0), mixing, plan, layout, sgd)
    state = _initial_state(variables, config, plan, layout, sgd)
    log = TrainLog(None, plan, train.id, lambda: "none (a run from scratch keeps none)")
    with contextlib.closing(log):
        what = "from scratch" if start is None else "fine-tuning"
        done: Any = run_loop(state, step, problem, plan, layout.mesh, log, what=what)
    return to_host({"params": done.params, "batch_stats": done.batch_stats})


def _checked(start: Params, resnet: ResNet) -> Params:
    """Return variables to begin with, if their head is one of the classifier's classes."""
    expected = (resnet.module.config.hidden_sizes[-1], resnet.num_classes)
    found = np.shape(start["params"]["head"]["kernel"])
    if found != expected:
        raise InputError(
            f"start: head/kernel: expected {expected}, found {found}; give it a head of these"
            " classes by clip.resnet.with_new_head"
        )
    return start


def _check_read(config: TrainConfig) -> None:
    """Refuse what a run from scratch doesn't read."""
    if config.recipe != "end_to_end" or config.accumulation_steps != 1:
        raise InputError(
            "training from scratch: expected training.recipe end_to_end and"
            f" training.accumulation_steps 1, found {config.recipe} and"
            f" {config.accumulation_steps}"
        )
    if config.options != TrainOptions():
        given = ", ".join(
            field.name
            for field in dataclasses.fields(TrainOptions)
            if getattr(config.options, field.name) != field.default
        )
        raise InputError(
            f"training.options: training from scratch reads none of them; leave out {given}"
        )


@functools.lru_cache(maxsize=8)
def scratch_step(
    resnet: ResNet,
    config: TrainConfig,
    mixing: MixingConfig,
    plan: Plan,
    layout: Layout,
    sgd: SgdConfig | None = None,
) -> Callable[..., Any]:
    """Return the compiled step, shared by runs that differ in their seeds alone.

    Args:
      resnet: The model.
      config: How it is trained; the seed is the state's.
      mixing: How images are mixed.
      plan: The steps of the run.
      layout: The devices.
      sgd: In place of AdamW.

    Returns:
      ``(state, batch) -> (state, metrics)``; metrics as those of ``training.step``.
    """
    optimizer, schedule = _optimizer(config, plan, sgd)

    def loss_fn(params: Params, batch_stats: Params, batch: dict[str, Any]) -> tuple[Any, Any]:
        variables = {"params": params, "batch_stats": batch_stats}
        logits, moved = resnet.train_logits(variables, batch["image"])
        loss, counts = loss_of_logits(logits, batch, config.label_smoothing)
        return loss, (moved, counts)

    def step(state: ScratchState, batch: dict[str, Any]) -> tuple[ScratchState, dict[str, Any]]:
        mix = make_mix(mixing, resnet.preprocess, resnet.num_classes, plan, layout, state.seed)
        mixed = batch if mix is None else mix(state.step, batch)
        gradient = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, (moved, counts)), grads = gradient(state.params, state.batch_stats, mixed)
        params, opt, metrics = take_step(optimizer, schedule, state, loss, counts, grads)
        return ScratchState(state.step + 1, params, opt, moved, state.seed), metrics

    return jax.jit(step, donate_argnums=0)


def _optimizer(config: TrainConfig, plan: Plan, sgd: SgdConfig | None) -> tuple[Any, Any]:
    """Return the optimizer and its schedule."""
    if sgd is None:
        return make_optimizer(config, plan), make_schedule(config, plan)
    return make_sgd(config, sgd, plan), make_sgd_schedule(config, sgd, plan)


def _initial_state(
    variables: Params, config: TrainConfig, plan: Plan, layout: Layout, sgd: SgdConfig | None
) -> Any:
    start = init_state(variables["params"], _optimizer(config, plan, sgd)[0], layout)
    batch_stats = layout.place(variables["batch_stats"])
    seed = layout.place(np.asarray(config.seed, np.uint32))
    return ScratchState(start.step, start.params, start.opt, batch_stats, seed)


def _unused(*_: Any) -> Any:
    raise AssertionError("a run from scratch has no use for this")
