import dataclasses

import numpy as np
import pytest

from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.tiling import blacken_box, box_of_mask, tile_background
from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.core.errors import InputError


@pytest.fixture(scope="module")
def masked() -> MaskedImages:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (9, 12, 14, 3), np.uint8)
    masks = np.zeros((9, 12, 14), bool)
    for index in range(9):
        masks[index, 3 : 5 + index % 3, 4 : 6 + index % 4] = True
    boxes = np.asarray([box_of_mask(mask) for mask in masks])
    tiled = np.stack([tile_background(*pair) for pair in zip(images, boxes.tolist(), strict=True)])
    ids = tuple(f"image-{index}" for index in range(9))
    return MaskedImages(images, masks, tiled, boxes, np.arange(9) % 3, ("a", "b", "c"), ids)


@pytest.mark.parametrize("kind", VARIANTS)
def test_every_variant_is_made_pixel_by_pixel(masked: MaskedImages, kind: str):
    made = masked.variant(kind, seed=4)
    partner = masked.partners(kind, 4) if VARIANTS[kind].partner else np.arange(9)
    for index in range(9):
        image, inside = masked.images[index], masked.masks[index][..., None]
        box = tuple(masked.boxes[index].tolist())
        own, black = tile_background(image, box), np.zeros_like(image)
        expected = {
            "original": image,
            "only_bg_b": blacken_box(image, box),
            "only_bg_t": own,
            "no_fg": np.where(inside, black, image),
            "only_fg": np.where(inside, image, black),
        }.get(kind, np.where(inside, image, masked.tiled[partner[index]]))
        assert np.array_equal(made[index], expected)


def test_a_mixed_background_never_shows_another_object(masked: MaskedImages):
    poisoned_images = np.where(masked.masks[..., None], np.uint8(7), masked.images)
    poisoned = dataclasses.replace(masked, images=poisoned_images)
    outside = ~masked.masks
    for kind in ("mixed_same", "mixed_rand", "mixed_next"):
        assert np.array_equal(masked.variant(kind, 1)[outside], poisoned.variant(kind, 1)[outside])


def test_a_dataset_has_the_labels_and_the_name_of_the_variant(masked: MaskedImages):
    dataset = masked.dataset("mixed_next", seed=2)
    assert dataset.name == "mixed_next"
    assert dataset.labels.tolist() == masked.labels.tolist()
    assert dataset.class_names == ("a", "b", "c")
    assert np.array_equal(dataset.source.read(5), masked.variant("mixed_next", 2)[5])


def test_a_subset_keeps_what_belongs_together(masked: MaskedImages):
    part = masked.subset(np.asarray([8, 2]))
    assert part.ids == ("image-8", "image-2")
    assert np.array_equal(part.variant("only_bg_b")[1], masked.variant("only_bg_b")[2])


def test_shapes_that_do_not_fit_are_refused(masked: MaskedImages):
    with pytest.raises(InputError, match="ids: expected"):
        dataclasses.replace(masked, ids=("one",))
