from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.small_release import small_images, write_small_release
from wiseft_jax.backgrounds.loading import even_choice, load_masked
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.core.errors import InputError

IMAGES = small_images()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_small_release(tmp_path / "set", IMAGES)


@pytest.mark.parametrize("limit", [1, 4, 9, 13, 20])
def test_a_limit_takes_as_many_of_each_class(limit: int):
    labels = np.repeat([0, 1, 2], [2, 9, 9])
    found = even_choice(labels, limit)
    assert len(found) == limit == len(set(found.tolist()))
    counts = np.bincount(labels[found], minlength=3)
    assert counts[1:].max() - counts[1:].min() <= 1
    assert counts[0] == min(2, -(-limit // 3))


def test_a_release_is_what_was_written(root: Path):
    found = load_masked(open_release(root))
    for field in ("images", "masks", "tiled", "boxes", "labels"):
        assert np.array_equal(getattr(found, field), getattr(IMAGES, field))
    assert found.ids == IMAGES.ids
    assert len(load_masked(open_release(root), 9)) == 9


def test_what_is_left_out_is_counted(root: Path, caplog: pytest.LogCaptureFixture):
    (root / "fg_mask" / "val" / f"{IMAGES.ids[2]}.npy").unlink()
    (root / "only_bg_t" / "val" / f"{IMAGES.ids[5]}.png").unlink()
    with caplog.at_level(logging.WARNING):
        found = load_masked(open_release(root))
    assert found.ids == tuple(each for at, each in enumerate(IMAGES.ids) if at not in (2, 5))
    assert "1 of 18 originals have no mask" in caplog.text
    assert "1 of 18 originals have no Only-BG-T image" in caplog.text


def test_bad_masks_and_sizes_are_named(root: Path):
    path = root / "fg_mask" / "val" / f"{IMAGES.ids[2]}.npy"
    for mask, said in (
        (np.zeros((8, 8), bool), "the mask is empty"),
        (np.ones((8, 8), bool), "the mask is full"),
        (np.ones((8, 9), bool), "expected a mask of 8 x 8"),
    ):
        np.save(path, mask)
        with pytest.raises(InputError, match=said):
            load_masked(open_release(root))
    other = root / "original" / "val" / f"{IMAGES.ids[3]}.png"
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(other)
    with pytest.raises(InputError, match="8 x 9 pixels; expected 8 x 8"):
        load_masked(open_release(root))
