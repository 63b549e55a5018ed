"""A configuration of each mixer, and of each of its kinds."""

from __future__ import annotations

from wiseft_jax.mixing import MixingConfig

ALL = (
    MixingConfig("smoothmix"),
    MixingConfig("smoothmix", kind="square", pairing="flip"),
    MixingConfig("smoothmix", kind="square", k=0.0, pairing="permutation"),
    MixingConfig("cutmix"),
    MixingConfig("cutout"),
    MixingConfig("mixup"),
    MixingConfig("random_choice", choices=("mixup", "cutmix", "smoothmix")),
    MixingConfig("random_choice", choices=("cutout", "cutmix"), choice_probs=(0.3, 0.7)),
)
