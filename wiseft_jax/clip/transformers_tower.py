"""transformers' Flax CLIP modules as a tower: the default, and the reference.

In float32 the modules run exactly as they are. What they lack is added from outside, through
``flax.linen.intercept_methods``: in bfloat16 products with float32 sums and attention with a
float32 softmax, and layers that the backward pass computes again.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from wiseft_jax.clip.layers import checkpoint_policy
from wiseft_jax.clip.matmul import attention, dense, embed_patches
from wiseft_jax.clip.towers import VISION_KEYS, ConfiguredTower
from wiseft_jax.core.gathering import keep_rows, split_mesh
from wiseft_jax.core.typing import ComputeDtype, Params, PyTree, Remat

_CALL = {"deterministic": True, "return_dict": False}
_OF_ROWS = ("FlaxCLIPVisionEmbeddings", "FlaxCLIPEncoderLayer")
"""Modules whose results stay with their rows where parameters are split over devices."""


@dataclasses.dataclass(frozen=True, eq=False)
class TransformersTower(ConfiguredTower):
    """Both towers of a CLIP, as transformers has them; see ``Tower``.

    Attributes:
      module: transformers' ``FlaxCLIPModule``, which computes in the dtype; takes NHWC.
    """

    module: Any

    @property
    def name(self) -> str:
        """What ``load_clip(tower=...)`` calls it."""
        return "transformers"

    def with_dtype(self, dtype: ComputeDtype) -> Any:
        """Return the same tower, computing in another dtype."""
        module = self.module.clone(dtype=jnp.dtype(dtype))
        return dataclasses.replace(self, dtype=dtype, module=module)

    def template(self) -> PyTree:
        """Return the shapes of the whole CLIP's parameters."""
        text, vision = self.config.text_config, self.config.vision_config
        ids = jax.ShapeDtypeStruct((1, text.max_position_embeddings), jnp.int32)
        shape = (1, vision.image_size, vision.image_size, vision.num_channels)
        pixels = jax.ShapeDtypeStruct(shape, jnp.float32)
        key = jax.ShapeDtypeStruct((2,), jnp.uint32)
        return jax.eval_shape(self.module.init, key, ids, pixels, ids, ids)["params"]

    def from_canonical(self, params: Params) -> Params:
        """Return the parameters as they are: this tower's layout is Hugging Face's."""
        return params

    def to_canonical(self, params: Params) -> Params:
        """Return the parameters as they are."""
        return params

    def image_features(
        self, params: Params, pixels: Float[Array | np.ndarray, "B H W 3"]
    ) -> Float32[Array, "B D"]:
        """Return the projected features of images; see ``Tower``."""

        def encode(module: Any, pixels: Any) -> Any:
            pooled = module.vision_model(pixel_values=pixels, **_CALL)[1]
            return module.visual_projection(pooled)

        return self._apply(params, VISION_KEYS, encode, pixels)

    def text_features(
        self,
        params: Params,
        ids: Int[Array | np.ndarray, "B T"],
        mask: Int[Array | np.ndarray, "B T"],
    ) -> Float32[Array, "B D"]:
        """Return the projected features of tokenised texts; see ``Tower``."""

        def encode(module: Any, ids: Any, mask: Any) -> Any:
            positions = jnp.broadcast_to(jnp.arange(ids.shape[1])[None], ids.shape)
            pooled = module.text_model(ids, mask, positions, **_CALL)[1]
            return module.text_projection(pooled)

        return self._apply(params, ("text_model", "text_projection"), encode, ids, mask)

    def _apply(
        self, params: Params, keys: tuple[str, ...], encode: Callable[..., Any], *inputs: Any
    ) -> Array:
        # The module declares logit_scale whichever tower runs, so it must be given one.
        tower = {"logit_scale": np.zeros((), np.float32), **{key: params[key] for key in keys}}
        run = functools.partial(self.module.apply, {"params": tower}, method=encode)
        arrays = [jnp.asarray(value) for value in inputs]
        split = split_mesh() is not None
        if self.dtype == "float32" and self.remat == "none" and not split:
            return run(*arrays).astype(jnp.float32)
        with nn.intercept_methods(_interceptor(self.dtype, self.remat, split)):
            return run(*arrays).astype(jnp.float32)


def _interceptor(dtype: ComputeDtype, remat: Remat, split: bool) -> Callable[..., Any]:
    """Return what Flax calls in the place of every method of the modules."""
    replacements: dict[str, Callable[..., Any]] = {"Dense": _dense}
    if remat != "none":
        replacements["FlaxCLIPLayerCollection"] = functools.partial(_layers, remat)
    if dtype != "float32" or split:
        replacements["Conv"] = _patches
    if dtype != "float32":
        replacements["FlaxCLIPAttention"] = _attention

    def intercept(
        call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        name = type(context.module).__name__
        replacement = replacements.get(name)
        if name in _OF_ROWS and context.method_name == "__call__":
            return jax.tree_util.tree_map(keep_rows, call(*args, **kwargs))
        if replacement is None or context.method_name != "__call__":
            return call(*args, **kwargs)
        return replacement(context.module, *args, **kwargs)

    return intercept


def _dense(module: nn.Dense, x: Any) -> Any:
    weights = module.variables["params"]
    return dense(x, weights["kernel"], weights.get("bias"), module.dtype)


def _patches(module: nn.Conv, pixels: Any) -> Any:
    return embed_patches(pixels, module.variables["params"]["kernel"], module.dtype)


def _attention(module: Any, hidden_states: Any, attention_mask: Any = None, **_: Any) -> Any:
    """Run FlaxCLIPAttention with its softmax in float32; its own is in the compute dtype."""
    heads = (*hidden_states.shape[:2], module.num_heads, module.head_dim)
    projections = (module.q_proj, module.k_proj, module.v_proj)
    parts = (projection(hidden_states).reshape(heads) for projection in projections)
    mask = None if attention_mask is None else attention_mask > 0
    found = attention(*parts, causal=module.causal, mask=mask)
    return (module.out_proj(found.reshape(hidden_states.shape)),)


def _layers(
    remat: Remat, module: Any, hidden_states: Any, attention_mask: Any = None, **_: Any
) -> Any:
    """Run FlaxCLIPLayerCollection with each layer computed again in the backward pass."""

    def run(layer: Any, x: Any) -> Any:
        return layer(x, attention_mask, deterministic=True)[0]

    run = nn.remat(run, policy=checkpoint_policy(remat))
    for layer in module.layers:
        hidden_states = run(layer, hidden_states)
    return (hidden_states,)
