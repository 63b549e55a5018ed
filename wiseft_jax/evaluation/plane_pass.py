"""Loss and answers at many points of the plane through three models: one compiled step."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float32, Float64

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, put_batch, replicated, round_up_to_devices
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.typing import Params
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.engine import compiler_options
from wiseft_jax.evaluation.evaluator import check_dataset
from wiseft_jax.weights.plane import at_point, nesting


@dataclasses.dataclass(frozen=True)
class PlaneOutputs:
    """What the models at P points make of N labelled images.

    Attributes:
      loss: The cross-entropy with the label, in nats.
      correct: Whether the largest logit is the label's, or one that counts as right too.
      ids: The images, in the dataset's order.
      skipped: ``"id: reason"`` of images that could not be read.
    """

    loss: Float32[np.ndarray, "P N"]
    correct: Bool[np.ndarray, "P N"]
    ids: tuple[str, ...]
    skipped: tuple[str, ...]


def evaluate_points(
    classifier: Classifier,
    thetas: tuple[Params, Params, Params],
    weights: Float64[np.ndarray, "P 3"],
    dataset: Dataset,
    *,
    batch_size: int = 64,
    num_threads: int = 16,
) -> PlaneOutputs:
    """Return loss and answers of ``sum_k w_k theta_k`` for each row of weights.

    Each image is read and moved once; the loop over points is inside the step, so that beside the
    three models one merged one is in memory. Two towers make their head at each point.

    Args:
      classifier: What the three models are parameters of.
      thetas: The models, in the tower's layout.
      weights: Shares of the models; rows sum to 1.
      dataset: The images; those without a label are left out.
      batch_size: Images a batch; rounded up to a multiple of the device count.
      num_threads: Decoding threads.

    Raises:
      InputError: No image has a label; labels count other classes than the classifier, or classes
        of the set's own; a loss isn't finite (names the point).
      BadImageError: If an image can't be read and ``dataset.on_bad_image`` is ``"stop"``.
    """
    check_dataset(classifier, dataset)
    if dataset.projection is not None:
        raise InputError(
            f"{dataset.name}: its classes are mapped from the classifier's, and the loss of such a"
            " set isn't defined by its logits; name another set for the plane"
        )
    layout = Layout.of(None)
    size = round_up_to_devices(min(batch_size, len(dataset)), layout.mesh)
    step = _compiled(classifier, layout)
    placed = tuple(layout.place(theta) for theta in thetas)
    points = nesting(weights)
    parts, read = [], []
    batches = eval_batches(dataset, classifier.preprocess, batch_size=size, num_threads=num_threads)
    with batches, progress_bar(f"plane on {dataset.name}", len(dataset)) as advance:
        for batch in batches:
            on_devices = put_batch({name: batch[name] for name in ("image", "label")}, layout.mesh)
            outputs = jax.device_get(step(placed, points, on_devices))
            counts = batch["mask"] & (batch["label"] >= 0)
            parts.append([each[:, counts] for each in outputs])
            read.append(batch["index"][counts])
            advance(int(np.sum(batch["index"] >= 0)))
    positions = np.concatenate(read)
    if len(positions) == 0:
        raise InputError(f"{dataset.name}: none of its labelled images can be read")
    loss, top1 = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
    if not np.isfinite(loss).all():
        row = int(np.argwhere(~np.isfinite(loss))[0, 0])
        shares = ", ".join(f"{share:.3g}" for share in weights[row])
        raise InputError(
            f"the model with shares {shares} has a loss that isn't finite on {dataset.name}; leave"
            " less margin around the models"
        )
    correct = dataset.as_labelled(top1, positions) == dataset.labels[positions][None]
    ids = tuple(dataset.id(int(position)) for position in positions)
    return PlaneOutputs(loss, correct, ids, tuple(batches.skipped))


def _compiled(classifier: Classifier, layout: Layout) -> Any:
    """Return ``step(thetas, (last, inner, outer), batch) -> (loss [P, B], top1 [P, B])``."""

    def step(thetas: Any, points: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        labels = jnp.maximum(batch["label"], 0)  # what has none is left out on the host

        def one(point: Any) -> tuple[Any, Any]:
            logits = classifier.logits(at_point(thetas, *point), batch["image"])
            logs = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
            loss = -jnp.take_along_axis(logs, labels[:, None], axis=-1)[:, 0]
            return loss, jnp.argmax(logits, axis=-1).astype(jnp.int32)

        return jax.lax.map(one, points)

    return jax.jit(
        step, out_shardings=replicated(layout.mesh), compiler_options=compiler_options(layout)
    )
