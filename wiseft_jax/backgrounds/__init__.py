"""Noise or Signal: images with other backgrounds, and how much a classifier leans on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "IMAGENET_TO_IN9": "in9",
        "IN9_CLASSES": "in9",
        "VARIANTS": "variants",
        "attack_success_rates": "challenge",
        "background_gap": "measures",
        "challenge_accuracy": "challenge",
        "compose": "composition",
        "evaluate_backgrounds": "evaluation",
        "image_categories": "measures",
        "pair_backgrounds": "pairing",
        "paper_fooled_rate": "challenge",
        "tile_background": "tiling",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.backgrounds.challenge import attack_success_rates as attack_success_rates
    from wiseft_jax.backgrounds.challenge import challenge_accuracy as challenge_accuracy
    from wiseft_jax.backgrounds.challenge import paper_fooled_rate as paper_fooled_rate
    from wiseft_jax.backgrounds.composition import compose as compose
    from wiseft_jax.backgrounds.evaluation import evaluate_backgrounds as evaluate_backgrounds
    from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9 as IMAGENET_TO_IN9
    from wiseft_jax.backgrounds.in9 import IN9_CLASSES as IN9_CLASSES
    from wiseft_jax.backgrounds.measures import background_gap as background_gap
    from wiseft_jax.backgrounds.measures import image_categories as image_categories
    from wiseft_jax.backgrounds.pairing import pair_backgrounds as pair_backgrounds
    from wiseft_jax.backgrounds.tiling import tile_background as tile_background
    from wiseft_jax.backgrounds.variants import VARIANTS as VARIANTS
