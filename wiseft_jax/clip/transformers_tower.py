"""transformers' Flax CLIP modules as a tower: the default, and the reference.

In float32 the modules run exactly as they are. What they lack is added from outside, through
``flax.linen.intercept_methods``: float32 accumulation of their products in bfloat16, and layers
that the backward pass computes again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from wiseft_jax.clip.layers import checkpoint_policy
from wiseft_jax.clip.matmul import dense
from wiseft_jax.core.typing import ComputeDtype, Params, PyTree, Remat

_LAYER = "FlaxCLIPEncoderLayer"


@dataclasses.dataclass(frozen=True, eq=False)
class TransformersTower:
    """Both towers of a CLIP, as transformers has them; see ``Tower``.

    Attributes:
      make_module: dtype -> transformers' ``FlaxCLIPModule``.
      config: A ``CLIPConfig``.
      dtype: What it computes in.
      remat: What the backward pass computes again.
      canonical_template: The shapes of the parameters.
    """

    make_module: Callable[[str], Any]
    config: Any
    dtype: ComputeDtype
    remat: Remat
    canonical_template: PyTree
    name: str = "transformers"

    def with_dtype(self, dtype: ComputeDtype) -> TransformersTower:
        """Return the same tower, computing in another dtype."""
        return dataclasses.replace(self, dtype=dtype)

    @functools.cached_property
    def module(self) -> Any:
        """Transformers' ``FlaxCLIPModule``; takes NHWC."""
        return self.make_module(self.dtype)

    def template(self) -> PyTree:
        """Return the shapes of the whole CLIP's parameters."""
        return self.canonical_template

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
            pooled = module.vision_model(pixel_values=pixels, deterministic=True)[1]
            return module.visual_projection(pooled)

        return self._apply(params, ("vision_model", "visual_projection"), encode, pixels)

    def text_features(
        self,
        params: Params,
        ids: Int[Array | np.ndarray, "B T"],
        mask: Int[Array | np.ndarray, "B T"],
    ) -> Float32[Array, "B D"]:
        """Return the projected features of tokenised texts; see ``Tower``."""

        def encode(module: Any, ids: Any, mask: Any) -> Any:
            positions = jnp.broadcast_to(jnp.arange(ids.shape[1])[None], ids.shape)
            pooled = module.text_model(ids, mask, positions, deterministic=True)[1]
            return module.text_projection(pooled)

        return self._apply(params, ("text_model", "text_projection"), encode, ids, mask)

    def _apply(
        self, params: Params, keys: tuple[str, ...], encode: Callable[..., Any], *inputs: Any
    ) -> Array:
        # The module declares logit_scale whichever tower runs, so it must be given one.
        tower = {"logit_scale": np.zeros((), np.float32), **{key: params[key] for key in keys}}
        arrays = (jnp.asarray(value) for value in inputs)
        with self._interceptors():
            features = self.module.apply({"params": tower}, *arrays, method=encode)
        return features.astype(jnp.float32)

    @contextlib.contextmanager
    def _interceptors(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            if self.remat != "none":
                stack.enter_context(nn.intercept_methods(_recompute_layers(self.remat)))
            if self.dtype != "float32":
                stack.enter_context(nn.intercept_methods(_accumulate_in_float32))
            yield


def _accumulate_in_float32(
    call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
) -> Any:
    """Replace the product of each ``nn.Dense``: an interceptor of Flax."""
    module = context.module
    if not isinstance(module, nn.Dense) or context.method_name != "__call__":
        return call(*args, **kwargs)
    weights = module.variables["params"]
    return dense(args[0], weights["kernel"], weights.get("bias"), module.dtype)


def _recompute_layers(remat: Remat) -> Callable[..., Any]:
    """Return the interceptor that wraps each encoder layer in ``jax.checkpoint``."""

    def intercept(
        call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        module = context.module
        # The layer that is applied below is its own root: there it runs.
        is_layer = type(module).__name__ == _LAYER and context.method_name == "__call__"
        if not is_layer or not module.path:
            return call(*args, **kwargs)
        hidden, *rest = args
        layer, weights = module.clone(parent=None), module.variables["params"]

        def run(weights: Params, hidden: jax.Array) -> Any:
            return layer.apply({"params": weights}, hidden, *rest, **kwargs)

        return jax.checkpoint(run, policy=checkpoint_policy(remat))(weights, hidden)

    return intercept
