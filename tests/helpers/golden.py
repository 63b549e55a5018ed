"""What the CLIP golden files were made from; shared by the test and by scripts/make_goldens.py."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from wiseft_jax.clip.prompts import PROMPT_SETS

VARIANTS: dict[str, dict[str, Any]] = {
    "quick_gelu": {"seed": 11, "hidden_act": "quick_gelu", "text_layers": 2},
    "gelu_legacy_eos": {
        "seed": 12,
        "hidden_act": "gelu",
        "eos_token_id": 2,
        "image_size": 24,
        "patch_size": 8,
        "vision_layers": 1,
        "vision_width": 48,
        "vision_heads": 3,
        "text_layers": 2,
        "projection": 20,
        "context": 24,
    },
}
CLASS_NAMES = ("red circle", "blue square", "digit", "green café", "x")
TEMPLATES = PROMPT_SETS["imagenet"].templates[::10]
TEXTS = (
    "a photo of a red circle.",
    "x",
    "a very long text whose words the tokenizer splits into far more tokens than the model reads",
    "The DIGIT  seven,\tin blue!",
    "naïve 日本 ☃",
)


def weights_digest(directory: Path) -> str:
    """Return the SHA-256 of the stored weights and configuration."""
    digest = hashlib.sha256((directory / "model.safetensors").read_bytes())
    digest.update((directory / "config.json").read_bytes())
    digest.update((directory / "vocab.json").read_bytes())
    return digest.hexdigest()
