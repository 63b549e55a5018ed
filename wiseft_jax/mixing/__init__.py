"""Augmentations that mix images and their targets, on the device: SmoothMix and its family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Mixer": "mixer",
        "MixingConfig": "config",
        "cutmix": "pasted_box",
        "cutout": "filled_box",
        "mixup": "average",
        "random_choice": "choice",
        "smoothmix": "soft_mask",
        "smoothmix_mask": "soft_mask",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.mixing.average import mixup as mixup
    from wiseft_jax.mixing.choice import random_choice as random_choice
    from wiseft_jax.mixing.config import MixingConfig as MixingConfig
    from wiseft_jax.mixing.filled_box import cutout as cutout
    from wiseft_jax.mixing.mixer import Mixer as Mixer
    from wiseft_jax.mixing.pasted_box import cutmix as cutmix
    from wiseft_jax.mixing.soft_mask import smoothmix as smoothmix
    from wiseft_jax.mixing.soft_mask import smoothmix_mask as smoothmix_mask
