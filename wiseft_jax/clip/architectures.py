"""The sizes of the published CLIPs: enough to build one without its weights.

Sources: OpenAI's from Radford et al. 2021 (arXiv 2103.00020), table 20, and the ``config.json``
files of ``openai/clip-vit-*``; LAION's from open_clip's ``model_configs`` and the ``config.json``
files of ``laion/CLIP-ViT-*``. LAION's models use the exact GELU, OpenAI's ``x * sigmoid(1.702 x)``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from wiseft_jax.core.errors import unknown_name


@dataclasses.dataclass(frozen=True)
class TransformerSizes:
    """One tower: hidden width, width of the MLP, layers, heads."""

    width: int
    mlp: int
    layers: int
    heads: int


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A published CLIP.

    Attributes:
      vision: The image tower.
      text: The text tower.
      patch_size: Pixels along a patch's side.
      image_size: Pixels along an image's side.
      projection: Width of the common space, D.
      hidden_act: The name of the activation.
      hub_ids: Where Hugging Face keeps weights of it.
    """

    vision: TransformerSizes
    text: TransformerSizes
    patch_size: int
    image_size: int
    projection: int
    hidden_act: str
    hub_ids: tuple[str, ...]


VOCABULARY, CONTEXT = 49408, 77

_BASE, _LARGE = TransformerSizes(768, 3072, 12, 12), TransformerSizes(1024, 4096, 24, 16)
_TEXT_512, _TEXT_768 = TransformerSizes(512, 2048, 12, 8), TransformerSizes(768, 3072, 12, 12)
_TEXT_1024 = TransformerSizes(1024, 4096, 24, 16)
_HUGE, _GIANT = TransformerSizes(1280, 5120, 32, 16), TransformerSizes(1408, 6144, 40, 16)
_BIG_G, _TEXT_1280 = TransformerSizes(1664, 8192, 48, 16), TransformerSizes(1280, 5120, 32, 20)

ARCHITECTURES: dict[str, Architecture] = {
    "ViT-B/32": Architecture(
        _BASE, _TEXT_512, 32, 224, 512, "quick_gelu", ("openai/clip-vit-base-patch32",)
    ),
    "ViT-B/16": Architecture(
        _BASE, _TEXT_512, 16, 224, 512, "quick_gelu", ("openai/clip-vit-base-patch16",)
    ),
    "ViT-L/14": Architecture(
        _LARGE, _TEXT_768, 14, 224, 768, "quick_gelu", ("openai/clip-vit-large-patch14",)
    ),
    "ViT-L/14@336px": Architecture(
        _LARGE, _TEXT_768, 14, 336, 768, "quick_gelu", ("openai/clip-vit-large-patch14-336",)
    ),
    "ViT-H/14": Architecture(
        _HUGE, _TEXT_1024, 14, 224, 1024, "gelu", ("laion/CLIP-ViT-H-14-laion2B-s32B-b79K",)
    ),
    "ViT-g/14": Architecture(
        _GIANT, _TEXT_1024, 14, 224, 1024, "gelu", ("laion/CLIP-ViT-g-14-laion2B-s12B-b42K",)
    ),
    "ViT-bigG/14": Architecture(
        _BIG_G, _TEXT_1280, 14, 224, 1280, "gelu", ("laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",)
    ),
}


def find_architecture(name: str) -> Architecture | None:
    """Return the architecture of a name (``"ViT-B/16"``) or of a hub id; None if there is none."""
    for key, architecture in ARCHITECTURES.items():
        if name == key or name.partition("@")[0] in architecture.hub_ids:
            return architecture
    return None


def architecture_of(config: Any) -> str | None:
    """Return the name of the published CLIP that a model has the sizes of; None: of none.

    Args:
      config: transformers' ``CLIPConfig``.
    """
    vision, text = config.vision_config, config.text_config
    for name, each in ARCHITECTURES.items():
        found = (vision.patch_size, vision.image_size, config.projection_dim)
        if found == (each.patch_size, each.image_size, each.projection) and (
            _sizes(vision) == each.vision and _sizes(text) == each.text
        ):
            return name
    return None


def _sizes(tower: Any) -> TransformerSizes:
    return TransformerSizes(
        width=tower.hidden_size,
        mlp=tower.intermediate_size,
        layers=tower.num_hidden_layers,
        heads=tower.num_attention_heads,
    )


def architecture_settings(name: str) -> dict[str, Any]:
    """Return the content of the ``config.json`` of a published CLIP.

    Args:
      name: A name of ``ARCHITECTURES``, or a hub id of one of them.

    Raises:
      InputError: If it is neither; suggests the nearest name.
    """
    found = find_architecture(name)
    if found is None:
        raise unknown_name("architecture", name, ARCHITECTURES)
    common = {"hidden_act": found.hidden_act, "projection_dim": found.projection}
    return {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "projection_dim": found.projection,
        "logit_scale_init_value": 2.6592,
        "text_config": {
            **common,
            **_tower_settings(found.text),
            "vocab_size": VOCABULARY,
            "max_position_embeddings": CONTEXT,
            "bos_token_id": VOCABULARY - 2,
            "eos_token_id": VOCABULARY - 1,
        },
        "vision_config": {
            **common,
            **_tower_settings(found.vision),
            "patch_size": found.patch_size,
            "image_size": found.image_size,
        },
    }


def _tower_settings(sizes: TransformerSizes) -> dict[str, int]:
    return {
        "hidden_size": sizes.width,
        "intermediate_size": sizes.mlp,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
    }
