"""A lean tower on the parameters of Hugging Face's CLIP: one compiled layer, scanned.

The layers' parameters are stacked on a leading axis, queries, keys and values are one product, and
the patch embedding is a matrix product. Against transformers' modules it compiles once for all
layers, keeps LayerNorm and softmax in float32 at any compute dtype, and can recompute layers in the
backward pass. Radford et al. 2021 (arXiv 2103.00020), section 2.4; Dosovitskiy et al. 2021 (arXiv
2010.11929), section 3.1.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from wiseft_jax.clip.layers import activation, checkpoint_policy, layer_norm
from wiseft_jax.clip.matmul import dense
from wiseft_jax.core.gathering import gather, keep_rows
from wiseft_jax.core.typing import ComputeDtype, Params, PyTree, Remat

_FUSED = ("q_proj", "k_proj", "v_proj")


@dataclasses.dataclass(frozen=True, eq=False)
class ScanTower:
    """Both towers of a CLIP, with stacked layers; see ``Tower``.

    Attributes:
      config: A ``CLIPConfig``.
      dtype: What it computes in.
      remat: What the backward pass computes again.
      canonical_template: The shapes of Hugging Face's tree.
    """

    config: Any
    dtype: ComputeDtype
    remat: Remat
    canonical_template: PyTree
    name: str = "scan"

    def with_dtype(self, dtype: ComputeDtype) -> ScanTower:
        """Return the same tower, computing in another dtype."""
        return dataclasses.replace(self, dtype=dtype)

    def template(self) -> PyTree:
        """Return the shapes of the whole CLIP's parameters in this tower's layout."""
        return jax.eval_shape(self.from_canonical, self.canonical_template)

    def from_canonical(self, params: Params) -> Params:
        """Return a tree with each ``layers`` of a list of layers stacked, q, k and v as one."""
        return _map_layers(params, _stack)

    def to_canonical(self, params: Params) -> Params:
        """Return the tree as Hugging Face has it; the inverse of ``from_canonical``."""
        return _map_layers(params, _unstack)

    def image_features(
        self, params: Params, pixels: Float[Array | np.ndarray, "B H W 3"]
    ) -> Float32[Array, "B D"]:
        """Return the projected features of images; see ``Tower``."""
        vision, sizes = params["vision_model"], self.config.vision_config
        embeddings = vision["embeddings"]
        x = self._patches(jnp.asarray(pixels), embeddings["patch_embedding"]["kernel"])
        first = jnp.broadcast_to(
            embeddings["class_embedding"].astype(x.dtype), (x.shape[0], 1, x.shape[2])
        )
        x = jnp.concatenate([first, x], axis=1)
        x = x + embeddings["position_embedding"]["embedding"].astype(x.dtype)[None]
        x = self._norm(x, vision["pre_layrnorm"], sizes)
        x = self._encode(x, vision["encoder"]["layers"], sizes)
        x = self._norm(x[:, 0], vision["post_layernorm"], sizes)
        return self._project(x, params["visual_projection"])

    def text_features(
        self,
        params: Params,
        ids: Int[Array | np.ndarray, "B T"],
        mask: Int[Array | np.ndarray, "B T"],
    ) -> Float32[Array, "B D"]:
        """Return the projected features of tokenised texts; see ``Tower``."""
        text, sizes = params["text_model"], self.config.text_config
        ids, embeddings = jnp.asarray(ids), text["embeddings"]
        x = embeddings["token_embedding"]["embedding"][ids]
        x = x + embeddings["position_embedding"]["embedding"][None, : ids.shape[1]]
        attends = jnp.asarray(mask)[:, None, None, :] != 0
        x = self._encode(x.astype(self.dtype), text["encoder"]["layers"], sizes, attends)
        x = self._norm(x, text["final_layer_norm"], sizes)
        legacy = sizes.eos_token_id == 2  # OpenAI's configurations: the largest id is the end
        last = jnp.argmax(ids if legacy else ids == sizes.eos_token_id, axis=-1)
        pooled = jnp.take_along_axis(x, last[:, None, None], axis=1)[:, 0]
        return self._project(pooled, params["text_projection"])

    def _patches(self, pixels: jax.Array, kernel: jax.Array) -> jax.Array:
        batch, height, width, channels = pixels.shape
        size, out = kernel.shape[0], kernel.shape[-1]
        grid = pixels.reshape(batch, height // size, size, width // size, size, channels)
        patches = grid.transpose(0, 1, 3, 2, 4, 5).reshape(batch, -1, size * size * channels)
        return dense(patches, kernel.reshape(-1, out), None, self.dtype)

    def _encode(
        self, x: jax.Array, layers: Params, sizes: Any, attends: jax.Array | None = None
    ) -> jax.Array:
        """Run the transformer; with ``attends`` (which tokens count) it is causal."""
        layer = functools.partial(self._layer, sizes=sizes, attends=attends)
        if self.remat != "none":
            # prevent_cse guards against what a scan rules out anyway, and costs.
            layer = jax.checkpoint(layer, policy=checkpoint_policy(self.remat), prevent_cse=False)
        return jax.lax.scan(lambda x, params: (layer(x, params), None), x, layers)[0]

    def _layer(
        self, x: jax.Array, params: Params, *, sizes: Any, attends: jax.Array | None
    ) -> jax.Array:
        x, params = keep_rows(x), gather(params)
        attention, mlp = params["self_attn"], params["mlp"]
        batch, tokens, width = x.shape
        heads = sizes.num_attention_heads
        h = self._dense(self._norm(x, params["layer_norm1"], sizes), attention["qkv"])
        q, k, v = jnp.moveaxis(h.reshape(batch, tokens, 3, heads, width // heads), 2, 0)
        h = jax.nn.dot_product_attention(q, k, v, mask=attends, is_causal=attends is not None)
        x = x + self._dense(h.reshape(batch, tokens, width), attention["out_proj"])
        h = self._dense(self._norm(x, params["layer_norm2"], sizes), mlp["fc1"])
        return keep_rows(x + self._dense(activation(sizes.hidden_act)(h), mlp["fc2"]))

    def _norm(self, x: jax.Array, params: Params, sizes: Any) -> jax.Array:
        return layer_norm(x, params["scale"], params["bias"], sizes.layer_norm_eps)

    def _dense(self, x: jax.Array, params: Params) -> jax.Array:
        return dense(x, params["kernel"], params["bias"], self.dtype)

    def _project(self, x: jax.Array, params: Params) -> Float32[Array, "B D"]:
        return dense(x, params["kernel"], None, self.dtype).astype(jnp.float32)


def _map_layers(tree: Params, function: Callable[[Params], Params]) -> Params:
    """Return ``tree`` with ``function`` applied to each subtree called ``layers``."""
    if not isinstance(tree, dict):
        return tree
    return {
        key: function(value) if key == "layers" else _map_layers(value, function)
        for key, value in tree.items()
    }


def _stack(layers: Params) -> Params:
    ordered = [_fuse(layers[str(index)]) for index in range(len(layers))]
    return jax.tree_util.tree_map(lambda *leaves: _library(leaves).stack(leaves), *ordered)


def _unstack(stacked: Params) -> Params:
    count = jax.tree_util.tree_leaves(stacked)[0].shape[0]
    return {
        str(index): _split(jax.tree_util.tree_map(lambda leaf: leaf[index], stacked))  # noqa: B023
        for index in range(count)
    }


def _fuse(layer: Params) -> Params:
    attention = layer["self_attn"]
    parts = [attention[name] for name in _FUSED]
    fused = {
        key: _library([part[key] for part in parts]).concatenate(
            [part[key] for part in parts], axis=-1
        )
        for key in parts[0]
    }
    return {**layer, "self_attn": {"qkv": fused, "out_proj": attention["out_proj"]}}


def _split(layer: Params) -> Params:
    attention = layer["self_attn"]
    parts: Params = {name: {} for name in _FUSED}
    for key, leaf in attention["qkv"].items():
        width = leaf.shape[-1] // len(_FUSED)
        for index, name in enumerate(_FUSED):
            parts[name][key] = leaf[..., index * width : (index + 1) * width]
    return {**layer, "self_attn": {**parts, "out_proj": attention["out_proj"]}}


def _library(leaves: Any) -> Any:
    """NumPy for host arrays, so that they stay on the host."""
    return np if all(isinstance(leaf, np.ndarray) for leaf in leaves) else jnp
