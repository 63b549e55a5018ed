"""Run a function of images over a dataset that needs no labels: logits or features, in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, put_batch, round_up_to_devices
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.typing import Params
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What a function gave for the images of a dataset.

    Attributes:
      values: float32[N, F], one row for each image that could be read.
      ids: The N ids, in the dataset's order.
      skipped: The ids of images that could not be read.
    """

    values: Float[np.ndarray, "N F"]
    ids: tuple[str, ...]
    skipped: tuple[str, ...]


def apply_to_images(
    function: Callable[[Params, Any], Any],
    params: Params,
    dataset: Dataset,
    preprocess: Preprocess,
    *,
    batch_size: int = 64,
    description: str = "images",
) -> Outputs:
    """Return ``function(params, images)`` for every image of ``dataset``.

    Args:
      function: ``(params, uint8[B, S, S, 3]) -> float[B, F]``; compiled once.
      params: Its parameters; copied to every device.
      dataset: The images; labels are not read.
      preprocess: How the images are prepared.
      batch_size: Images a batch; rounded up to a multiple of the device count.
      description: What the progress bar says.

    Raises:
      InputError: If there is no image, or none can be read.
      BadImageError: If an image can't be read and ``dataset.on_bad_image`` is ``"stop"``.
    """
    layout = Layout.of(None)
    mesh = layout.mesh
    size = round_up_to_devices(min(batch_size, len(dataset)), mesh)
    compiled = jax.jit(function)
    on_device = layout.place(params)
    values, read = [], []
    batches = eval_batches(dataset, preprocess, batch_size=size)
    with batches, progress_bar(description, len(dataset)) as advance:
        for batch in batches:
            outputs = np.asarray(compiled(on_device, put_batch(batch["image"], mesh)), np.float32)
            values.append(outputs[batch["mask"]])
            read.append(batch["index"][batch["mask"]])
            advance(int(np.sum(batch["index"] >= 0)))
    positions = np.concatenate(read)
    if len(positions) == 0:
        raise InputError(f"{dataset.name}: none of its {len(dataset)} images can be read")
    left_out = sorted(set(range(len(dataset))) - set(positions.tolist()))
    return Outputs(
        np.concatenate(values),
        tuple(dataset.id(int(position)) for position in positions),
        tuple(dataset.id(position) for position in left_out),
    )
