"""A build from a data set of TensorFlow Datasets, with the masks that it has itself."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tests.backgrounds.disc_photos import disc
from tests.data.builders import CLASSES, MiniPhotos, encode, pixels, prepare_array_record
from wiseft_jax.backgrounds.build import build
from wiseft_jax.backgrounds.build_config import BuildConfig
from wiseft_jax.backgrounds.mask_files import read_mask
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.specs import open_source

SIDE = 12


class MiniPets(MiniPhotos):
    """Images with trimaps: 1 the pet, 2 background."""

    EXTRA = {"segmentation_mask": tfds.features.Image(shape=(None, None, 1))}  # noqa: RUF012

    def _generate_examples(self, split: str) -> Any:
        for key, example in super()._generate_examples(split):
            trimap = 2 - disc(key, 16, SIDE).astype(np.uint8)
            mask = io.BytesIO(encode(Image.fromarray(trimap)))
            yield key, {**example, "segmentation_mask": mask}


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_array_record(tmp_path_factory.mktemp("tfds"), MiniPets)


def test_masks_come_from_a_feature(pets: Path, tmp_path: Path):
    config = BuildConfig(
        f"tfds:{pets}:train",
        masks="feature:segmentation_mask",
        mask_foreground=("1",),
        size=SIDE,
    )
    build(config, tmp_path / "out", workers=1)
    release = open_release(tmp_path / "out")
    assert release.class_names == CLASSES
    assert len(release.dataset("mixed_same")) == 12
    source = open_source(f"tfds:{pets}:train")
    for index in range(12):
        number = int(source.feature(index, "number"))  # records are shuffled
        image_id = f"{CLASSES[number % 3]}/{index:06d}"
        mask = read_mask(release.mask_path(image_id), SIDE, SIDE)
        np.testing.assert_array_equal(mask, disc(number, 16, SIDE)[:, 2:14])
        with Image.open(tmp_path / "out" / "original" / "val" / f"{image_id}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), pixels(number)[:, 2:14])


def test_a_feature_that_is_not_there_is_refused(pets: Path, tmp_path: Path):
    config = BuildConfig(f"tfds:{pets}:train", masks="feature:segmentation", size=SIDE)
    with pytest.raises(InputError, match="Did you mean 'segmentation_mask'"):
        build(config, tmp_path / "out", workers=1)
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "dog").mkdir()
    for name in ("cat", "dog"):
        Image.fromarray(pixels(0)).save(tmp_path / "photos" / name / "a.png")
    config = BuildConfig(f"folder:{tmp_path / 'photos'}", masks="feature:mask", size=SIDE)
    with pytest.raises(InputError, match="only tfds: data sets have features"):
        build(config, tmp_path / "out", workers=1)
