"""Image features of a frozen encoder, computed once and cached."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from typing import Any

import jax
import numpy as np
import PIL

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.cache import Cache
from wiseft_jax.core.distributed import gather_json
from wiseft_jax.core.gathering import split_over
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.core.mesh import (
    Layout,
    process_share,
    put_batch,
    replicated,
)
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.trees import hash_tree
from wiseft_jax.core.typing import Params
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset

logger = logging.getLogger(__name__)

_VERSION = 1
"""Of what is stored; a change of how features are computed raises it."""


def encode_dataset(
    classifier: Classifier,
    theta: Params,
    dataset: Dataset,
    layout: Layout,
    *,
    batch_size: int,
    num_threads: int = 16,
    num_workers: int = 0,
) -> dict[str, np.ndarray]:
    """Return the features of a dataset's images under the evaluation transform.

    Args:
      classifier: The model.
      theta: Its parameters; only ``theta["encoder"]`` is used.
      dataset: The images.
      layout: The devices, and how parameters lie on them.
      batch_size: Images at once, a multiple of the device count.
      num_threads: Decoding threads.
      num_workers: Processes that decode.

    Returns:
      ``{"features": float32[N, D], "label": int32[N], "index": int64[N]}``, the features as
      ``classifier.features`` returns them (not normalised), ``index`` the position in the dataset;
      bad images that the dataset skips are left out.
    """
    cache, key = Cache(), _key(classifier, theta, dataset)
    found = cache.load("features", key)
    everywhere = all(gather_json(found is not None))  # or some would wait for the others
    if found is not None and everywhere:
        logger.info("%s: features of %d images from the cache", dataset.name, len(found["index"]))
        return found
    arrays = _encode(classifier, theta, dataset, layout, batch_size, num_threads, num_workers)
    if jax.process_index() == 0:
        cache.store("features", key, arrays)
    return arrays


def _key(classifier: Classifier, theta: Params, dataset: Dataset) -> str:
    """Hash whatever features depend on: weights, architecture, precision, images, transform."""
    architecture = getattr(classifier.clip_config, "vision_config", None)
    facts = {
        "version": _VERSION,
        "pillow": PIL.__version__,
        "encoder": hash_tree(theta["encoder"]),
        "architecture": architecture.to_dict() if architecture is not None else None,
        "tower": classifier.tower.name,
        "dtype": classifier.tower.dtype,
        "dataset": dataset.fingerprint(),
        "on_bad_image": dataset.on_bad_image,
        "preprocess": dataclasses.asdict(classifier.preprocess),
    }
    return hash_json(facts)


def _encode(
    classifier: Classifier,
    theta: Params,
    dataset: Dataset,
    layout: Layout,
    batch_size: int,
    num_threads: int,
    num_workers: int,
) -> dict[str, np.ndarray]:
    def encode(encoder: Params, batch: dict[str, Any]) -> dict[str, Any]:
        with split_over(layout.mesh):
            features = classifier.features({"encoder": encoder}, batch["image"])
        return {
            "features": features,
            **{name: batch[name] for name in ("label", "mask", "index")},
        }

    mesh = layout.mesh
    compiled = jax.jit(encode, out_shardings=replicated(mesh))
    encoder = layout.place(theta["encoder"])
    source = eval_batches(
        dataset,
        classifier.preprocess,
        batch_size=batch_size,
        num_threads=num_threads,
        num_workers=num_workers,
        **process_share(mesh),
    )
    parts = []
    bar = progress_bar(f"features of {dataset.name}", len(dataset))
    with contextlib.closing(source) as batches, bar as advance:
        for batch in batches:
            batch["index"] = batch["index"].astype(np.int32)
            parts.append(compiled(encoder, put_batch(batch, mesh)))
            if len(parts) > 1:
                parts[-2] = jax.device_get(parts[-2])
            advance(batch_size)
    parts = jax.device_get(parts)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    counts = arrays.pop("mask")
    arrays = {name: array[counts] for name, array in arrays.items()}
    order = np.argsort(arrays["index"])
    arrays = {name: array[order] for name, array in arrays.items()}
    return {**arrays, "index": arrays["index"].astype(np.int64)}
