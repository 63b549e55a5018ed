"""The real train step of a configuration, over shapes in place of arrays."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from wiseft_jax.clip.classifier import Classifier, head_logits
from wiseft_jax.core.mesh import Layout, batch_sharding, num_batch_shards
from wiseft_jax.core.typing import Params, PyTree
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.training.config import Plan
from wiseft_jax.training.configured_step import configured_loss, configured_step
from wiseft_jax.training.losses import cross_entropy
from wiseft_jax.training.optimizer import make_optimizer
from wiseft_jax.training.rates import learning_rate_factors
from wiseft_jax.training.state import abstract_state


@dataclasses.dataclass(frozen=True)
class Job:
    """What a configuration makes of a model, a number of images, and devices.

    Attributes:
      config: How to run.
      classifier: Its functions; there are no parameters.
      theta: The classifier's tree as ``jax.ShapeDtypeStruct``.
      num_images: Size of the training set.
      layout: Devices, which need not exist.
      platform: What they are: virtual CPUs may stand for GPUs.
    """

    config: ExperimentConfig
    classifier: Classifier
    theta: Params
    num_images: int
    layout: Layout
    platform: str

    @property
    def plan(self) -> Plan:
        """The steps of the fine-tuning; its adjustments are logged."""
        shards = num_batch_shards(self.layout.for_training().mesh)
        return self.config.training.plan(self.num_images, shards)

    @property
    def trained(self) -> Params:
        """The parameters that the recipe trains."""
        return self.theta if self.sees_images else self.theta["head"]

    @property
    def sees_images(self) -> bool:
        """Whether a step takes images, and not features."""
        return self.config.training.recipe != "linear_probe"

    @property
    def factors(self) -> PyTree | None:
        """The factors on the learning rate of what is trained; see ``learning_rate_factors``."""
        if not self.sees_images:
            return None
        return learning_rate_factors(self.classifier.tower, self.theta, self.config.training)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """The optimizer of what is trained."""
        return make_optimizer(self.config.training, self.plan, self.factors)

    def logits(self, params: Params, batch: dict[str, Any]) -> Any:
        """Return the logits of a training batch, as the recipe computes them."""
        if self.sees_images:
            return self.classifier.logits(params, batch["image"])
        return head_logits(params, batch["features"])

    def batch(self, size: int, sharding: Any) -> dict[str, jax.ShapeDtypeStruct]:
        """Return the shapes of a training batch.

        Args:
          size: Images.
          sharding: How its first axis lies on the devices; None: not said.
        """
        pixels = self.classifier.preprocess.size
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {
            "label": ((size,), jnp.int32),
            "mask": ((size,), jnp.bool_),
        }
        if self.sees_images:
            shapes["image"] = ((size, pixels, pixels, 3), jnp.uint8)
        else:
            width = self.theta["head"]["kernel"].shape[0]
            shapes["features"] = ((size, width), jnp.float32)
        return {
            name: jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)
            for name, (shape, dtype) in shapes.items()
        }

    def loss(self, params: Params, batch: dict[str, Any]) -> Any:
        """Return the loss of a batch, as the train step computes it."""
        logits = self.logits(params, batch)
        smoothing = self.config.training.label_smoothing
        return cross_entropy(logits, batch["label"], smoothing, batch["mask"])


def trace_train_step(job: Job) -> Any:
    """Return the trace of the program's own train step; ``.jaxpr``, ``.lower()`` go on from it."""
    plan, layout = job.plan, job.layout.for_training()
    config = job.config.training
    num_classes = job.theta["head"]["kernel"].shape[1]
    loss = configured_loss(job.logits, config)
    options = (config, job.config.mixing, plan, layout, num_classes, job.factors)
    step = configured_step(loss, job.classifier, *options)
    state = abstract_state(job.trained, job.optimizer, layout)
    return step.trace(state, job.batch(plan.batch_size, batch_sharding(layout.mesh)))


def with_shardings(tree: PyTree, layout: Layout) -> PyTree:
    """Return shapes with the shardings that a layout gives parameters."""
    return jax.tree_util.tree_map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        tree,
        layout.shardings(tree),
    )
