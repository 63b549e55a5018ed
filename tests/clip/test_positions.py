"""Interpolated positions; the golden is PyTorch's (scripts/make_golden_openclip.py)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.helpers.tiny import tiny_clip_directory, tiny_images
from tests.helpers.tiny_openclip import POSITION_GRIDS, position_rows
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.positions import resize_positions
from wiseft_jax.clip.reading import Reading
from wiseft_jax.core.errors import InputError

GOLDEN = Path(__file__).parent.parent / "golden" / "openclip_positions.npz"


@pytest.mark.parametrize(("side", "grid"), POSITION_GRIDS)
def test_positions_are_those_of_openclip(side: int, grid: int):
    with np.load(GOLDEN, allow_pickle=False) as file:
        expected = file[f"{side}_to_{grid}"]
    found = resize_positions(position_rows(side), grid)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_class_token_stays_and_so_does_what_is_constant():
    rows = np.ones((17, 3), np.float32)
    rows[0] = [5, 6, 7]
    found = resize_positions(rows, 7)
    np.testing.assert_array_equal(found[0], [5, 6, 7])
    np.testing.assert_allclose(found[1:], np.ones((49, 3)), atol=1e-6)


def test_flips_and_turns_go_through():
    rows = position_rows(5)
    square = rows[1:].reshape(5, 5, -1)
    for change in (lambda x: x[::-1], lambda x: x[:, ::-1], lambda x: x.swapaxes(0, 1)):
        changed = np.concatenate([rows[:1], change(square).reshape(25, -1)])
        found = resize_positions(changed, 8)[1:].reshape(8, 8, -1)
        expected = change(resize_positions(rows, 8)[1:].reshape(8, 8, -1))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_same_grid_changes_no_bit():
    rows = position_rows(4)
    np.testing.assert_array_equal(resize_positions(rows, 4), rows)


def test_rows_that_are_no_square_are_refused():
    with pytest.raises(InputError, match="x: the position embedding has 7 rows; expected one more"):
        resize_positions(np.zeros((7, 2), np.float32), 3, "x")


def test_a_clip_is_loaded_at_another_resolution_and_says_so(tmp_path: Path, caplog: Any):
    caplog.set_level(logging.INFO)
    directory = tiny_clip_directory(tmp_path, vision_layers=1)
    own, clip = load_clip(directory), load_clip(directory, reading=Reading(image_size=32))
    assert "from 2 x 2 to 4 x 4 patches; images of 32 pixels" in caplog.text
    assert (clip.preprocess.size, clip.preprocess.resize) == (32, 32)
    assert clip.config.vision_config.image_size == 32
    classifier, theta = zero_shot_classifier(clip, ["x", "y"])
    logits = jax.jit(classifier.logits)(theta, tiny_images(2, 32))
    assert np.isfinite(np.asarray(logits)).all()
    text = [each.params["text_projection"]["kernel"] for each in (own, clip)]
    np.testing.assert_array_equal(*text)


def test_a_side_that_patches_do_not_tile_is_refused(tmp_path: Path):
    directory = tiny_clip_directory(tmp_path, vision_layers=1)
    with pytest.raises(
        InputError, match=r"images of 20 pixels; expected a multiple of .* 8 pixels"
    ):
        load_clip(directory, reading=Reading(image_size=20))
