"""The classifier: image tower, normalisation, linear head; one tree of parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, UInt8

from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.prompts import resolve_templates
from wiseft_jax.clip.tokenize import Tokenizer
from wiseft_jax.clip.towers import (
    TEXT_KEYS,
    VISION_KEYS,
    Tower,
    check_image_size,
    l2_normalise,
    normalise_pixels,
)
from wiseft_jax.clip.zero_shot import check_class_names, zero_shot_head
from wiseft_jax.core.gathering import gather, keep_rows
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.typing import Params


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
    """Functions of ``theta = {"encoder": {...}, "head": {"kernel", "bias"}}``, and fixed facts.

    Everything in ``theta`` is trained and interpolated; nothing else is. A classifier is hashable
    (by identity), so it, or ``classifier.logits``, may be closed over or be static under ``jit``.

    Attributes:
      tower: The image encoder as a function of ``theta["encoder"]``; has the compute dtype.
      class_names: In the order of the labels.
      templates: What the zero-shot head was made from.
      preprocess: How images are prepared.
      clip_config: transformers' ``CLIPConfig``.
      tokenizer: For export, and for other heads.
      source: The name or path of the CLIP.
      frozen: The text tower, its projection and ``logit_scale``: host arrays for export.
    """

    tower: Tower
    class_names: tuple[str, ...]
    templates: tuple[str, ...]
    preprocess: Preprocess
    clip_config: Any
    tokenizer: Tokenizer
    source: str
    frozen: Params

    def features(
        self,
        theta: Params,
        images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    ) -> Float32[Array, "B D"]:
        """Return the projected image features, not L2-normalised.

        Args:
          theta: The parameters; only ``theta["encoder"]`` is read.
          images: RGB in 0..255, ``preprocess.size`` square; normalised by mean and standard
            deviation here, inside the compiled function.
        """
        check_image_size(images, self.preprocess, self.source)
        pixels = normalise_pixels(images, self.preprocess)
        return self.tower.image_features(theta["encoder"], pixels)

    def logits(
        self,
        theta: Params,
        images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    ) -> Float32[Array, "B K"]:
        """Return ``normalise(features) @ kernel + bias``, the head in float32.

        The features are normalised by the encoder that is given, so after a merge.
        """
        return head_logits(theta["head"], self.features(theta, images))


def head_logits(head: Params, features: Float[Array | np.ndarray, "B D"]) -> Float32[Array, "B K"]:
    """Return ``normalise(features) @ kernel + bias`` in full float32 precision on any device.

    Args:
      head: ``{"kernel": [D, K], "bias": [K]}``.
      features: Image features; normalised or not is the same.
    """
    unit = keep_rows(l2_normalise(jnp.asarray(features, jnp.float32)))
    kernel = gather(jnp.asarray(head["kernel"], jnp.float32))
    bias = gather(jnp.asarray(head["bias"], jnp.float32))
    return jnp.matmul(unit, kernel, precision=jax.lax.Precision.HIGHEST) + bias[None]


def zero_shot_classifier(
    clip: Clip,
    class_names: Sequence[str],
    templates: str | Path | Sequence[str] = "simple",
    *,
    repeats: bool = False,
) -> tuple[Classifier, Params]:
    """Return the classifier of a CLIP for some classes, and its zero-shot parameters.

    Args:
      clip: The model.
      class_names: K names, in the order of the labels.
      templates: What ``resolve_templates`` takes.
      repeats: Whether a name may stand for several classes; see ``check_class_names``.

    Returns:
      ``(classifier, theta_0)``; ``theta_0 = {"encoder": {"vision_model", "visual_projection"},
      "head": {"kernel": [D, K], "bias": [K]}}``, float32 host arrays.

    Example:
      >>> classifier, theta_0 = zero_shot_classifier(load_clip("glyphclip"), ["zero", "one"])
      >>> logits = jax.jit(classifier.logits)(theta_0, images)
    """
    names, resolved = check_class_names(class_names, repeats), resolve_templates(templates)
    theta_0 = {
        "encoder": {key: clip.params[key] for key in VISION_KEYS},
        "head": zero_shot_head(clip, names, resolved, repeats=repeats),
    }
    return make_classifier(clip, names, resolved), theta_0


def shaped_classifier(
    clip: Clip,
    class_names: Sequence[str],
    templates: str | Path | Sequence[str] = "simple",
    *,
    repeats: bool = False,
) -> tuple[Classifier, Params]:
    """Return the classifier of a CLIP for some classes, and the shapes of its parameters.

    Args:
      clip: The model.
      class_names: K names, in the order of the labels.
      templates: What ``resolve_templates`` takes.
      repeats: Whether a name may stand for several classes; see ``check_class_names``.

    Returns:
      ``(classifier, theta)``, ``theta`` of ``jax.ShapeDtypeStruct``: no prompt is embedded.
    """
    names, resolved = check_class_names(class_names, repeats), resolve_templates(templates)
    head = head_shapes(clip.config.projection_dim, len(names))
    theta = {"encoder": shapes_of(clip.params, VISION_KEYS), "head": head}
    return make_classifier(clip, names, resolved), theta


def head_shapes(width: int, num_classes: int) -> Params:
    """Return the shapes of a head.

    Args:
      width: D, of the features.
      num_classes: K.
    """
    kernel = jax.ShapeDtypeStruct((width, num_classes), jnp.float32)
    return {"kernel": kernel, "bias": jax.ShapeDtypeStruct((num_classes,), jnp.float32)}


def shapes_of(params: Params, keys: Sequence[str]) -> Params:
    """Return some parts of a CLIP's parameters as ``jax.ShapeDtypeStruct``.

    Args:
      params: Arrays, or shapes.
      keys: ``VISION_KEYS`` or ``TEXT_KEYS``.
    """
    return jax.tree_util.tree_map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype),
        {key: params[key] for key in keys},
    )


def make_classifier(
    clip: Clip, class_names: tuple[str, ...], templates: tuple[str, ...]
) -> Classifier:
    """Return the classifier of a CLIP for some classes, without making a head."""
    return Classifier(**classifier_facts(clip, class_names, templates))


def classifier_facts(
    clip: Clip, class_names: tuple[str, ...], templates: tuple[str, ...]
) -> dict[str, Any]:
    """Return the fields of ``Classifier`` for a CLIP and some classes.

    Args:
      clip: The model.
      class_names: In the order of the labels.
      templates: Resolved.
    """
    return {
        "tower": clip.tower,
        "class_names": class_names,
        "templates": templates,
        "preprocess": clip.preprocess,
        "clip_config": clip.config,
        "tokenizer": clip.tokenizer,
        "source": clip.source,
        "frozen": {key: clip.params[key] for key in TEXT_KEYS},
    }
