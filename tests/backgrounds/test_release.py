from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wiseft_jax.backgrounds.in9 import IN9_CLASSES
from wiseft_jax.backgrounds.mask_files import read_mask
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.core.errors import InputError


def write_image(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images a class, named as published; a mixed_rand file carries another image's id."""
    for label, folder in enumerate(IN9_CLASSES):
        for image in ("n01_10", "n01_1"):
            value = 20 * label + (image == "n01_1")
            write_image(tmp_path / "original" / "val" / folder / f"{image}.JPEG", value)
            mixed = tmp_path / "mixed_rand" / "val" / folder
            write_image(mixed / f"fg_{image}_bg_n99_7.JPEG", value)
            write_image(tmp_path / "only_bg_t" / "val" / folder / f"{image}.JPEG", value)
            mask = tmp_path / "fg_mask" / "val" / folder / f"{image}.npy"
            mask.parent.mkdir(parents=True, exist_ok=True)
            np.save(mask, np.eye(8, dtype=bool))
    return tmp_path


def ids_of(root: Path) -> list[str]:
    release = open_release(root)
    return release.image_ids(release.dataset("original"))


def test_the_published_layout_is_read(root: Path):
    release = open_release(root)
    assert release.class_names == IN9_CLASSES
    assert release.variants == ("original", "only_bg_t", "mixed_rand")
    dataset = release.dataset("original")
    assert dataset.labels.tolist() == np.repeat(np.arange(9), 2).tolist()
    image_id = ids_of(root)[4]
    assert read_mask(release.mask_path(image_id), 8, 8).sum() == 8


@pytest.mark.parametrize("kind", ["mixed_rand", "only_bg_t", "original"])
def test_images_are_found_by_their_foreground(root: Path, kind: str):
    image_ids = ids_of(root)
    dataset, found = open_release(root).align(kind, image_ids)
    assert (found >= 0).all()
    for image_id, index in zip(image_ids, found, strict=True):
        file = Path(dataset.source.ids[int(index)])
        assert file.parent.name == image_id.split("/")[0]
        stem = image_id.split("/")[1]
        assert file.stem == (f"fg_{stem}_bg_n99_7" if kind == "mixed_rand" else stem)


def test_what_belongs_to_no_original_is_told(root: Path, caplog: pytest.LogCaptureFixture):
    write_image(root / "mixed_rand" / "val" / IN9_CLASSES[0] / "fg_n77_1_bg_n01_1.JPEG")
    (root / "mixed_rand" / "val" / IN9_CLASSES[3] / "fg_n01_1_bg_n99_7.JPEG").unlink()
    image_ids = ids_of(root)
    with caplog.at_level(logging.WARNING, "wiseft_jax"):
        _, found = open_release(root).align("mixed_rand", image_ids)
    assert "1 images of mixed_rand belong to no original: fg_n77_1_bg_n01_1.JPEG" in caplog.text
    assert [image_ids[index] for index in np.flatnonzero(found < 0)] == [f"{IN9_CLASSES[3]}/n01_1"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("only_bg_t", "n01_1_n99_7"),  # an id with something after it is another id
        ("only_bg_t", "n01_1_b"),
        ("only_bg_t", "fg_n01_1_bg_n99_7"),  # only mixed images have two
        ("mixed_rand", "n01_1_n99_7"),
        ("mixed_rand", "fg_n01_1"),
        ("mixed_rand", "fg_n01_1_b_bg_n99_7"),
        ("mixed_rand", "bg_n99_7_fg_n01_1"),
    ],
)
def test_a_name_that_only_begins_as_an_originals_is_a_strangers(
    root: Path, caplog: pytest.LogCaptureFixture, kind: str, name: str
):
    folder = root / kind / "val" / IN9_CLASSES[2]
    (there,) = folder.glob("*n01_1[_.]*JPEG") if kind == "mixed_rand" else folder.glob("n01_1.*")
    there.rename(folder / f"{name}.JPEG")
    image_ids = ids_of(root)
    with caplog.at_level(logging.WARNING, "wiseft_jax"):
        _, found = open_release(root).align(kind, image_ids)
    assert f"1 images of {kind} belong to no original: {name}.JPEG" in caplog.text
    assert [image_ids[index] for index in np.flatnonzero(found < 0)] == [f"{IN9_CLASSES[2]}/n01_1"]


def test_a_further_image_of_an_original_is_told_and_not_taken(
    root: Path, caplog: pytest.LogCaptureFixture
):
    write_image(root / "mixed_rand" / "val" / IN9_CLASSES[0] / "fg_n01_1_bg_n99_8.JPEG")
    image_ids = ids_of(root)
    with caplog.at_level(logging.WARNING, "wiseft_jax"):
        dataset, found = open_release(root).align("mixed_rand", image_ids)
    assert "1 images of mixed_rand are of originals that have one already" in caplog.text
    assert "aren't taken: fg_n01_1_bg_n99_8.JPEG" in caplog.text
    taken = found[image_ids.index(f"{IN9_CLASSES[0]}/n01_1")]
    assert Path(dataset.source.ids[int(taken)]).name == "fg_n01_1_bg_n99_7.JPEG"


@pytest.mark.parametrize("kind", ["original", "only_bg_t", "mixed_rand"])
def test_two_files_of_one_name_are_refused(root: Path, kind: str):
    first = sorted((root / kind / "val" / IN9_CLASSES[4]).iterdir())[0]
    write_image(first.with_suffix(".png"))
    with pytest.raises(InputError, match=f"is called {IN9_CLASSES[4]}/{first.stem} too"):
        open_release(root).align(kind, ids_of(root))


def test_an_id_may_have_the_mark_of_a_background_in_it(tmp_path: Path):
    """``fg_a_bg_b_bg_c`` is of ``a_bg_b`` where that is there alone, of neither beside ``a``."""
    for folder, images in (("0_x", ("a_bg_b",)), ("1_y", ("a_bg_b", "a"))):
        for image in images:
            write_image(tmp_path / "original" / "val" / folder / f"{image}.png")
        write_image(tmp_path / "mixed_same" / "val" / folder / "fg_a_bg_b_bg_c.png")
    image_ids = ids_of(tmp_path)
    assert image_ids == ["0_x/a_bg_b", "1_y/a", "1_y/a_bg_b"]
    assert open_release(tmp_path).align("mixed_same", image_ids)[1].tolist() == [0, -1, -1]


def test_folders_with_other_names_are_refused(root: Path):
    (root / "mixed_rand").rename(root / "Mixed Rand")
    with pytest.raises(InputError, match="expected the folder to be called 'mixed_rand'"):
        open_release(root)


def test_classes_without_their_spaces_are_refused(root: Path):
    for kind in ("original", "mixed_rand", "only_bg_t"):
        folder = root / kind / "val" / "02_wheeled vehicle"
        folder.rename(folder.with_name("02_wheeled_vehicle"))
    with pytest.raises(InputError, match="'02_wheeled_vehicle': expected '02_wheeled vehicle'"):
        open_release(root)


def test_other_classes_of_one_variant_are_refused(root: Path):
    folder = root / "mixed_rand" / "val" / "08_fish"
    folder.rename(folder.with_name("08_whale"))
    with pytest.raises(InputError, match="mixed_rand/val: expected the classes of original"):
        open_release(root).dataset("mixed_rand")


@pytest.mark.parametrize(
    ("where", "message"),
    [("nowhere", "no such folder"), ("original", "expected folders original, only_bg_b")],
)
def test_what_is_no_release_is_refused(root: Path, where: str, message: str):
    with pytest.raises(InputError, match=message):
        open_release(root / where)


def test_one_class_alone_is_refused(tmp_path: Path):
    write_image(tmp_path / "original" / "val" / "dog" / "1.png")
    with pytest.raises(InputError, match="expected folders of two classes at least, found dog"):
        open_release(tmp_path)


def test_a_missing_split_or_variant_is_named(root: Path):
    with pytest.raises(InputError, match=r"original/train: no such folder; .*without 'train'"):
        open_release(root, "train")
    with pytest.raises(InputError, match="has no variant 'no_fg'; it has original, only_bg_t"):
        open_release(root).dataset("no_fg")


def test_a_split_has_the_variants_that_are_in_it(root: Path):
    for folder in IN9_CLASSES:
        write_image(root / "only_fg" / "train" / folder / "a.JPEG")
        write_image(root / "no_fg" / "train" / folder / "a.JPEG")
    assert open_release(root).variants == ("original", "only_bg_t", "mixed_rand")
    assert open_release(root, "train").variants == ("no_fg", "only_fg")
    with pytest.raises(InputError, match=r"no variant 'original'; it has no_fg, only_fg .split tr"):
        open_release(root, "train").dataset("original")
