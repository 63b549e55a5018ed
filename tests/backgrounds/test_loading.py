from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.small_release import small_images, write_small_release
from wiseft_jax.backgrounds.loading import even_choice, open_masked, read_images
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


@pytest.mark.parametrize("kind", ["mixed_same", "mixed_rand"])
def test_a_release_is_composed_as_in_memory(root: Path, kind: str):
    masked = open_masked(open_release(root))
    assert masked.image_ids == list(IMAGES.ids)
    partners = masked.partners(kind, 3)
    assert np.array_equal(partners, IMAGES.partners(kind, 3))
    at = np.asarray([7, 2, 11])
    masks = masked.read_masks(at, 8, 8)
    assert np.array_equal(masks, IMAGES.masks[at])
    found = masked.compose(IMAGES.images[at], masks, partners[at], kind)
    assert np.array_equal(found, IMAGES.variant(kind, 3)[at])


def test_what_is_left_out_is_counted(root: Path, caplog: pytest.LogCaptureFixture):
    """Nor does it lend its background; the other of its class is without a partner then."""
    (root / "fg_mask" / "val" / f"{IMAGES.ids[2]}.npy").unlink()
    (root / "only_bg_t" / "val" / f"{IMAGES.ids[5]}.png").unlink()
    with caplog.at_level(logging.WARNING):
        masked = open_masked(open_release(root))
    assert np.flatnonzero(~masked.whole).tolist() == [2, 5]
    assert "1 of 18 originals have no mask" in caplog.text
    assert "1 of 18 originals have no Only-BG-T image" in caplog.text
    partners = masked.partners("mixed_rand", 0)
    assert np.flatnonzero(partners < 0).tolist() == [2, 5]
    assert not np.isin([2, 5], partners).any()
    with pytest.raises(InputError, match="mixed_same: expected at least 2"):
        masked.partners("mixed_same", 0)


def test_a_release_without_masks_is_refused(root: Path):
    for path in (root / "fg_mask").rglob("*.npy"):
        path.unlink()
    with pytest.raises(InputError, match="no original has both a mask and an Only-BG-T"):
        open_masked(open_release(root))
    shutil.rmtree(root / "fg_mask")
    with pytest.raises(InputError, match="there is no fg_mask/val"):
        open_masked(open_release(root))


def test_bad_masks_and_sizes_are_named(root: Path):
    path = root / "fg_mask" / "val" / f"{IMAGES.ids[2]}.npy"
    masked, at = open_masked(open_release(root)), np.asarray([1, 2])
    for mask, said in (
        (np.zeros((8, 8), bool), "the mask is empty"),
        (np.ones((8, 8), bool), "the mask is full"),
        (np.ones((8, 9), bool), "expected a mask of 8 x 8"),
    ):
        np.save(path, mask)
        with pytest.raises(InputError, match=f"{path.name}: {said}"):
            masked.read_masks(at, 8, 8)
    large = IMAGES.images[at].repeat(2, 1)
    with pytest.raises(InputError, match="only_bg_t's images are 8 x 8, the originals 8 x 16"):
        masked.compose(large, IMAGES.masks[at].repeat(2, 1), at, "mixed_rand")
    other = root / "original" / "val" / f"{IMAGES.ids[3]}.png"
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(other)
    with pytest.raises(InputError, match="8 x 9 pixels; expected 8 x 8"):
        read_images(open_release(root).dataset("original"), np.arange(5))
