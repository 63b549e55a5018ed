"""Tiny OpenCLIP checkpoints from seeded numbers, named by hand: an oracle for the converter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.tiny import tiny_tokenizer_files

VARIANTS: dict[str, dict[str, Any]] = {
    "quick_gelu": {"seed": 21, "quick_gelu": True},
    "gelu": {"seed": 22, "quick_gelu": False, "head_width": 8, "mlp_ratio": 1.6},
}
"""What the golden files were made from: options of ``tiny_openclip_directory``."""

TEXTS = ("a photo of a red circle", "x", "the blue square")


def tiny_model_cfg(
    quick_gelu: bool = True, head_width: int = 16, mlp_ratio: float = 2.0
) -> dict[str, Any]:
    """Return an OpenCLIP ``model_cfg``."""
    vocabulary = len(json.loads(tiny_tokenizer_files()["vocab.json"]))
    vision = {"image_size": 16, "layers": 2, "width": 32, "patch_size": 8}
    text = {"context_length": 24, "vocab_size": vocabulary, "width": 24, "heads": 3, "layers": 1}
    return {
        "embed_dim": 20,
        "quick_gelu": quick_gelu,
        "vision_cfg": {**vision, "head_width": head_width, "mlp_ratio": mlp_ratio},
        "text_cfg": {**text, "mlp_ratio": mlp_ratio},
    }


def tiny_openclip_tensors(cfg: Mapping[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Return the state dict of ``open_clip.model.CLIP``, float32."""
    rng = np.random.PCG64(seed)
    vision, text, out = cfg["vision_cfg"], cfg["text_cfg"], cfg["embed_dim"]
    tensors: dict[str, np.ndarray] = {}

    def add(name: str, *shape: int, scale: float = 0.3, mean: float = 0.0) -> None:
        unit = (rng.random_raw(int(np.prod(shape))) >> np.uint64(40)).reshape(shape) / 2**24
        tensors[name] = ((2 * unit - 1) * scale + mean).astype(np.float32)

    def norm(name: str, width: int) -> None:
        add(f"{name}.weight", width, mean=1.0)
        add(f"{name}.bias", width)

    def blocks(prefix: str, width: int, layers: int, ratio: float) -> None:
        for layer in range(layers):
            block, hidden = f"{prefix}.resblocks.{layer}", int(width * ratio)
            norm(f"{block}.ln_1", width)
            add(f"{block}.attn.in_proj_weight", 3 * width, width)
            add(f"{block}.attn.in_proj_bias", 3 * width)
            add(f"{block}.attn.out_proj.weight", width, width)
            add(f"{block}.attn.out_proj.bias", width)
            norm(f"{block}.ln_2", width)
            add(f"{block}.mlp.c_fc.weight", hidden, width)
            add(f"{block}.mlp.c_fc.bias", hidden)
            add(f"{block}.mlp.c_proj.weight", width, hidden)
            add(f"{block}.mlp.c_proj.bias", width)

    width, patch = vision["width"], vision["patch_size"]
    add("positional_embedding", text["context_length"], text["width"])
    add("text_projection", text["width"], out)
    tensors["logit_scale"] = np.array(np.log(100), np.float32)
    add("visual.class_embedding", width)
    add("visual.positional_embedding", (vision["image_size"] // patch) ** 2 + 1, width)
    add("visual.proj", width, out)
    add("visual.conv1.weight", width, 3, patch, patch)
    norm("visual.ln_pre", width)
    blocks("visual.transformer", width, vision["layers"], vision["mlp_ratio"])
    norm("visual.ln_post", width)
    blocks("transformer", text["width"], text["layers"], text["mlp_ratio"])
    add("token_embedding.weight", text["vocab_size"], text["width"], scale=1.0)
    norm("ln_final", text["width"])
    return tensors


def tiny_openclip_directory(path: Path, *, seed: int = 0, **options: Any) -> Path:
    """Write a directory as ``open_clip.push_to_hf_hub`` does, and return its path.

    Args:
      path: The directory; made if missing.
      seed: Of the weights.
      **options: Of ``tiny_model_cfg``.
    """
    from safetensors.numpy import save_file

    path.mkdir(parents=True, exist_ok=True)
    cfg = tiny_model_cfg(**options)
    preprocess = {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    content = {"model_cfg": cfg, "preprocess_cfg": preprocess}
    (path / "open_clip_config.json").write_text(json.dumps(content))
    for name, file in tiny_tokenizer_files().items():
        (path / name).write_bytes(file)
    save_file(tiny_openclip_tensors(cfg, seed), path / "open_clip_model.safetensors")
    return path


def tensors_digest(tensors: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of names, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].shape}\n".encode() + tensors[name].tobytes())
    return digest.hexdigest()


def shapes_digest(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the SHA-256 of names and shapes."""
    lines = [f"{name} {list(shape)}\n" for name, shape in sorted(shapes.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


POSITION_GRIDS = ((2, 5), (7, 14), (8, 12), (12, 8), (7, 3))
"""From how many patches along a side to how many: what the golden of positions holds."""


def position_rows(side: int) -> np.ndarray:
    """Return a position embedding, float32 ``[side ** 2 + 1, 4]``."""
    raw = np.random.PCG64(side).random_raw((side * side + 1) * 4) >> np.uint64(40)
    return (raw.reshape(-1, 4) / 2**23 - 1).astype(np.float32)
