"""The sizes of the published CLIPs: facts, without weights."""

from __future__ import annotations

import dataclasses
from typing import Any

from wiseft_jax.clip.load import make_config
from wiseft_jax.core.errors import unknown_name

_VOCABULARY, _CONTEXT = 49408, 77  # of OpenAI's tokenizer, which all of them use


@dataclasses.dataclass(frozen=True)
class Encoder:
    """A transformer's sizes.

    Attributes:
      width: Of the residual stream.
      hidden: Of the MLP.
      layers: How many.
      heads: How many in a layer.
    """

    width: int
    hidden: int
    layers: int
    heads: int

    def settings(self) -> dict[str, int]:
        """Return them under Hugging Face's names."""
        return {
            "hidden_size": self.width,
            "intermediate_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
        }


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A CLIP's sizes.

    Attributes:
      vision: The image tower.
      text: The text tower.
      image_size: Pixels along a side.
      patch_size: Pixels along a patch's side.
      projection: Width of the common space.
      activation: ``quick_gelu`` or ``gelu``.
    """

    vision: Encoder
    text: Encoder
    image_size: int
    patch_size: int
    projection: int
    activation: str


_BASE, _BASE_TEXT = Encoder(768, 3072, 12, 12), Encoder(512, 2048, 12, 8)
_LARGE, _LARGE_TEXT = Encoder(1024, 4096, 24, 16), Encoder(768, 3072, 12, 12)

# The first four: Radford et al. 2021 (CLIP, arXiv 2103.00020), table 20, and config.json of
# openai/clip-vit-*. The others: src/open_clip/model_configs of mlfoundations/open_clip (Cherti et
# al. 2022, arXiv 2212.07143), where the hidden widths of g and bigG are ratios, 4.3637 and 4.9231.
ARCHITECTURES: dict[str, Architecture] = {
    "ViT-B/32": Architecture(_BASE, _BASE_TEXT, 224, 32, 512, "quick_gelu"),
    "ViT-B/16": Architecture(_BASE, _BASE_TEXT, 224, 16, 512, "quick_gelu"),
    "ViT-L/14": Architecture(_LARGE, _LARGE_TEXT, 224, 14, 768, "quick_gelu"),
    "ViT-L/14@336px": Architecture(_LARGE, _LARGE_TEXT, 336, 14, 768, "quick_gelu"),
    "ViT-H/14": Architecture(
        Encoder(1280, 5120, 32, 16), Encoder(1024, 4096, 24, 16), 224, 14, 1024, "gelu"
    ),
    "ViT-g/14": Architecture(
        Encoder(1408, 6144, 40, 16), Encoder(1024, 4096, 24, 16), 224, 14, 1024, "gelu"
    ),
    "ViT-bigG/14": Architecture(
        Encoder(1664, 8192, 48, 16), Encoder(1280, 5120, 32, 20), 224, 14, 1280, "gelu"
    ),
}


def clip_config(name: str, *, layers: int | None = None) -> Any:
    """Return transformers' ``CLIPConfig`` of a published CLIP.

    Args:
      name: A key of ``ARCHITECTURES``.
      layers: How many layers of each tower, to try the true widths at less depth; all by default.

    Raises:
      InputError: An unknown name.

    Example:
      >>> clip_config("ViT-B/16").vision_config.patch_size
      16
    """
    if name not in ARCHITECTURES:
        raise unknown_name("architecture", name, ARCHITECTURES)
    sizes = ARCHITECTURES[name]
    common = {"projection_dim": sizes.projection, "hidden_act": sizes.activation}
    depth = {} if layers is None else {"num_hidden_layers": layers}
    text = {"vocab_size": _VOCABULARY, "max_position_embeddings": _CONTEXT}
    vision = {"image_size": sizes.image_size, "patch_size": sizes.patch_size}
    return make_config(
        {
            "projection_dim": sizes.projection,
            "text_config": {**common, **sizes.text.settings(), **text, **depth},
            "vision_config": {**common, **sizes.vision.settings(), **vision, **depth},
        }
    )
