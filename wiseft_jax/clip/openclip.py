"""OpenCLIP's checkpoints: their weights and ``open_clip_config.json``, to and from our own.

Source: open_clip 3.3.0, ``model.py`` and ``model_configs``. Of its options a plain CLIP is
supported; whatever else a configuration asks for is refused by name.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.clip.convert import from_places, to_places
from wiseft_jax.clip.hub import OPENCLIP_CONFIG
from wiseft_jax.clip.openclip_names import BUFFERS, openclip_place
from wiseft_jax.clip.reading import Reading
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.typing import Params, PyTree

LEGACY_EOS = 2
"""transformers' word for pooling texts at their largest id, which is what OpenCLIP does."""

_HEAD_WIDTH = 64  # open_clip's default
_READ = {
    "embed_dim", "vision_cfg", "text_cfg", "quick_gelu",
    "layers", "width", "head_width", "heads", "mlp_ratio", "patch_size", "image_size",
    "context_length", "vocab_size",
}  # fmt: skip
_WITHOUT_EFFECT = {
    "custom_text", "output_dict", "output_tokens", "init_logit_scale", "patch_dropout",
    "hf_tokenizer_name", "attn_pooler_queries", "attn_pooler_heads", "eos_id", "pad_id",
    "timm_pool", "timm_proj", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type",
}  # fmt: skip
_PLAIN = {"pos_embed_type": "learnable", "block_type": "default", "proj_type": "linear"}
_POOLS = {"vision_cfg": "tok", "text_cfg": "argmax"}

_log = logging.getLogger(__name__)


def from_openclip(
    tensors: Mapping[str, np.ndarray],
    template: PyTree,
    source: str = "the checkpoint",
    reading: Reading | None = None,
    described_by: str | None = OPENCLIP_CONFIG,
) -> Params:
    """Return OpenCLIP's tensors as the canonical tree; strict, float32.

    Query, key and value, which lie in one tensor there, are split. OpenAI's buffers are ignored.

    Args:
      tensors: Name -> array, from ``core.tensors.read_tensors``.
      template: A tree of shapes, a whole CLIP or some of its keys.
      source: What to call the checkpoint in an error.
      reading: What may be missing or in excess; None where nothing may, and no option says so.
      described_by: The file that says the sizes; None where the tensors' own shapes do.

    Returns:
      The tree, float32 host arrays.

    Raises:
      InputError: Lists every key that is missing, unknown, misshapen, not floating or not finite.
    """
    named = plain_names(tensors)
    return from_places(named, template, openclip_place, source, reading, described_by)


def to_openclip(params: Params) -> dict[str, np.ndarray]:
    """Return a canonical tree under OpenCLIP's names; the inverse of ``from_openclip``.

    Args:
      params: A whole CLIP, or some of its keys.

    Returns:
      Name -> C-contiguous host array in the leaf's own dtype.
    """
    return to_places(params, openclip_place)


def plain_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return tensors by the names of open_clip's ``CLIP`` class, without buffers.

    ``CustomTextCLIP`` has the text tower under ``text.``, and ``DataParallel`` all of a model under
    ``module.``.
    """
    named = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return {
        name.removeprefix("text."): tensor for name, tensor in named.items() if name not in BUFFERS
    }


def read_openclip_config(directory: Path) -> dict[str, Any]:
    """Return ``open_clip_config.json``: ``{"model_cfg", "preprocess_cfg"}``.

    Raises:
      InputError: It is not JSON, or not OpenCLIP's.
    """
    path = directory / OPENCLIP_CONFIG
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}).") from error
    model = content.get("model_cfg") if isinstance(content, dict) else None
    if not isinstance(model, dict):
        raise InputError(f"{path}: expected an object 'model_cfg', as OpenCLIP writes it.")
    for name in ("vision_cfg", "text_cfg"):
        if not isinstance(model.get(name), dict):
            raise InputError(f"{path}: expected an object model_cfg.{name}.")
    return content


def openclip_settings(model: Mapping[str, Any], source: str, reading: Reading) -> dict[str, Any]:
    """Return the content of the ``config.json`` that describes the same CLIP as a ``model_cfg``.

    Args:
      model: OpenCLIP's ``model_cfg``.
      source: The file to name.
      reading: Its ``activation`` overrules the file's, in a line that says so.

    Raises:
      InputError: Names a field that asks for another architecture, or that is missing.
    """
    _check_plain(model, source)
    vision, text = model["vision_cfg"], model["text_cfg"]
    stated = "quick_gelu" if model.get("quick_gelu") else "gelu"
    activation = stated if reading.activation == "auto" else reading.activation
    if activation != stated:
        _log.warning("%s says %s; %s is used, as asked for", source, stated, activation)
    _log.info("%s: OpenCLIP's layout, activation %s", source, activation)
    try:
        width = int(vision.get("width", 768))
        vision_settings = {
            "hidden_size": width,
            "intermediate_size": int(width * vision.get("mlp_ratio", 4.0)),
            "num_hidden_layers": int(vision.get("layers", 12)),
            "num_attention_heads": width // int(vision.get("head_width", _HEAD_WIDTH)),
            "image_size": int(vision.get("image_size", 224)),
            "patch_size": int(vision.get("patch_size", 16)),
        }
        width = int(text.get("width", 512))
        text_settings = {
            "hidden_size": width,
            "intermediate_size": int(width * text.get("mlp_ratio", 4.0)),
            "num_hidden_layers": int(text.get("layers", 12)),
            "num_attention_heads": int(text.get("heads", 8)),
            "max_position_embeddings": int(text.get("context_length", 77)),
            "vocab_size": int(text.get("vocab_size", 49408)),
        }
        return clip_settings(vision_settings, text_settings, int(model["embed_dim"]), activation)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"{source}: model_cfg can't be read ({error!r}).") from error


def clip_settings(
    vision: Mapping[str, Any], text: Mapping[str, Any], projection: int, activation: str
) -> dict[str, Any]:
    """Return a ``config.json`` from the sizes of two towers; texts are pooled as in OpenCLIP."""
    common = {"projection_dim": projection, "hidden_act": activation}
    special = {"bos_token_id": 0, "eos_token_id": LEGACY_EOS, "pad_token_id": 1}
    return {
        "model_type": "clip",
        "projection_dim": projection,
        "logit_scale_init_value": 2.6592,
        "vision_config": {**common, **vision},
        "text_config": {**common, **text, **special},
    }


def openclip_config(config: Any, preprocess: Preprocess) -> dict[str, Any]:
    """Return the content of an ``open_clip_config.json``; the inverse of ``openclip_settings``.

    Args:
      config: transformers' ``CLIPConfig``.
      preprocess: How images are prepared.

    Raises:
      InputError: Names what OpenCLIP can't say.
    """
    vision, text = config.vision_config, config.text_config
    activations = {vision.hidden_act, text.hidden_act}
    if len(activations) > 1 or not activations <= {"gelu", "quick_gelu"}:
        raise InputError(
            f"hidden_act is {sorted(activations)}; OpenCLIP knows gelu or quick_gelu, for both"
            " towers. Export this model with --format hf."
        )
    if {vision.layer_norm_eps, text.layer_norm_eps} != {1e-5}:
        raise InputError("layer_norm_eps isn't 1e-5, OpenCLIP's; export with --format hf.")
    if preprocess.resize != preprocess.size:
        raise InputError(
            f"images are resized to {preprocess.resize} and cropped to {preprocess.size}; OpenCLIP"
            " resizes to the size that it crops. Export this model with --format hf."
        )
    return {
        "model_cfg": {
            "embed_dim": config.projection_dim,
            "quick_gelu": activations == {"quick_gelu"},
            "vision_cfg": {
                "image_size": vision.image_size,
                "layers": vision.num_hidden_layers,
                "width": vision.hidden_size,
                "head_width": vision.hidden_size // vision.num_attention_heads,
                "mlp_ratio": _ratio(vision),
                "patch_size": vision.patch_size,
            },
            "text_cfg": {
                "context_length": text.max_position_embeddings,
                "vocab_size": text.vocab_size,
                "width": text.hidden_size,
                "heads": text.num_attention_heads,
                "layers": text.num_hidden_layers,
                "mlp_ratio": _ratio(text),
            },
        },
        "preprocess_cfg": {
            "mean": list(preprocess.mean),
            "std": list(preprocess.std),
            "interpolation": preprocess.interpolation,
            "resize_mode": "shortest",
        },
    }


def openclip_preprocess(content: Mapping[str, Any], size: int, source: str) -> Preprocess:
    """Return how images are prepared, from an ``open_clip_config.json``.

    Args:
      content: The file's.
      size: Side of the model's images in pixels.
      source: The file to name.

    Raises:
      InputError: It asks for what isn't supported.
    """
    stated, default = content.get("preprocess_cfg") or {}, Preprocess()
    mode = stated.get("resize_mode", "shortest")
    if mode != "shortest":
        raise InputError(
            f"{source}: resize_mode is {mode!r}; only 'shortest' (resize, then crop the centre) is"
            " supported."
        )
    interpolation = stated.get("interpolation", "bicubic")
    if interpolation not in ("bicubic", "bilinear"):
        raise InputError(f"{source}: interpolation is {interpolation!r}; bicubic or bilinear.")
    mean, std = stated.get("mean", default.mean), stated.get("std", default.std)
    try:
        (red, green, blue), (r, g, b) = (map(float, each) for each in (mean, std))
    except (TypeError, ValueError) as error:
        raise InputError(f"{source}: mean and std: expected three numbers each.") from error
    return Preprocess(size, size, (red, green, blue), (r, g, b), interpolation)


def _ratio(tower: Any) -> float:
    """The MLP's width over the tower's, such that OpenCLIP's ``int(width * ratio)`` gives it."""
    ratio = tower.intermediate_size / tower.hidden_size
    if int(tower.hidden_size * ratio) != tower.intermediate_size:
        ratio = math.nextafter(ratio, math.inf)
    return ratio


def _check_plain(model: Mapping[str, Any], source: str) -> None:
    """Raise if a ``model_cfg`` asks for more than a plain CLIP."""
    wrong = []
    for part, fields in (("", model), *((name, model[name]) for name in _POOLS)):
        for field, value in fields.items():
            expected = {**_PLAIN, "pool_type": _POOLS.get(part)}.get(field)
            known = field in _READ or field in _WITHOUT_EFFECT
            if not known and value not in (None, False, {}, expected):
                wrong.append(f"{part}.{field} = {value!r}".removeprefix("."))
    if not isinstance(model["vision_cfg"].get("layers", 12), int):
        wrong.append("vision_cfg.layers is a list (a ResNet)")
    if wrong:
        raise InputError(
            f"{source}: not a plain CLIP, which is what can be read: {'; '.join(wrong)}."
        )
