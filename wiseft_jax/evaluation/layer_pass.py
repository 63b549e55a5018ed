"""The features of every layer, of several models, on a few images: each image is read once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float32

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.layer_features import FEATURES, layer_features, layer_names
from wiseft_jax.clip.towers import check_image_size, l2_normalise, normalise_pixels
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, put_batch, round_up_to_devices
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.typing import Params
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset

_TOLERANCE = 1e-4
"""Of numbers of unit vectors, in float32."""


@dataclasses.dataclass(frozen=True)
class LayerOutputs:
    """What several models made of some images.

    Attributes:
      models: Of each model layer -> float32[N, D], one row for each image that could be read.
      ids: The N ids, in the dataset's order.
      skipped: ``"id: reason"`` of images that could not be read.
    """

    models: tuple[dict[str, Float32[np.ndarray, "N _"]], ...]
    ids: tuple[str, ...]
    skipped: tuple[str, ...]


def extract_layers(
    classifier: Classifier,
    thetas: Sequence[Params],
    dataset: Dataset,
    *,
    batch_size: int = 64,
    num_threads: int = 16,
) -> LayerOutputs:
    """Return the features of every layer, from one compiled step for all models.

    Args:
      classifier: What all of them are parameters of; a CLIP with a vision transformer.
      thetas: The models' parameters, in the tower's layout; of these ``encoder`` is read.
      dataset: The images; labels are not read.
      batch_size: Images a batch; rounded up to a multiple of the device count.
      num_threads: Decoding threads.

    Returns:
      In float32, whatever the tower's dtype.

    Raises:
      InputError: If the model has no such layers, or no image can be read.
      BadImageError: If an image can't be read and ``dataset.on_bad_image`` is ``"stop"``.
      RuntimeError: If what the layers end in isn't what the classifier gives: an internal error.
    """
    names = layer_names(classifier.tower)  # a compiled function sorts the keys
    layout = Layout.of(None)
    size = round_up_to_devices(max(1, min(batch_size, len(dataset))), layout.mesh)
    preprocess = classifier.preprocess

    def every_layer(encoder: Params, images: Any) -> dict[str, Any]:
        check_image_size(images, preprocess, classifier.source)
        return layer_features(classifier.tower, encoder, normalise_pixels(images, preprocess))

    step = jax.jit(every_layer)
    encoders = [layout.place(theta["encoder"]) for theta in thetas]
    found: list[list[dict[str, np.ndarray]]] = [[] for _ in thetas]
    read = []
    batches = eval_batches(dataset, preprocess, batch_size=size, num_threads=num_threads)
    with batches, progress_bar(f"layers on {dataset.name}", len(dataset)) as advance:
        for batch in batches:
            images = put_batch(batch["image"], layout.mesh)
            if not read:
                _check_end(classifier, step, encoders, images)
            for parts, encoder in zip(found, encoders, strict=True):
                outputs = jax.device_get(step(encoder, images))
                parts.append({name: each[batch["mask"]] for name, each in outputs.items()})
            read.append(batch["index"][batch["mask"]])
            advance(int(np.sum(batch["index"] >= 0)))
    positions = np.concatenate(read)
    if len(positions) == 0:
        raise InputError(f"{dataset.name}: none of its {len(dataset)} images can be read")
    return LayerOutputs(
        tuple(
            {name: np.concatenate([part[name] for part in parts]) for name in names}
            for parts in found
        ),
        tuple(dataset.id(int(position)) for position in positions),
        tuple(batches.skipped),
    )


def _check_end(classifier: Classifier, step: Any, encoders: Sequence[Any], images: Any) -> None:
    """Raise unless the last layer is what the classifier's own head multiplies, in float32."""
    plain = dataclasses.replace(classifier, tower=classifier.tower.with_dtype("float32"))

    def expected(encoder: Params, images: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            return l2_normalise(plain.features({"encoder": encoder}, images))

    compiled = jax.jit(expected)
    for encoder in encoders:
        wanted = np.asarray(compiled(encoder, images))
        found = np.asarray(step(encoder, images)[FEATURES])
        # NaN where both are: a black image of the padding may have no direction.
        if not np.allclose(found, wanted, rtol=0, atol=_TOLERANCE, equal_nan=True):
            raise RuntimeError(
                "the features of the last layer differ from the classifier's by up to"
                f" {np.nanmax(np.abs(found - wanted)):.2g}; expected at most {_TOLERANCE:g}"
            )
