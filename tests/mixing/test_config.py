"""The configuration: what it refuses, and that it binds what it says."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.errors import InputError
from wiseft_jax.mixing import MixingConfig, cutout, mixup, smoothmix

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "cutmix", "prob": 1.5}, r"mixing.prob: expected a share in \[0, 1\], found 1.5"),
        ({"name": "smoothmix", "k": -1.0}, "mixing.k: expected a number >= 0"),
        ({"name": "smoothmix", "sigma": (0.5, 0.1)}, "mixing.sigma: expected two numbers"),
        ({"name": "mixup", "alpha": 0.0}, "mixing.alpha: expected a number > 0"),
        ({"name": "cutout", "size": 0.0}, "mixing.size: expected a fraction"),
        ({"name": "mixup", "off_last_epochs": -1.0}, "mixing.off_last_epochs"),
        ({"name": "random_choice", "choices": ()}, "mixing.choices: expected at least one"),
        ({"name": "random_choice", "choice_probs": (1.0,)}, "mixing.choice_probs: expected"),
        ({"name": "mixup", "kind": "square"}, "mixing.kind: has no meaning with mixing.name mixup"),
        ({"prob": 0.5}, "mixing.prob: has no meaning with mixing.name none"),
        ({"name": "cutout", "alpha": 1.0}, "mixing.alpha: has no meaning"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        MixingConfig(**options)


def test_whole_numbers_and_fractions_are_one_configuration():
    one, other = MixingConfig("mixup", prob=1, alpha=1), MixingConfig("mixup", prob=1.0, alpha=1.0)
    assert config_hash(one) == config_hash(other)


def test_builds_what_it_says():
    images = jax.random.normal(KEY, (4, 8, 8, 3))
    targets = jnp.eye(4)

    def same(config: MixingConfig, expected, **fill) -> None:
        for found, wanted in zip(config.build(**fill)(KEY, images, targets), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)

    assert MixingConfig().build() is None
    config = MixingConfig("smoothmix", kind="square", k=0.4, prob=0.5, mode="batch")
    options = {"kind": "square", "k": 0.4, "prob": 0.5, "mode": "batch"}
    same(config, smoothmix(KEY, images, targets, **options))
    same(MixingConfig("mixup"), mixup(KEY, images, targets))
    same(MixingConfig("mixup", alpha=3.0), mixup(KEY, images, targets, alpha=3.0))
    same(
        MixingConfig("cutout", size=0.9), cutout(KEY, images, targets, size=0.9, fill=7.0), fill=7.0
    )
