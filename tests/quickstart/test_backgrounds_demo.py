"""The miniature's facts: exact masks, the correlation that was asked for, the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from wiseft_jax.backgrounds.tiling import box_of_mask
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.quickstart.backgrounds_demo import (
    CLASS_NAMES,
    background_kinds,
    demo_images,
    textures,
)
from wiseft_jax.quickstart.backgrounds_demo_config import DemoConfig
from wiseft_jax.quickstart.data import mnist_splits


def test_masks_are_the_digits_and_boxes_are_tight():
    images = demo_images("validation")
    digits, labels = mnist_splits(0)["validation"]
    np.testing.assert_array_equal(images.masks, digits[..., 0] >= 96)
    np.testing.assert_array_equal(images.labels, labels)
    boxes = [box_of_mask(mask) for mask in images.masks]
    assert images.boxes.tolist() == [list(box) for box in boxes]
    assert images.class_names == tuple(sorted(CLASS_NAMES))
    inside = images.variant("only_fg") + images.variant("no_fg")
    np.testing.assert_array_equal(inside, images.images)


def test_a_digit_is_as_far_from_its_background_as_was_asked():
    quiet = DemoConfig(contrast=0.4, noise=0.0)
    images = demo_images("validation", quiet)
    values = images.images.astype(float) / 255
    for index in range(20):
        mask = images.masks[index]
        front = np.unique(values[index][mask])
        assert len(front) == 1  # one shade of grey, of no background's hue
        back = values[index][~mask].mean()
        assert abs(front[0] - back) == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_the_background_tells_the_class_as_often_as_was_asked(strength: float):
    labels = np.arange(20_000) % 10
    kinds = background_kinds(numpy_stream(0, "test"), labels, strength)
    share = (kinds == labels).mean()
    assert share == pytest.approx(strength + (1 - strength) / 10, abs=0.012)
    others = np.bincount((kinds - labels)[kinds != labels] % 10, minlength=10)[1:]
    assert strength == 1.0 or others.min() > 0.8 * others.mean()  # no other kind is preferred


def test_kinds_look_unlike_each_other():
    hues = [
        textures(numpy_stream(kind, "test"), np.full(50, kind)).mean((1, 2)) for kind in (0, 3, 7)
    ]
    centred = [hue - hue.mean(1, keepdims=True) for hue in hues]
    means = [each.mean(0) for each in centred]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        apart = np.abs(means[one] - means[other]).max()
        assert apart > 3 * max(centred[one].std(0).max(), centred[other].std(0).max())


def test_the_same_bytes_for_the_same_arguments_alone():
    one, again = demo_images("validation"), demo_images("validation")
    np.testing.assert_array_equal(one.images, again.images)
    assert (
        one.dataset("mixed_rand", 3).fingerprint() == again.dataset("mixed_rand", 3).fingerprint()
    )
    for other in (demo_images("validation", seed=1), demo_images("validation", DemoConfig(0.1))):
        assert not np.array_equal(one.images, other.images)


@pytest.mark.parametrize("field", ["strength", "contrast", "noise"])
def test_numbers_outside_are_refused(field: str):
    with pytest.raises(InputError, match=f"--{field}: expected a number in"):
        DemoConfig(**{field: 1.5})
