"""The real train step of a configuration, over shapes in place of arrays."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from wiseft_jax.clip.classifier import Classifier, head_logits, head_shapes
from wiseft_jax.clip.two_towers import TwoTowerClassifier
from wiseft_jax.core.mesh import Layout, batch_sharding, num_batch_shards
from wiseft_jax.core.typing import Params, PyTree
from wiseft_jax.evaluation.heads import shapes_with_heads
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.training.config import Plan
from wiseft_jax.training.configured_step import configured_loss, configured_step
from wiseft_jax.training.losses import cross_entropy
from wiseft_jax.training.optimizer import make_optimizer
from wiseft_jax.training.rates import learning_rate_factors
from wiseft_jax.training.state import abstract_state
from wiseft_jax.training.step import LossFn
from wiseft_jax.training.two_towers import paired_loss


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
      caption_tokens: Of a text of a training batch, padding included; None: as many as prompts
        have.
    """

    config: ExperimentConfig
    classifier: Classifier
    theta: Params
    num_images: int
    layout: Layout
    platform: str
    caption_tokens: int | None = None

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
    def trains_text(self) -> bool:
        """Whether a step takes a text for each image, and trains both towers."""
        return isinstance(self.classifier, TwoTowerClassifier)

    @property
    def num_tokens(self) -> int:
        """Tokens of a text of a training batch; 0 where a step takes no texts."""
        if not isinstance(self.classifier, TwoTowerClassifier):
            return 0
        return self.caption_tokens or self.classifier.prompt_ids.shape[1]

    @property
    def num_classes(self) -> int:
        """Width of the logits."""
        if self.trains_text:
            return len(self.classifier.class_names)
        return self.theta["head"]["kernel"].shape[1]

    @property
    def width(self) -> int:
        """D, of the features."""
        return self.classifier.clip_config.projection_dim

    @property
    def swept(self) -> Params:
        """An end of the sweep: with the heads of all alphas where both towers are trained."""
        if not self.trains_text:
            return self.theta
        head = head_shapes(self.width, self.num_classes)
        return shapes_with_heads(self.theta, head, len(self.config.sweep.alphas))

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
            shapes["features"] = ((size, self.width), jnp.float32)
        if self.trains_text:
            shapes |= dict.fromkeys(("ids", "ids_mask"), ((size, self.num_tokens), jnp.int32))
        return {
            name: jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)
            for name, (shape, dtype) in shapes.items()
        }

    def loss(self, params: Params, batch: dict[str, Any]) -> Any:
        """Return the loss of a batch, as the train step computes it."""
        if isinstance(self.classifier, TwoTowerClassifier):
            return self._paired_loss(self.classifier)(params, batch)[0]
        logits = self.logits(params, batch)
        smoothing = self.config.training.label_smoothing
        return cross_entropy(logits, batch["label"], smoothing, batch["mask"])

    def loss_fn(self) -> LossFn:
        """Return what the train step minimises, with its counts."""
        if isinstance(self.classifier, TwoTowerClassifier):
            return self._paired_loss(self.classifier)
        return configured_loss(self.logits, self.config.training)

    def _paired_loss(self, classifier: TwoTowerClassifier) -> LossFn:
        return paired_loss(classifier, self.config.training.recipe)


def trace_train_step(job: Job) -> Any:
    """Return the trace of the program's own train step; ``.jaxpr``, ``.lower()`` go on from it."""
    plan, layout = job.plan, job.layout.for_training()
    config = job.config.training
    options = (config, job.config.mixing, plan, layout, job.num_classes, job.factors)
    step = configured_step(job.loss_fn(), job.classifier, *options)
    state = abstract_state(job.trained, job.optimizer, layout)
    return step.trace(state, job.batch(plan.batch_size, batch_sharding(layout.mesh)))


def with_shardings(tree: PyTree, layout: Layout) -> PyTree:
    """Return shapes with the shardings that a layout gives parameters."""
    return jax.tree_util.tree_map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        tree,
        layout.shardings(tree),
    )
