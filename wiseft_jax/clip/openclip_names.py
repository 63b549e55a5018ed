"""OpenCLIP's names of a CLIP's parameters, and how each lies there: one table, read both ways.

Source: open_clip 3.3.0, ``model.py`` (``CLIP``) and ``transformer.py`` (``VisionTransformer``,
``ResidualAttentionBlock``); OpenAI's own files have the same names. PyTorch's
``MultiheadAttention`` keeps query, key and value as one tensor, stacked in this order.
"""

from __future__ import annotations

import dataclasses
import re

from wiseft_jax.clip.convert import Place

_OUTSIDE_LAYERS = {
    "logit_scale": Place("logit_scale"),
    "text_model/embeddings/token_embedding/embedding": Place("token_embedding.weight"),
    "text_model/embeddings/position_embedding/embedding": Place("positional_embedding"),
    "text_model/final_layer_norm/scale": Place("ln_final.weight"),
    "text_model/final_layer_norm/bias": Place("ln_final.bias"),
    "text_projection/kernel": Place("text_projection"),  # x @ projection, so already (in, out)
    "vision_model/embeddings/class_embedding": Place("visual.class_embedding"),
    "vision_model/embeddings/patch_embedding/kernel": Place("visual.conv1.weight", "kernel"),
    "vision_model/embeddings/position_embedding/embedding": Place("visual.positional_embedding"),
    "vision_model/pre_layrnorm/scale": Place("visual.ln_pre.weight"),
    "vision_model/pre_layrnorm/bias": Place("visual.ln_pre.bias"),
    "vision_model/post_layernorm/scale": Place("visual.ln_post.weight"),
    "vision_model/post_layernorm/bias": Place("visual.ln_post.bias"),
    "visual_projection/kernel": Place("visual.proj"),
}
_IN_A_LAYER = {
    "layer_norm1/scale": Place("ln_1.weight"),
    "layer_norm1/bias": Place("ln_1.bias"),
    "self_attn/q_proj/kernel": Place("attn.in_proj_weight", "kernel", 0),
    "self_attn/k_proj/kernel": Place("attn.in_proj_weight", "kernel", 1),
    "self_attn/v_proj/kernel": Place("attn.in_proj_weight", "kernel", 2),
    "self_attn/q_proj/bias": Place("attn.in_proj_bias", "same", 0),
    "self_attn/k_proj/bias": Place("attn.in_proj_bias", "same", 1),
    "self_attn/v_proj/bias": Place("attn.in_proj_bias", "same", 2),
    "self_attn/out_proj/kernel": Place("attn.out_proj.weight", "kernel"),
    "self_attn/out_proj/bias": Place("attn.out_proj.bias"),
    "layer_norm2/scale": Place("ln_2.weight"),
    "layer_norm2/bias": Place("ln_2.bias"),
    "mlp/fc1/kernel": Place("mlp.c_fc.weight", "kernel"),
    "mlp/fc1/bias": Place("mlp.c_fc.bias"),
    "mlp/fc2/kernel": Place("mlp.c_proj.weight", "kernel"),
    "mlp/fc2/bias": Place("mlp.c_proj.bias"),
}
_LAYERS = {
    "text_model": "transformer.resblocks",
    "vision_model": "visual.transformer.resblocks",
}
_LAYER = re.compile(r"(text_model|vision_model)/encoder/layers/(\d+)/(.+)")

BUFFERS = ("attn_mask", "input_resolution", "context_length", "vocab_size")
"""What OpenAI's files hold beside parameters: the causal mask, and sizes that shapes tell too."""


def openclip_place(path: str) -> Place:
    """Return where the parameter at the key path ``path`` of the canonical tree lies.

    Raises:
      KeyError: A CLIP has no such parameter.

    Example:
      >>> openclip_place("vision_model/encoder/layers/3/mlp/fc1/bias").name
      'visual.transformer.resblocks.3.mlp.c_fc.bias'
    """
    layer = _LAYER.fullmatch(path)
    if layer is None:
        return _OUTSIDE_LAYERS[path]
    tower, index, rest = layer.groups()
    place = _IN_A_LAYER[rest]
    return dataclasses.replace(place, name=f"{_LAYERS[tower]}.{index}.{place.name}")


def is_openclip(names: set[str]) -> bool:
    """Return whether a file's tensors have OpenCLIP's names."""
    return any(name.endswith("visual.conv1.weight") for name in names)
