"""What each layer of the image tower makes of an image, one vector a layer.

transformers' modules run unchanged, in float32, whichever tower has the parameters: what they
return is noted through ``flax.linen.intercept_methods``, and nothing is put in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from wiseft_jax.clip.load import make_tower
from wiseft_jax.clip.logit_classifier import LogitTower
from wiseft_jax.clip.towers import Tower, l2_normalise
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.typing import Params

EMBEDDING, POOLED, FEATURES = "embedding", "pooled", "features"


def layer_names(tower: Tower) -> tuple[str, ...]:
    """Return the layers of an image tower in the order in which it runs them.

    ``embedding``, ``block_0`` to the last block, ``pooled``, ``features``.

    Raises:
      InputError: If the model isn't a CLIP with a vision transformer.
    """
    check_has_layers(tower)
    blocks = range(tower.config.vision_config.num_hidden_layers)
    return (EMBEDDING, *(f"block_{index}" for index in blocks), POOLED, FEATURES)


def check_has_layers(tower: Tower) -> None:
    """Raise unless the layers of a tower can be looked at.

    Raises:
      InputError: Says which models' can.
    """
    if isinstance(tower, LogitTower):
        raise InputError(
            "features of layers: expected a CLIP with a vision transformer, found a LogitClassifier"
            " (a ResNet, or any function to logits), of which only the logits are known; compare"
            " these with wiseft_jax.analysis.cka"
        )


def layer_features(
    tower: Tower, params: Params, pixels: Float[Array | np.ndarray, "B H W 3"]
) -> dict[str, Float32[Array, "B _"]]:
    """Return one vector an image for each layer of ``layer_names``.

    - ``embedding``: the mean over patches of what enters the first block. Its class token is the
      same for every image, so that nothing could be compared by it.
    - ``block_i``: the class token after block i.
    - ``pooled``: the class token after the last LayerNorm.
    - ``features``: projected and L2-normalised, what the head multiplies.

    Args:
      tower: The image encoder, of any layout and dtype.
      params: A tree with at least ``vision_model`` and ``visual_projection``, in its layout.
      pixels: Normalised by the model's mean and standard deviation.

    Raises:
      InputError: As ``layer_names``.
    """
    names = layer_names(tower)
    modules = make_tower(tower.config, "float32", "transformers")
    seen: dict[str, Array] = {}
    with nn.intercept_methods(_noting(seen)), jax.default_matmul_precision("highest"):
        features = modules.image_features(tower.to_canonical(params), pixels)
    seen[FEATURES] = l2_normalise(features)
    return {name: seen[name] for name in names}


def _noting(seen: dict[str, Array]) -> Callable[..., Any]:
    """Return what Flax calls in the place of every method: it notes results and changes none."""

    def intercept(
        call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        result, module = call(*args, **kwargs), context.module
        if context.method_name != "__call__":
            return result
        if module.name == "pre_layrnorm":  # transformers spells it so
            seen[EMBEDDING] = jnp.mean(result[:, 1:], axis=1)
        elif module.name == "post_layernorm":
            seen[POOLED] = result
        elif type(module).__name__ == "FlaxCLIPEncoderLayer":
            seen[f"block_{module.path[-1]}"] = result[0][:, 0]
        return result

    return intercept
