"""A ResNet classifier whose maps can be read: global average pooling, then one linear head.

He, Zhang, Ren and Sun 2016 (arXiv 1512.03385), by transformers' Flax modules; class activation maps
by Zhou, Khosla, Lapedriza, Oliva and Torralba, "Learning Deep Features for Discriminative
Localization", CVPR 2016 (arXiv 1512.04150).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, UInt8

from wiseft_jax.clip.load import resnet_module
from wiseft_jax.clip.towers import check_image_size, normalise_pixels
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.typing import Params

SMALL: dict[str, Any] = {
    "embedding_size": 16,
    "hidden_sizes": [32, 64],
    "depths": [1, 2],
    "layer_type": "basic",
}
"""For images of 32 x 32 that are enlarged to 64 x 64: 150,000 parameters, maps of 8 x 8."""

Images = UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"]


@dataclasses.dataclass(frozen=True, eq=False)
class ResNet:
    """Functions of ``variables = {"params": {"body", "head"}, "batch_stats"}``, and fixed facts.

    Attributes:
      module: transformers' ``FlaxResNetModule``.
      num_classes: K.
      preprocess: Side, mean and standard deviation of the images that it is given.
      enlarged_to: Side that images are enlarged to first (bilinear): transformers' stem divides
        the sides by four, which of 32 pixels leaves a map of 4 x 4 to look at.
    """

    module: Any
    num_classes: int
    preprocess: Preprocess
    enlarged_to: int

    @functools.cached_property
    def _compiled_init(self) -> Any:
        return jax.jit(self.module.init)

    def init(self, seed: int) -> Params:
        """Return random variables: transformers' initialisation, and a head of zeros."""
        images = jnp.zeros((1, self.enlarged_to, self.enlarged_to, 3), jnp.float32)
        made = self._compiled_init(jax.random.key(seed), images)
        width = self.module.config.hidden_sizes[-1]
        head = {
            "kernel": jnp.zeros((width, self.num_classes), jnp.float32),
            "bias": jnp.zeros(self.num_classes, jnp.float32),
        }
        params = {"body": made["params"], "head": head}
        return jax.device_get({"params": params, "batch_stats": made["batch_stats"]})

    def features_map(self, variables: Params, images: Images) -> Float32[Array, "B h w D"]:
        """Return the last convolution's map; batch normalisation by its running statistics.

        Args:
          variables: The parameters and the running statistics.
          images: RGB in 0..255, ``preprocess.size`` square.
        """
        collections = _collections(variables)
        found = self.module.apply(collections, self._pixels(images), deterministic=True)
        return _channels_last(found)

    def logits(self, variables: Params, images: Images) -> Float32[Array, "B K"]:
        """Return ``mean over the map @ kernel + bias``; arguments as ``features_map``."""
        pooled = jnp.mean(self.features_map(variables, images), axis=(1, 2))
        return _head(variables["params"]["head"], pooled)

    def train_logits(
        self, variables: Params, images: Images
    ) -> tuple[Float32[Array, "B K"], Params]:
        """Return the logits by the batch's own statistics, and the running ones moved to them.

        Args:
          variables: As ``features_map``.
          images: As ``features_map``.

        Returns:
          ``(logits, batch_stats)``: running means and variances, a tenth of the way (momentum 0.9)
          to those of the batch.
        """
        found, changed = self.module.apply(
            _collections(variables),
            self._pixels(images),
            deterministic=False,
            mutable=["batch_stats"],
        )
        pooled = jnp.mean(_channels_last(found), axis=(1, 2))
        return _head(variables["params"]["head"], pooled), changed["batch_stats"]

    def class_activation_map(
        self, variables: Params, images: Images, class_index: Int[Array | np.ndarray, " B"]
    ) -> Float32[Array, "B h w"]:
        """Return ``M_c = sum_k w_k^c A_k`` of a class for each image; may be negative.

        Its mean over the map plus the class's bias is the class's logit, exactly: the map says
        where the logit comes from. Source: Zhou et al. 2016, equation 2.

        Args:
          variables: As ``features_map``.
          images: As ``features_map``.
          class_index: Which class's map, for each image.
        """
        kernel = jnp.asarray(variables["params"]["head"]["kernel"], jnp.float32)
        weights = kernel.T[class_index]
        features = self.features_map(variables, images)
        return jnp.einsum("bhwd,bd->bhw", features, weights, precision=jax.lax.Precision.HIGHEST)

    def _pixels(self, images: Any) -> Any:
        check_image_size(images, self.preprocess, "the ResNet")
        pixels = normalise_pixels(images, self.preprocess)
        shape = (len(images), self.enlarged_to, self.enlarged_to, 3)
        return pixels if pixels.shape == shape else jax.image.resize(pixels, shape, "bilinear")


def make_resnet(
    num_classes: int,
    preprocess: Preprocess,
    settings: Mapping[str, Any] = SMALL,
    enlarged_to: int | None = None,
) -> ResNet:
    """Return a ResNet classifier; ``init`` makes its variables.

    Args:
      num_classes: K.
      preprocess: Of the images that it will be given.
      settings: As ``clip.load.resnet_module``.
      enlarged_to: Side that images are enlarged to first; twice theirs, at least 64, by default.
    """
    size = preprocess.size
    return ResNet(
        resnet_module(settings), num_classes, preprocess, enlarged_to or max(64, 2 * size)
    )


def with_new_head(resnet: ResNet, variables: Params, num_classes: int) -> tuple[ResNet, Params]:
    """Return a classifier of other classes on the same features: its head is zeros, to be trained.

    Args:
      resnet: The classifier.
      variables: Its variables; the body and the running statistics are shared with the result.
      num_classes: K of the new head.
    """
    width = resnet.module.config.hidden_sizes[-1]
    head = {
        "kernel": np.zeros((width, num_classes), np.float32),
        "bias": np.zeros(num_classes, np.float32),
    }
    params = {"body": variables["params"]["body"], "head": head}
    found = {"params": params, "batch_stats": variables["batch_stats"]}
    return dataclasses.replace(resnet, num_classes=num_classes), found


def _collections(variables: Params) -> dict[str, Any]:
    return {"params": variables["params"]["body"], "batch_stats": variables["batch_stats"]}


def _channels_last(found: Any) -> Any:
    """Return the map as [B, h, w, D]: the module takes NHWC and gives NCHW."""
    return jnp.transpose(found.last_hidden_state, (0, 2, 3, 1)).astype(jnp.float32)


def _head(head: Params, pooled: Any) -> Any:
    kernel, bias = (jnp.asarray(head[name], jnp.float32) for name in ("kernel", "bias"))
    return jnp.matmul(pooled, kernel, precision=jax.lax.Precision.HIGHEST) + bias[None]
