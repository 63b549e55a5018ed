from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.small_release import small_images, write_small_release
from wiseft_jax.backgrounds.attack_images import prepare
from wiseft_jax.backgrounds.build_crop import Crop
from wiseft_jax.backgrounds.composed_source import composed_dataset
from wiseft_jax.backgrounds.feeding import fed_images, fed_mask, how_fed, preprocess_of
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.pipeline import load_image
from wiseft_jax.data.transforms import eval_transform

IMAGES = small_images()


def test_images_of_the_models_size_are_fed_as_they_are():
    """Even where the model's own preprocessing would enlarge them before its crop."""
    preprocess = Preprocess(size=8, resize=10)
    assert fed_images(IMAGES.images, preprocess) is IMAGES.images
    mask = IMAGES.masks[0]
    assert fed_mask(mask, preprocess) is mask
    assert how_fed(8, 8, preprocess) == "fed without resizing (8 x 8)"


def test_the_evaluations_pipeline_feeds_a_set_alike():
    dataset = IMAGES.dataset("original")
    for preprocess in (Preprocess(8, 9), Preprocess(6, 7), Preprocess(9, 9)):
        transform = eval_transform(preprocess_of(dataset, preprocess))
        found = np.stack([transform(load_image(dataset, at)) for at in range(len(dataset))])
        assert np.array_equal(found, fed_images(IMAGES.images, preprocess))


def test_a_set_of_which_some_images_are_of_the_models_size_is_refused(tmp_path: Path):
    release = open_release(write_small_release(tmp_path, IMAGES))
    dataset = release.dataset("original")
    assert preprocess_of(dataset, Preprocess(8, 9)).resize == 8
    last = Path(dataset.id(len(dataset) - 1))
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(last)
    for changed in (dataset, composed_dataset(release, "only_fg")):
        with pytest.raises(InputError, match=rf"the others aren't \(.*{last.name}\)"):
            preprocess_of(changed, Preprocess(8, 9))
        assert preprocess_of(changed, Preprocess(6, 7)) == Preprocess(6, 7)


def test_others_are_prepared_with_their_masks():
    preprocess = Preprocess(size=16, resize=16, interpolation="nearest")
    found = fed_images(IMAGES.images, preprocess)
    assert np.array_equal(found, IMAGES.images.repeat(2, 1).repeat(2, 2))
    for mask in IMAGES.masks:
        assert np.array_equal(fed_mask(mask, preprocess), mask.repeat(2, 0).repeat(2, 1))
    assert how_fed(8, 8, preprocess) == "8 x 8 resized to 16 (nearest)"
    assert (
        how_fed(8, 8, Preprocess(size=4, resize=6)) == "8 x 8 resized to 6 (bicubic), 4 x 4 cropped"
    )


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest", "lanczos"])
@pytest.mark.parametrize(
    ("height", "width", "size"), [(24, 24, 8), (17, 30, 9), (30, 17, 9), (5, 7, 12)]
)
def test_a_mask_is_resized_by_one_rule_everywhere(
    height: int, width: int, size: int, interpolation: str
):
    """To the nearest, whatever the image's interpolation; the crop's middle is the image's."""
    mask = np.random.default_rng(0).random((height, width)) < 0.5
    preprocess = Preprocess(size=size, resize=size, interpolation=interpolation)  # type: ignore[arg-type]
    found = fed_mask(mask, preprocess)
    grey = Image.fromarray(mask.astype(np.uint8))
    shape = (
        (size, int(size * height / width)) if width < height else (int(size * width / height), size)
    )
    resized = np.asarray(grey.resize(shape, Image.Resampling.NEAREST)).astype(bool)
    top, left = (resized.shape[0] - size) // 2, (resized.shape[1] - size) // 2
    assert np.array_equal(found, resized[top : top + size, left : left + size])
    assert np.array_equal(prepare(mask, preprocess), found)  # the attack's
    assert np.array_equal(Crop(width, height, size).mask(mask), found)  # a build's
