"""A tiny CLIP from seeded NumPy numbers: a complete Hugging Face directory, no network, no torch.

The tensors are named by hand, in PyTorch's layout, so that they are an oracle for the converter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from wiseft_jax.clip.load import Clip

_MERGED_WORDS = ("a", "photo", "of", "the", "red", "blue", "green", "circle", "square", "digit")
_SIZES = {
    "image_size": 16,
    "patch_size": 8,
    "vision_width": 32,
    "vision_layers": 2,
    "vision_heads": 2,
    "text_width": 24,
    "text_layers": 1,
    "text_heads": 2,
    "projection": 16,
    "context": 32,
}


def tiny_tokenizer_files() -> dict[str, bytes]:
    """Return ``vocab.json`` and ``merges.txt`` of a byte-level BPE that merges a few words."""
    alphabet = list(_byte_characters())
    tokens = alphabet + [f"{character}</w>" for character in alphabet]
    merges: list[tuple[str, str]] = []
    for word in _MERGED_WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            pair = (pieces[0], pieces[1])
            if pair not in merges:
                merges.append(pair)
                tokens.append("".join(pair))
            pieces = ["".join(pair), *pieces[2:]]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    return {
        "vocab.json": json.dumps(vocabulary).encode(),
        "merges.txt": ("\n".join(lines) + "\n").encode(),
        "tokenizer_config.json": json.dumps(
            {
                "tokenizer_class": "CLIPTokenizer",
                "bos_token": "<|startoftext|>",
                "eos_token": "<|endoftext|>",
                "unk_token": "<|endoftext|>",
                "pad_token": "<|endoftext|>",
                "model_max_length": _SIZES["context"],
            }
        ).encode(),
    }


def tiny_config(
    hidden_act: str = "quick_gelu", eos_token_id: int | None = None, **sizes: int
) -> dict[str, Any]:
    """Return the content of ``config.json``; ``eos_token_id`` None is the tokenizer's own."""
    size = _all_sizes(sizes)
    vocabulary = json.loads(tiny_tokenizer_files()["vocab.json"])
    end = vocabulary["<|endoftext|>"]
    common = {"hidden_act": hidden_act, "projection_dim": size["projection"]}
    return {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "projection_dim": size["projection"],
        "logit_scale_init_value": 2.6592,  # the stored one is ln 100
        "text_config": {
            **common,
            "hidden_size": size["text_width"],
            "intermediate_size": size.get("text_hidden", 2 * size["text_width"]),
            "num_hidden_layers": size["text_layers"],
            "num_attention_heads": size["text_heads"],
            "max_position_embeddings": size["context"],
            "vocab_size": size.get("vocabulary", len(vocabulary)),
            "bos_token_id": 0 if eos_token_id == 2 else vocabulary["<|startoftext|>"],
            "eos_token_id": end if eos_token_id is None else eos_token_id,
            "pad_token_id": 1 if eos_token_id == 2 else end,
        },
        "vision_config": {
            **common,
            "hidden_size": size["vision_width"],
            "intermediate_size": size.get("vision_hidden", 2 * size["vision_width"]),
            "num_hidden_layers": size["vision_layers"],
            "num_attention_heads": size["vision_heads"],
            "image_size": size["image_size"],
            "patch_size": size["patch_size"],
        },
    }


def tiny_tensors(config: Mapping[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Return every tensor of the model in PyTorch's names and layout, float32."""
    rng = np.random.PCG64(seed)
    text, vision = config["text_config"], config["vision_config"]
    width, patch = vision["hidden_size"], vision["patch_size"]
    positions = (vision["image_size"] // patch) ** 2 + 1
    tensors: dict[str, np.ndarray] = {}

    def add(name: str, *shape: int, fan_in: int = 1, mean: float = 0.0) -> None:
        # Uniform numbers of unit variance from the raw bits, which no NumPy version changes.
        unit = (rng.random_raw(int(np.prod(shape))) >> np.uint64(40)).reshape(shape) / 2**24
        values = (2 * unit - 1) * np.sqrt(3 / fan_in) + mean
        tensors[name] = values.astype(np.float32)

    def norm(name: str, features: int) -> None:
        add(f"{name}.weight", features, fan_in=100, mean=1.0)
        add(f"{name}.bias", features, fan_in=100)

    def linear(name: str, out: int, fan_in: int) -> None:
        add(f"{name}.weight", out, fan_in, fan_in=fan_in)
        add(f"{name}.bias", out, fan_in=100)

    def encoder(tower: str, settings: Mapping[str, Any]) -> None:
        features, hidden = settings["hidden_size"], settings["intermediate_size"]
        for layer in range(settings["num_hidden_layers"]):
            prefix = f"{tower}.encoder.layers.{layer}"
            for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
                linear(f"{prefix}.self_attn.{projection}", features, features)
            norm(f"{prefix}.layer_norm1", features)
            linear(f"{prefix}.mlp.fc1", hidden, features)
            linear(f"{prefix}.mlp.fc2", features, hidden)
            norm(f"{prefix}.layer_norm2", features)

    add("text_model.embeddings.token_embedding.weight", text["vocab_size"], text["hidden_size"])
    add(
        "text_model.embeddings.position_embedding.weight",
        text["max_position_embeddings"],
        text["hidden_size"],
        fan_in=10,
    )
    encoder("text_model", text)
    norm("text_model.final_layer_norm", text["hidden_size"])
    add("vision_model.embeddings.class_embedding", width)
    add("vision_model.embeddings.patch_embedding.weight", width, 3, patch, patch, fan_in=3 * patch)
    add("vision_model.embeddings.position_embedding.weight", positions, width, fan_in=10)
    norm("vision_model.pre_layrnorm", width)  # transformers spells it so
    encoder("vision_model", vision)
    norm("vision_model.post_layernorm", width)
    out = config["projection_dim"]
    add("text_projection.weight", out, text["hidden_size"], fan_in=text["hidden_size"])
    add("visual_projection.weight", out, width, fan_in=width)
    tensors["logit_scale"] = np.array(np.log(100), np.float32)
    return tensors


def tiny_clip_directory(
    path: Path,
    *,
    seed: int = 0,
    hidden_act: str = "quick_gelu",
    eos_token_id: int | None = None,
    **sizes: int,
) -> Path:
    """Write a complete CLIP directory (PyTorch layout) and return its path.

    Args:
      path: The directory; made if missing.
      seed: Of the weights.
      hidden_act: ``"quick_gelu"`` or ``"gelu"``.
      eos_token_id: None for the tokenizer's own; 2 for OpenAI's legacy configuration.
      **sizes: ``image_size, patch_size, vision_width, vision_layers, vision_heads, text_width,
        text_layers, text_heads, projection, context, vocabulary, vision_hidden, text_hidden``.
    """
    from safetensors.numpy import save_file

    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    config = tiny_config(hidden_act, eos_token_id, **sizes)
    (path / "config.json").write_text(json.dumps(config))
    image_size = config["vision_config"]["image_size"]
    settings = {
        "size": {"shortest_edge": image_size},
        "crop_size": {"height": image_size, "width": image_size},
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
    }
    (path / "preprocessor_config.json").write_text(json.dumps(settings))
    for name, content in tiny_tokenizer_files().items():
        (path / name).write_bytes(content)
    save_file(tiny_tensors(config, seed), path / "model.safetensors", {"format": "pt"})
    return path


def tiny_clip(path: Path, **options: Any) -> Clip:
    """Write a tiny CLIP directory under ``path`` and load it; options as above, and ``dtype``."""
    from wiseft_jax.clip.load import load_clip

    dtype = options.pop("dtype", "float32")
    return load_clip(tiny_clip_directory(path, **options), dtype)


def tiny_images(count: int = 4, size: int = 16, seed: int = 0) -> np.ndarray:
    """Return smooth random images, uint8 ``[count, size, size, 3]``."""
    raw = np.random.PCG64(seed).random_raw(count * 48)
    coarse = (raw >> np.uint64(56)).astype(np.uint8).reshape(count, 4, 4, 3)
    repeat = -(-size // 4)
    return coarse.repeat(repeat, 1).repeat(repeat, 2)[:, :size, :size]


def _all_sizes(sizes: Mapping[str, int]) -> dict[str, int]:
    unknown = sizes.keys() - _SIZES.keys() - {"vocabulary", "vision_hidden", "text_hidden"}
    assert not unknown, f"unknown sizes {unknown}"
    return {**_SIZES, **sizes}


def _byte_characters() -> str:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    codes = dict(zip(printable, printable, strict=True))
    codes |= {byte: 256 + index for index, byte in enumerate(others)}
    return "".join(chr(codes[byte]) for byte in range(256))
