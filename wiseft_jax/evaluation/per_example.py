"""Run each image at an alpha of its own, through layers that are linear in their parameters."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int32

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.delta import delta_logits
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, put_batch, round_up_to_devices
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.typing import Params
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.predictions import Predictions


def predictor(
    classifier: Classifier,
    theta_0: Params,
    theta_1: Params,
    dataset: Dataset,
    *,
    batch_size: int = 64,
) -> Callable[[np.ndarray], np.ndarray]:
    """Return ``alphas float[N] -> top1 int32[N]``, image i by the model at ``alphas[i]``.

    Args:
      classifier: The model as a function of its parameters.
      theta_0: The parameters at alpha = 0.
      theta_1: Those at alpha = 1.
      dataset: N images that can all be read (``readable`` leaves out those that a sweep skipped).
      batch_size: Images a batch; rounded up to a multiple of the device count.

    Example:
      >>> dawin = predictor(classifier, theta_0, theta_1, readable(sketch, predictions["sketch"]))
      >>> benchmark_rules(predictions, predict_at={"sketch": dawin})
    """
    layout = Layout.of(None)
    size = round_up_to_devices(min(batch_size, max(1, len(dataset))), layout.mesh)
    step = jax.jit(
        lambda theta_0, theta_1, alphas, images: jnp.argmax(
            delta_logits(classifier, theta_0, theta_1, alphas, images), axis=-1
        )
    )
    ends = layout.place(theta_0), layout.place(theta_1)

    def predict(alphas: Float[np.ndarray, " N"]) -> Int32[np.ndarray, " N"]:
        if len(alphas) != len(dataset):
            raise InputError(
                f"{dataset.name}: {len(alphas)} alphas for {len(dataset)} images; leave out those"
                " that can't be read (per_example.readable)"
            )
        top1 = np.full(len(dataset), -1, np.int32)
        batches = eval_batches(dataset, classifier.preprocess, batch_size=size)
        with batches, progress_bar(dataset.name, len(dataset)) as advance:
            for batch in batches:
                mask, index = batch["mask"], batch["index"]
                own = np.zeros(size, np.float32)
                own[mask] = alphas[index[mask]]
                on_devices = put_batch({"image": batch["image"], "alpha": own}, layout.mesh)
                found = np.asarray(step(*ends, on_devices["alpha"], on_devices["image"]))
                top1[index[mask]] = found[mask]
                advance(int(np.sum(index >= 0)))
        return top1

    return predict


def readable(dataset: Dataset, predictions: Predictions) -> Dataset:
    """Return the images of ``dataset`` that ``predictions`` are of, in their order.

    Raises:
      InputError: If an image of the predictions isn't in the dataset.
    """
    places = {dataset.id(position): position for position in range(len(dataset))}
    lost = [name for name in predictions.ids if name not in places]
    if lost:
        raise InputError(f"{dataset.name}: no image {lost[0]!r}, which was predicted")
    return dataset.subset(np.array([places[name] for name in predictions.ids], np.int64))
