"""GlyphCLIP, the small CLIP of the quickstart: its configuration and its initial parameters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wiseft_jax.core.typing import Params, PyTree
from wiseft_jax.quickstart.captions import CONTEXT_LENGTH
from wiseft_jax.quickstart.glyphs import SIDE

INITIAL_LOGIT_SCALE = float(np.log(1 / 0.07))
MAX_LOGIT_SCALE = float(np.log(100.0))


def glyphclip_settings(
    vocabulary_size: int, bos_token_id: int, eos_token_id: int, *, width: int = 160
) -> dict[str, Any]:
    """Return the architecture, as the content of a ``config.json``.

    Args:
        vocabulary_size: number of tokens.
        bos_token_id: id of the start-of-text token.
        eos_token_id: id of the end-of-text token, also the padding.
        width: width of the image tower.

    Returns:
        The settings of a ``transformers.CLIPConfig``.
    """
    text = {
        "vocab_size": vocabulary_size,
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_act": "quick_gelu",
        "max_position_embeddings": CONTEXT_LENGTH,
        "bos_token_id": bos_token_id,
        "eos_token_id": eos_token_id,
        "pad_token_id": eos_token_id,
        "projection_dim": 128,
    }
    vision = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": 4,
        "num_attention_heads": width // 32,
        "hidden_act": "quick_gelu",
        "image_size": SIDE,
        "patch_size": 8,
        "projection_dim": 128,
    }
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": 128,
        "logit_scale_init_value": INITIAL_LOGIT_SCALE,
        "text_config": text,
        "vision_config": vision,
    }


def initial_params(key: jax.Array, template: PyTree) -> Params:
    """Draw initial parameters with which a small CLIP starts to learn at once.

    The default initialisation of ``transformers`` (standard deviation 0.02 scaled for wide towers)
    gives a narrow tower features that hardly depend on its input. Here kernels have variance
    1 / fan-in, the layers that write to the residual stream half of it, tokens unit variance,
    positions variance 1/4; biases are zero and scales one.

    Args:
        key: source of randomness.
        template: the parameters' shapes (``jax.eval_shape`` of the module's ``init``).

    Returns:
        Float32 parameters of the template's structure.
    """
    leaves, treedef = jax.tree_util.tree_flatten_with_path(template)
    keys = jax.random.split(key, len(leaves))
    values = [
        _initial_leaf(k, jax.tree_util.keystr(path, simple=True, separator="/"), leaf.shape)
        for k, (path, leaf) in zip(keys, leaves, strict=True)
    ]
    return jax.tree_util.tree_unflatten(treedef, values)


def _initial_leaf(key: jax.Array, path: str, shape: tuple[int, ...]) -> jax.Array:
    name = path.rsplit("/", 1)[-1]
    normal = jax.random.normal(key, shape, jnp.float32)
    if name == "kernel":
        fan_in = int(np.prod(shape[:-1]))
        writes = "out_proj" in path or "fc2" in path
        return normal * np.sqrt((0.5 if writes else 1.0) / fan_in)
    if "position_embedding" in path:
        return 0.5 * normal
    if name in ("embedding", "class_embedding"):
        return normal
    if name == "scale":
        return jnp.ones(shape, jnp.float32)
    if name == "logit_scale":
        return jnp.full(shape, INITIAL_LOGIT_SCALE, jnp.float32)
    if name == "bias":
        return jnp.zeros(shape, jnp.float32)
    raise ValueError(f"{path}: no rule to initialise this parameter; add one here.")
