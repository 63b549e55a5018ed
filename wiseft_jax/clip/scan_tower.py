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
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from wiseft_jax.clip.canonical import canonical_template
from wiseft_jax.clip.layers import activation, checkpoint_policy, layer_norm, recomputed
from wiseft_jax.clip.matmul import attention, dense, embed_patches
from wiseft_jax.clip.stacking import LayerStack, stack_layers, unstack_layers
from wiseft_jax.clip.towers import ConfiguredTower
from wiseft_jax.core.gathering import gather, keep_rows
from wiseft_jax.core.typing import Params, PyTree


@dataclasses.dataclass(frozen=True, eq=False)
class ScanTower(ConfiguredTower):
    """Both towers of a CLIP, with stacked layers; see ``Tower``."""

    def __post_init__(self) -> None:
        for sizes in (self.config.vision_config, self.config.text_config):
            activation(sizes.hidden_act)  # a wrong name is reported here, not within a step

    @property
    def name(self) -> str:
        """What ``load_clip(tower=...)`` calls it."""
        return "scan"

    def template(self) -> PyTree:
        """Return the shapes of the whole CLIP's parameters in this tower's layout."""
        return self.from_canonical(canonical_template(self.config))

    def from_canonical(self, params: Params) -> Params:
        """Return a tree with each ``layers`` of a list of layers stacked, q, k and v as one."""
        return stack_layers(params)

    def to_canonical(self, params: Params) -> Params:
        """Return the tree as Hugging Face has it; the inverse of ``from_canonical``."""
        return unstack_layers(params)

    def image_features(
        self, params: Params, pixels: Float[Array | np.ndarray, "B H W 3"]
    ) -> Float32[Array, "B D"]:
        """Return the projected features of images; see ``Tower``."""
        vision, sizes = params["vision_model"], self.config.vision_config
        embeddings = vision["embeddings"]
        x = self._patches(jnp.asarray(pixels), embeddings["patch_embedding"]["kernel"])
        first = jnp.broadcast_to(embeddings["class_embedding"], (x.shape[0], 1, x.shape[2]))
        x = jnp.concatenate([first, x], axis=1)
        x = keep_rows(x + gather(embeddings["position_embedding"]["embedding"])[None])
        x = self._norm(x, vision["pre_layrnorm"], sizes).astype(self.dtype)
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
        x = jnp.take(embeddings["token_embedding"]["embedding"], ids, axis=0)
        x = x + embeddings["position_embedding"]["embedding"][None, : ids.shape[1]]
        attends = jnp.asarray(mask) != 0
        x = self._encode(x.astype(self.dtype), text["encoder"]["layers"], sizes, attends)
        legacy = sizes.eos_token_id == 2  # OpenAI's configurations: the largest id is the end
        last = jnp.argmax(ids if legacy else ids == sizes.eos_token_id, axis=-1)
        pooled = jnp.take_along_axis(x, last[:, None, None], axis=1)[:, 0]
        pooled = self._norm(pooled, text["final_layer_norm"], sizes)
        return self._project(pooled, params["text_projection"])

    def _patches(self, pixels: jax.Array, kernel: jax.Array) -> jax.Array:
        return embed_patches(pixels, kernel, self.dtype).reshape(len(pixels), -1, kernel.shape[-1])

    def _encode(
        self,
        x: jax.Array,
        layers: Params | tuple[LayerStack, ...],
        sizes: Any,
        attends: jax.Array | None = None,
    ) -> jax.Array:
        """Run the transformer; with ``attends`` (which tokens count) it is causal."""
        layer = functools.partial(self._layer, sizes=sizes, attends=attends)
        if self.remat != "none":
            layer = recomputed(layer, policy=checkpoint_policy(self.remat))
        for part in layers if isinstance(layers, tuple) else (LayerStack(layers),):
            run = functools.partial(_run_layer, layer, part.layer)
            x = jax.lax.scan(run, x, part.stacked)[0]
        return x

    def _layer(
        self, x: jax.Array, params: Params, *, sizes: Any, attends: jax.Array | None
    ) -> jax.Array:
        x = keep_rows(x)
        own, mlp = params["self_attn"], params["mlp"]
        batch, tokens, width = x.shape
        heads = sizes.num_attention_heads
        h = self._dense(self._norm(x, params["layer_norm1"], sizes), own["qkv"])
        q, k, v = jnp.moveaxis(h.reshape(batch, tokens, 3, heads, width // heads), 2, 0)
        attend = functools.partial(attention, causal=attends is not None, mask=attends)
        h = recomputed(attend)(q, k, v)
        x = x + self._dense(h.reshape(batch, tokens, width), own["out_proj"])
        h = self._dense(self._norm(x, params["layer_norm2"], sizes), mlp["fc1"])
        h = recomputed(functools.partial(_activate, sizes=sizes))(h)
        return keep_rows(x + self._dense(h, mlp["fc2"]))

    def _norm(self, x: jax.Array, params: Params, sizes: Any) -> jax.Array:
        return layer_norm(x, params["scale"], params["bias"], sizes.layer_norm_eps)

    def _dense(self, x: jax.Array, params: Params) -> jax.Array:
        return dense(x, params["kernel"], params["bias"], self.dtype)

    def _project(self, x: jax.Array, params: Params) -> Float32[Array, "B D"]:
        return dense(x, params["kernel"], None, self.dtype).astype(jnp.float32)


def _run_layer(layer: Any, make: Any, x: jax.Array, stacked: PyTree) -> tuple[jax.Array, None]:
    return layer(x, make(stacked)), None


def _activate(x: jax.Array, *, sizes: Any) -> jax.Array:
    return activation(sizes.hidden_act)(x.astype(jnp.float32)).astype(x.dtype)
