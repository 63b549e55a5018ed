"""Look inside the image tower: read its attention and its last block, and change what is there.

transformers' modules run whichever tower it is, in float32, through ``flax.linen.
intercept_methods``: what stands at a place is noted, after something was added to it. The gradient
of a score by an added zero is its gradient by what stands there. Attention weights, which the
modules don't let one change, are computed here as they compute them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from wiseft_jax.clip.load import make_tower
from wiseft_jax.clip.towers import Tower, l2_normalise
from wiseft_jax.core.typing import Params

Place: TypeAlias = Literal["attention", "last_attention_input", "last_output"]
"""``attention``: the weights of all layers, [L, B, N, T, T]; ``last_attention_input``: what the
last block's ``layer_norm1`` gives, [B, T, D]; ``last_output``: what the last block gives."""


def cosine_scores(
    features: Float[Array | np.ndarray, "B D"], directions: Float[Array | np.ndarray, "B D"]
) -> Float32[Array, " B"]:
    """Return ``z . t / (|z| |t|)`` of each image's features z and its own direction t.

    Args:
      features: Of images, not normalised.
      directions: A text's features, or a column of the head's kernel, for each image; any length.
    """
    return jnp.sum(l2_normalise(features) * l2_normalise(directions), axis=-1)


def score_images(
    tower: Tower,
    params: Params,
    pixels: Float[Array | np.ndarray, "B H W 3"],
    directions: Float[Array | np.ndarray, "B D"],
) -> Float32[Array, " B"]:
    """Return the cosine score of each image, computed as all saliency is: in float32.

    Args:
      tower: The image encoder.
      params: Its parameters, in its layout.
      pixels: Normalised by the model's mean and standard deviation.
      directions: As in ``cosine_scores``.
    """
    return cosine_scores(look_inside(tower, params, pixels)[0], directions)


def look_inside(
    tower: Tower,
    params: Params,
    pixels: Float[Array | np.ndarray, "B H W 3"],
    added: Mapping[Place, Any] | None = None,
) -> tuple[Float32[Array, "B D"], dict[Place, Array]]:
    """Return an image tower's features, and what stood at each place on the way.

    Args:
      tower: The image encoder; of any layout and dtype.
      params: A tree with at least ``vision_model`` and ``visual_projection``, in its layout.
      pixels: Normalised by the model's mean and standard deviation.
      added: What is added at a place before it is noted and read on.

    Returns:
      ``(features, seen)``; the features aren't normalised, the last axis of attention sums to 1.
    """
    modules = make_tower(tower.config, "float32", "transformers")
    seen: dict[tuple[Place, int], Array] = {}
    layers = tower.config.vision_config.num_hidden_layers
    intercept = _interceptor(layers - 1, dict(added or {}), seen)
    with nn.intercept_methods(intercept), jax.default_matmul_precision("highest"):
        features = modules.image_features(tower.to_canonical(params), pixels)
    found: dict[Place, Array] = {
        place: array for (place, _), array in seen.items() if place != "attention"
    }
    found["attention"] = jnp.stack([seen["attention", layer] for layer in range(layers)])
    return features, found


def gradients_inside(
    tower: Tower,
    params: Params,
    pixels: Float[Array | np.ndarray, "B H W 3"],
    directions: Float[Array | np.ndarray, "B D"],
    place: Place,
) -> tuple[Float32[Array, "*S"], Float32[Array, "*S"]]:
    """Return what stands at a place, and the gradient of each image's cosine score by it.

    Args:
      tower: As in ``look_inside``.
      params: As in ``look_inside``.
      pixels: As in ``look_inside``.
      directions: As in ``cosine_scores``.
      place: Where.
    """

    def score(added: Array) -> tuple[Array, Array]:
        features, seen = look_inside(tower, params, pixels, {place: added})
        return jnp.sum(cosine_scores(features, directions)), seen[place]

    def at_place() -> Array:
        return look_inside(tower, params, pixels)[1][place]

    shape = jax.eval_shape(at_place)
    gradients, values = jax.grad(score, has_aux=True)(jnp.zeros(shape.shape, shape.dtype))
    return values, gradients


def rollout(attention: Float[Array | np.ndarray, "L B N T T"]) -> Float32[Array, "B T T"]:
    """Return how much of each input token is in each token of the last layer, by attention alone.

    ``A_L ... A_1`` with ``A_l = (mean over heads + I) / row sums``: the identity stands for the
    residual path. Rows sum to 1. Abnar and Zuidema 2020 (arXiv 2005.00928), section 3.

    Args:
      attention: The weights of all layers, the first one first.
    """
    identity = jnp.eye(attention.shape[-1], dtype=jnp.float32)[None]
    total = jnp.broadcast_to(identity, (attention.shape[1], *identity.shape[1:]))
    for weights in attention:
        mixed = jnp.mean(weights, axis=1) + identity
        mixed = mixed / jnp.sum(mixed, axis=-1, keepdims=True)
        total = jnp.matmul(mixed, total, precision="highest")
    return total


def relevance(
    attention: Float[Array | np.ndarray, "L B N T T"],
    gradients: Float[Array | np.ndarray, "L B N T T"],
) -> Float32[Array, "B T T"]:
    """Return each input token's relevance for each token of the last layer.

    ``R = I``, then for each layer ``R <- R + A_l R`` with ``A_l`` the mean over heads of
    ``max(0, dA * A)``. Chefer, Gur and Wolf 2021 (arXiv 2103.15679), equations 5 and 6.

    Args:
      attention: The weights of all layers, the first one first.
      gradients: The gradient of a score by each of them.
    """
    identity = jnp.eye(attention.shape[-1], dtype=jnp.float32)[None]
    total = jnp.broadcast_to(identity, (attention.shape[1], *identity.shape[1:]))
    for weights, slopes in zip(attention, gradients, strict=True):
        mixed = jnp.mean(jnp.maximum(slopes * weights, 0.0), axis=1)
        total = total + jnp.matmul(mixed, total, precision="highest")
    return total


def _interceptor(
    last: int, added: Mapping[Place, Any], seen: dict[tuple[Place, int], Array]
) -> Callable[..., Any]:
    """Return what Flax calls in the place of every method of the modules.

    Args:
      last: The index of the last layer.
      added: As in ``look_inside``.
      seen: Gets what stands at (place, layer).
    """

    def note(place: Place, layer: int, value: Array) -> Array:
        if place in added:
            extra = added[place]
            value = value + (extra[layer] if place == "attention" else extra)
        seen[place, layer] = value
        return value

    def intercept(
        call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        module = context.module
        if context.method_name != "__call__":
            return call(*args, **kwargs)
        kind = type(module).__name__
        if kind == "FlaxCLIPAttention":
            layer = int(module.path[-2])
            hidden_states = args[0] if args else kwargs["hidden_states"]
            return _attention(module, hidden_states, lambda a: note("attention", layer, a))
        result = call(*args, **kwargs)
        if module.name == "layer_norm1" and int(module.path[-2]) == last:
            return note("last_attention_input", last, result)
        if kind == "FlaxCLIPEncoderLayer" and int(module.path[-1]) == last:
            return (note("last_output", last, result[0]), *result[1:])
        return result

    return intercept


def _attention(module: Any, hidden_states: Any, note: Callable[[Array], Array]) -> Any:
    """Run an image tower's FlaxCLIPAttention with its weights noted, and perhaps changed."""
    heads = (*hidden_states.shape[:2], module.num_heads, module.head_dim)
    projections = (module.q_proj, module.k_proj, module.v_proj)
    query, key, value = (each(hidden_states).reshape(heads) for each in projections)
    products = jnp.einsum("bqnh,bknh->bnqk", query * module.scale, key)
    weights = note(jax.nn.softmax(products.astype(jnp.float32), axis=-1))
    found = jnp.einsum("bnqk,bknh->bqnh", weights, value)
    return (module.out_proj(found.reshape(hidden_states.shape)),)
