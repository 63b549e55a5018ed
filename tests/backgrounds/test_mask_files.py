"""Masks in files: which file is whose, and which pixels are the object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.backgrounds.cut_outs import disc, save_mask
from wiseft_jax.backgrounds.build_items import Item
from wiseft_jax.backgrounds.mask_files import MaskError, MaskValues, find_masks, read_mask_values
from wiseft_jax.core.errors import InputError

ITEMS = [
    Item(0, "02_wheeled vehicle/car", "02_wheeled vehicle/car.jpg"),
    Item(1, "03_fish/eel", "03_fish/deep/eel.jpg"),
]
CLASSES = ("02_wheeled vehicle", "03_fish")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("02_wheeled vehicle/car.npy", "03_fish/eel.png"),
        ("car.png", "eel.npy"),
        ("02_wheeled vehicle/car.png", "03_fish/deep/eel.PNG"),
    ],
)
def test_masks_are_found_by_class_by_path_and_by_name(tmp_path: Path, first: str, second: str):
    paths = {0: touch(tmp_path / first), 1: touch(tmp_path / second)}
    assert find_masks(tmp_path, ITEMS, CLASSES) == paths


def test_masks_that_are_nobodys_are_told_and_hidden_ones_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for name in ("eel.png", "._eel.png", "cod.png", "notes.txt"):
        touch(tmp_path / name)
    assert find_masks(tmp_path, ITEMS, CLASSES) == {1: tmp_path / "eel.png"}
    assert "1 masks belong to no image: cod" in caplog.text


def test_wrong_directories_of_masks_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such directory of masks"):
        find_masks(tmp_path / "none", ITEMS, CLASSES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no masks there"):
        find_masks(tmp_path / "empty", ITEMS, CLASSES)
    touch(tmp_path / "spelt" / "02_wheeled_vehicle" / "car.png")
    with pytest.raises(InputError, match="expected the folder to be called '02_wheeled vehicle'"):
        find_masks(tmp_path / "spelt", ITEMS, CLASSES)
    for suffix in ("npy", "png"):
        touch(tmp_path / "twice" / f"car.{suffix}")
    with pytest.raises(InputError, match=r"car\.png: car\.npy is there too"):
        find_masks(tmp_path / "twice", ITEMS, CLASSES)
    touch(tmp_path / "shared" / "car.png")
    other = Item(2, "03_fish/car", "03_fish/car.jpg")
    with pytest.raises(InputError, match="belongs to two images"):
        find_masks(tmp_path / "shared", [*ITEMS, other], CLASSES)


@pytest.mark.parametrize("high", [True, 1, 255, 1.0, 7])
def test_masks_of_two_values_need_no_word(tmp_path: Path, high: object):
    mask = disc(0)
    np.save(tmp_path / "a.npy", np.where(mask, high, type(high)(0)))
    np.testing.assert_array_equal(MaskValues()(read_mask_values(tmp_path / "a.npy")), mask)


def test_pictures_are_read_as_values(tmp_path: Path):
    values = disc(0).astype(np.uint8) + 1
    palette = Image.fromarray(values).convert("P")
    palette.putdata(values.ravel().tolist())
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    pictures = {
        "grey.png": Image.fromarray(values),
        "palette.png": palette,
        "rgb.png": Image.fromarray(np.repeat(values[..., None], 3, -1)),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
        np.testing.assert_array_equal(read_mask_values(tmp_path / name), values)
    Image.fromarray(disc(0)).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(MaskValues()(read_mask_values(tmp_path / "bits.png")), disc(0))


def test_trimaps_and_ranges():
    trimap = np.array([[1, 2], [3, 1]], np.uint8)
    only = MaskValues(((1, 1),))(trimap)
    np.testing.assert_array_equal(only, [[True, False], [False, True]])
    border = MaskValues(((1, 1), (3, 3)))(trimap)
    np.testing.assert_array_equal(border, [[True, False], [True, True]])
    grey = MaskValues(((128, 255),))(np.array([[127, 128], [255, 0]], np.uint8))
    np.testing.assert_array_equal(grey, [[False, True], [True, False]])


def test_instances_are_told_apart():
    values = np.array([[0, 4], [255, 4]], np.uint8)
    np.testing.assert_array_equal(
        MaskValues(instances=True)(values), [[False, True], [False, True]]
    )
    with pytest.raises(MaskError, match="tells 2 objects apart") as error:
        MaskValues(instances=True)(np.array([[0, 1], [2, 255]], np.uint8))
    assert error.value.reason == "several_objects"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[1, 2], [3, 1]]), "mask_values"),
        (np.array([[1, 2]]), "mask_values"),  # no background
        (np.array([[-1, 0]]), "mask_values"),
        (np.array([[0.0, np.nan]]), "mask_values"),
        (np.array([["a"]]), "mask_unreadable"),
    ],
)
def test_values_that_say_nothing_are_refused(values: np.ndarray, reason: str):
    with pytest.raises(MaskError) as error:
        MaskValues()(values)
    assert error.value.reason == reason


def test_files_that_are_no_masks_are_refused(tmp_path: Path):
    files = [
        save_mask(tmp_path / "cube.npy", np.zeros((4, 4, 3, 2), bool)),
        save_mask(tmp_path / "colours.npy", np.arange(12).reshape(2, 2, 3)),
        touch(tmp_path / "empty.npy"),
        touch(tmp_path / "empty.png"),
    ]
    for file in files:
        with pytest.raises(MaskError) as error:
            read_mask_values(file)
        assert error.value.reason == "mask_unreadable"
