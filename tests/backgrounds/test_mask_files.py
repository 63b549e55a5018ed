"""Masks in files: which file is whose, and which pixels are the object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.backgrounds.disc_photos import disc, save_mask
from wiseft_jax.backgrounds.build_items import Item
from wiseft_jax.backgrounds.mask_files import (
    MaskError,
    MaskValues,
    find_masks,
    read_mask,
    read_mask_values,
)
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
    touch(tmp_path / "off" / "masks" / "eel.npy")
    with pytest.raises(InputError, match=r"its 1 masks \(masks/eel\) .* one folder too deep, or"):
        find_masks(tmp_path / "off", ITEMS, CLASSES)
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


@pytest.mark.parametrize(
    ("array", "inside"),
    [
        (np.asarray([[True, False], [False, False]]), 1),
        (np.asarray([[1, 1], [0, 0]], np.uint8), 2),
        (np.asarray([[255, 255], [0, 255]], np.uint8), 3),
        (np.asarray([[0.4, 0.6], [1.0, 0.0]], np.float32), 2),
        (np.zeros((2, 2, 1), bool), 0),
        (np.ones((2, 2, 3), np.uint8), 4),
    ],
)
def test_arrays_of_every_kind(tmp_path: Path, array: np.ndarray, inside: int):
    np.save(tmp_path / "m.npy", array)
    assert read_mask(tmp_path / "m.npy", 2, 2).sum() == inside


def test_wrong_masks_are_refused_by_their_files(tmp_path: Path):
    np.save(tmp_path / "small.npy", np.ones((2, 3), bool))
    np.save(tmp_path / "words.npy", np.asarray([["a", "b"], ["c", "d"]]))
    np.save(tmp_path / "object.npy", np.asarray([[{}, 1], [2, 3]]), allow_pickle=True)
    np.save(tmp_path / "colours.npy", np.arange(12).reshape(2, 2, 3))
    np.save(tmp_path / "void.npy", np.asarray([[0, 1], [1, 255]], np.uint8))
    touch(tmp_path / "empty.npy")
    for name, message in {
        "small": "expected a mask of 2 x 2 .*found 2 x 3",
        "words": "expected numbers, found <U1",
        "object": "can't be read",
        "colours": "expected one plane",
        "void": r"values 0, 1, 255; expected two, .*--mask-foreground",
        "empty": "can't be read",
        "missing": "no such mask",
    }.items():
        with pytest.raises(InputError, match=rf"{name}\.npy.*{message}"):
            read_mask(tmp_path / f"{name}.npy", 2, 2)


@pytest.mark.parametrize(
    ("values", "given", "inside"),
    [
        ([[0, 255], [255, 0]], MaskValues(), [[0, 1], [1, 0]]),
        ([[0, 100], [255, 255]], MaskValues(), None),  # no value is taken by a threshold
        ([[0, 100], [255, 255]], MaskValues(((128, 255),)), [[0, 0], [1, 1]]),
        ([[1, 2], [3, 1]], MaskValues(), None),
        ([[1, 2], [3, 1]], MaskValues(((1, 1),)), [[1, 0], [0, 1]]),
        ([[0, 7], [255, 7]], MaskValues(), None),
        ([[0, 7], [255, 7]], MaskValues(instances=True), [[0, 1], [0, 1]]),
    ],
)
def test_an_array_and_a_picture_are_read_by_the_same_rule(
    tmp_path: Path, values: list, given: MaskValues, inside: list | None
):
    array = np.asarray(values, np.uint8)
    np.save(tmp_path / "m.npy", array)
    Image.fromarray(array).save(tmp_path / "m.png")
    for path in (tmp_path / "m.npy", tmp_path / "m.png"):
        if inside is None:
            with pytest.raises(InputError, match="say which are the object"):
                read_mask(path, 2, 2, given)
        else:
            np.testing.assert_array_equal(read_mask(path, 2, 2, given), np.asarray(inside, bool))
