"""Learn a coefficient a group of parameters, on validation data or on unlabelled images."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.distributed import assert_same
from wiseft_jax.core.errors import InputError, NonFiniteLossError, unknown_name
from wiseft_jax.core.mesh import (
    Layout,
    process_share,
    put_batch,
    replicated,
    round_up_to_devices,
    to_host,
)
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.typing import Params
from wiseft_jax.data.pipeline import Batches, eval_batches
from wiseft_jax.data.source import Dataset, check_matches
from wiseft_jax.training.learn_config import LearnAlphasConfig
from wiseft_jax.training.objectives import OBJECTIVES, ObjectiveSpec
from wiseft_jax.training.schedule import warmup_cosine
from wiseft_jax.weights.coefficients import Coefficients, coefficient_gradient, lerp_groups

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedAlphas:
    """Learned coefficients, the mixture they make, and how they were found.

    Attributes:
      coefficients: One a group, host values.
      theta: The mixture, host arrays in the tower's layout.
      history: A record of each update: ``step`` (how many are complete after it), ``epoch``,
        ``loss`` (the objective before it, penalty left out) and ``grad_norm``.
      dataset: What was fitted on; no accuracy on it is worth reporting.
      config: How.
    """

    coefficients: Coefficients
    theta: Params
    history: tuple[dict[str, float], ...]
    dataset: Dataset
    config: LearnAlphasConfig

    @property
    def held_out(self) -> bool:
        """Whether only a validation set of the reference was seen."""
        return is_held_out(self.dataset)

    def facts(self) -> dict[str, Any]:
        """Return everything but the parameters as plain JSON values."""
        return {
            "coefficients": self.coefficients.as_dict(),
            "config": dataclasses.asdict(self.config),
            "dataset": self.dataset.name,
            "split": self.dataset.split,
            "role": self.dataset.role,
            "n": len(self.dataset),
            "held_out": self.held_out,
            "history": list(self.history),
        }


def learn_alphas(
    classifier: Classifier,
    theta_0: Params,
    theta_1: Params,
    dataset: Dataset,
    config: LearnAlphasConfig,
    *,
    mesh: Layout | Mesh | MeshConfig | None = None,
    num_threads: int = 16,
) -> LearnedAlphas:
    """Return the coefficients that minimise the configured objective on ``dataset``.

    Adam on one number a group; the ends stay as they are. A step costs one forward and backward
    pass, whatever the number of groups. Images are prepared as for evaluation. Yang et al. 2024,
    "AdaMerging" (arXiv 2310.02575), section 3.3, with the ends in the place of several task
    vectors.

    Args:
      classifier: The model as a function of its parameters.
      theta_0: The parameters at 0.
      theta_1: The parameters at 1.
      dataset: What to fit on. Without its name in ``config.fit_on`` only a validation set of the
        reference is taken; ``data.splits.halves`` leaves other examples to report on.
      config: What is fitted, and how.
      mesh: The devices, and how parameters are split over them; all devices by default.
      num_threads: Decoding threads.

    Returns:
      The coefficients after the last step, and what they make.

    Raises:
      InputError: If the dataset is none to fit on unasked, or its labels don't fit.
      NonFiniteLossError: If the objective or its gradient becomes NaN or infinite.

    Example:
      >>> learned = learn_alphas(classifier, theta_0, theta_1, validation)
      >>> learned.coefficients.as_dict()
      {'embedding': 0.41, 'block_0': 0.55, 'projection': 0.62, 'head': 0.7}
    """
    check_may_fit(dataset, config)
    objective = OBJECTIVES[config.objective]
    check_matches(dataset, classifier.class_names, all_labelled=objective.needs_labels)
    assert_same({"learn": dataclasses.asdict(config)})
    layout = Layout.of(mesh).for_training()
    batch_size = round_up_to_devices(config.batch_size, layout.mesh)
    a_pass = -(-len(dataset) // batch_size)
    steps = config.epochs * (a_pass if config.step_every == "batch" else 1)
    optimizer = optax.adam(warmup_cosine(config.learning_rate, 0, steps))
    start = Coefficients.full(theta_0, config.granularity, config.init_alpha)
    logger.info(
        "learning %d coefficients (%s) by %s on %d images of %s: %d steps, batches of %d",
        len(start.names),
        config.granularity,
        objective.summary,
        len(dataset),
        dataset.name,
        steps,
        batch_size,
    )
    ends = layout.place(theta_0), layout.place(theta_1)
    fit = _Fit(
        ends,
        jax.device_put(start, replicated(layout.mesh)),
        optimizer,
        _make_gradient(classifier, objective, layout),
        _make_update(optimizer, config),
        per_batch=config.step_every == "batch",
    )
    with progress_bar("learning alphas", config.epochs * len(dataset)) as advance:
        for epoch in range(config.epochs):
            with _batches(
                dataset, classifier, config, epoch, batch_size, layout, num_threads
            ) as batches:
                for batch in batches:
                    fit.add(put_batch(objective.batch(batch), layout.mesh))
                    advance(int(np.sum(batch["index"] >= 0)))
            fit.end_epoch(epoch + 1, config.epochs)
    mixed = jax.jit(lerp_groups, out_shardings=layout.shardings(theta_0))
    theta = to_host(mixed(*ends, fit.coefficients))
    return LearnedAlphas(to_host(fit.coefficients), theta, tuple(fit.history), dataset, config)


def is_held_out(dataset: Dataset) -> bool:
    """Return whether fitting on a dataset spoils nothing that is reported on."""
    return (dataset.split, dataset.role) == ("validation", "reference")


def check_may_fit(dataset: Dataset, config: LearnAlphasConfig) -> None:
    """Refuse a dataset that would be reported on, unless it is named; say so if it is.

    Raises:
      InputError: If it is no validation set of the reference and ``fit_on`` doesn't name it, or if
        ``fit_on`` names another one, or if it is empty.
    """
    if len(dataset) == 0:
        raise InputError(f"{dataset.name}: there are no images in it")
    if config.fit_on is not None and config.fit_on != dataset.name:
        raise unknown_name("dataset to fit on", config.fit_on, [dataset.name])
    if is_held_out(dataset):
        return
    if config.fit_on is None:
        raise InputError(
            f"{dataset.name} is a {dataset.split} set ({dataset.role}): coefficients are fitted on"
            " a validation set of the reference, since accuracies on what they were fitted on are"
            " optimistic; name it with learning.fit_on (--fit-on NAME) if you mean to, and report"
            " on other examples"
        )
    logger.warning(
        "coefficients are fitted ON %s (%s, %s; %s): accuracies on these %d images are optimistic",
        dataset.name,
        dataset.split,
        dataset.role,
        OBJECTIVES[config.objective].summary,
        len(dataset),
    )


class _Fit:
    """What changes from update to update; metrics are read once an epoch."""

    def __init__(
        self,
        ends: tuple[Params, Params],
        coefficients: Coefficients,
        optimizer: optax.GradientTransformation,
        gradient: Callable[..., dict[str, Any]],
        update: Callable[..., tuple[Coefficients, Any, dict[str, Any]]],
        *,
        per_batch: bool,
    ) -> None:
        self.coefficients = coefficients
        self.history: list[dict[str, float]] = []
        self._ends = ends
        self._opt = jax.jit(optimizer.init)(coefficients.values)
        self._gradient = gradient
        self._update = update
        self._per_batch = per_batch
        self._sums: dict[str, Any] | None = None
        self._pending: list[dict[str, Any]] = []

    def add(self, batch: dict[str, Any]) -> None:
        """Take a batch on the devices: a step, or a part of the epoch's."""
        found = self._gradient(*self._ends, self.coefficients, batch)
        if self._sums is not None:
            found = jax.tree_util.tree_map(jnp.add, self._sums, found)
        self._sums = found
        if self._per_batch:
            self._step()

    def _step(self) -> None:
        self.coefficients, self._opt, metrics = self._update(
            self.coefficients, self._opt, self._sums
        )
        self._sums = None
        self._pending.append(metrics)

    def end_epoch(self, epoch: int, epochs: int) -> None:
        """Do the epoch's step if it is still to do, wait, and say where the coefficients are."""
        if self._sums is not None:
            self._step()
        found = jax.device_get(self._pending)
        self._pending = []
        total = count = 0.0
        for metrics in found:
            record = {name: float(metrics[name]) for name in ("loss", "grad_norm")}
            step = len(self.history) + 1
            if not all(map(np.isfinite, record.values())):
                raise NonFiniteLossError(
                    f"step {step} of learning coefficients: objective {record['loss']}, gradient"
                    f" norm {record['grad_norm']}; are both ends finite, and is there a loss"
                    " barrier between them? Compute in float32, or a smaller learning.learning_rate"
                )
            self.history.append({"step": step, "epoch": epoch, **record})
            total += record["loss"] * int(metrics["count"])
            count += int(metrics["count"])
        values = np.asarray(self.coefficients.values)
        logger.info(
            "epoch %d of %d: objective %.5f, coefficients %.3f to %.3f, mean %.3f",
            epoch,
            epochs,
            total / max(count, 1.0),
            values.min(),
            values.max(),
            values.mean(),
        )


def _make_gradient(
    classifier: Classifier, objective: ObjectiveSpec, layout: Layout
) -> Callable[..., dict[str, Any]]:
    """Return the compiled sums over a batch: objective, examples, gradient by coefficient."""

    def gradient(
        theta_0: Params, theta_1: Params, coefficients: Coefficients, batch: dict[str, Any]
    ) -> dict[str, Any]:
        (total, count), slope = coefficient_gradient(
            lambda theta: objective.summed(classifier, layout, theta, batch),
            theta_0,
            theta_1,
            coefficients,
            has_aux=True,
        )
        return {"total": total, "count": count, "slope": slope.values}

    return jax.jit(gradient, out_shardings=replicated(layout.mesh))


def _make_update(
    optimizer: optax.GradientTransformation, config: LearnAlphasConfig
) -> Callable[..., tuple[Coefficients, Any, dict[str, Any]]]:
    """Return the compiled Adam step on the mean over the examples that were summed."""

    def update(
        coefficients: Coefficients, opt: Any, sums: dict[str, Any]
    ) -> tuple[Coefficients, Any, dict[str, Any]]:
        values, count = coefficients.values, jnp.maximum(sums["count"], 1)
        pull = 2 * config.penalty * (values - config.init_alpha) / values.shape[0]
        slope = sums["slope"] / count + pull
        updates, opt = optimizer.update(slope, opt, values)
        values = jnp.asarray(optax.apply_updates(values, updates))
        if config.clip:
            values = jnp.clip(values, 0.0, 1.0)
        metrics = {
            "loss": sums["total"] / count,
            "grad_norm": jnp.linalg.norm(slope),
            "count": sums["count"],
        }
        return dataclasses.replace(coefficients, values=values), opt, metrics

    return jax.jit(update)


def _batches(
    dataset: Dataset,
    classifier: Classifier,
    config: LearnAlphasConfig,
    epoch: int,
    batch_size: int,
    layout: Layout,
    num_threads: int,
) -> Batches:
    """Return each image once, prepared as for evaluation; in random order for minibatches."""
    if config.step_every == "batch":
        order = numpy_stream(config.seed, "learn_alphas", epoch).permutation(len(dataset))
        dataset = dataset.subset(order)
    return eval_batches(
        dataset,
        classifier.preprocess,
        batch_size=batch_size,
        num_threads=num_threads,
        **process_share(layout.mesh),
    )
