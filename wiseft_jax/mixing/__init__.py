"""Augmentations that mix images and their targets, on the device: SmoothMix and its family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Mixer": "mixer",
        "MixingConfig": "config",
        "cutmix": "cutmix",
        "cutout": "cutout",
        "mixup": "mixup",
        "random_choice": "random_choice",
        "smoothmix": "smoothmix",
        "smoothmix_mask": "smoothmix",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.mixing.config import MixingConfig as MixingConfig
    from wiseft_jax.mixing.cutmix import cutmix as cutmix
    from wiseft_jax.mixing.cutout import cutout as cutout
    from wiseft_jax.mixing.mixer import Mixer as Mixer
    from wiseft_jax.mixing.mixup import mixup as mixup
    from wiseft_jax.mixing.random_choice import random_choice as random_choice
    from wiseft_jax.mixing.smoothmix import smoothmix as smoothmix
    from wiseft_jax.mixing.smoothmix import smoothmix_mask as smoothmix_mask
