"""Every split of the catalog, opened from a miniature in its authors' layout."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import encode, pixels
from tests.data.published_array_miniatures import (
    ARRAYS,
    VARIANTS,
    array_pixels,
    grey_pixels,
    write_arrays,
)
from tests.data.published_miniatures import MINIATURES, write_miniature
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.catalog_facts import published_specs
from wiseft_jax.data.class_lists import class_names
from wiseft_jax.data.config import DataConfig
from wiseft_jax.data.decode import BadImageError
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.load import load_data, load_dataset
from wiseft_jax.data.overlap import find_overlap
from wiseft_jax.data.published import BorderlessSource
from wiseft_jax.data.published_split import find_split
from wiseft_jax.data.specs import SourceOptions, open_source, parse_spec

SPLITS = [(name, split.name) for name, entry in DATASETS.items() for split in entry.layout.splits]
IN_ARRAYS = [split for split in SPLITS if split in ARRAYS]
IN_FILES = [split for split in SPLITS if split not in ARRAYS]


def spec_text(name: str, split: str, root: Path | None = None) -> str:
    mini = MINIATURES.get((name, split))
    variant = mini.variant if mini else VARIANTS.get((name, split), "")
    text = f"published:{name}{variant and '/'}{variant}:{split}"
    return f"{text}@{root}" if root else text


def in_files(source) -> FileSource:
    files = source._source if isinstance(source, BorderlessSource) else source
    assert isinstance(files, FileSource)
    return files


@pytest.mark.parametrize(("name", "split"), IN_FILES)
def test_images_in_files_have_their_true_names(name: str, split: str, tmp_path: Path):
    mini = write_miniature(tmp_path, name, split)
    source = open_source(spec_text(name, split, tmp_path))
    assert source.class_names == class_names(DATASETS[name].classes)
    folder = tmp_path / DATASETS[name].layout.folder
    named = {
        str(Path(path).relative_to(folder)): source.class_names[label]
        for path, label in zip(source.ids, source.labels, strict=True)
    }
    assert named == mini.images
    for index, path in enumerate(source.ids):
        image = source.read(index)
        if DATASETS[name].border_px:
            assert image.shape == (12 - 2 * 2, 16 - 2 * 2, 3)
        else:
            assert image == Path(path).read_bytes()
    inside = open_source(spec_text(name, split, folder))  # the data set's folder itself is a root
    assert (list(inside.ids), inside.fingerprint()) == (list(source.ids), source.fingerprint())


@pytest.mark.parametrize(("name", "split"), IN_ARRAYS)
def test_images_in_arrays_have_their_true_names(name: str, split: str, tmp_path: Path):
    names = write_arrays(tmp_path, name, split)
    source = open_source(spec_text(name, split, tmp_path))
    assert source.class_names == class_names(DATASETS[name].classes)
    assert tuple(source.class_names[label] for label in source.labels) == names
    assert len(set(source.ids)) == len(names)
    for index in range(len(names)):
        image = np.asarray(source.read(index))
        wanted = np.dstack([grey_pixels(index)] * 3) if name == "mnist" else array_pixels(index)
        np.testing.assert_array_equal(image, wanted)
        assert Path(source.ids[index].partition("[")[0]).is_file()


def test_every_split_of_the_catalog_is_under_test():
    assert sorted([*MINIATURES, *ARRAYS]) == sorted(SPLITS)
    said = {(name, split) for name in DATASETS for split in published_specs(name)}
    assert said == {*MINIATURES, *ARRAYS}


@pytest.mark.parametrize(("name", "split"), [*IN_FILES, *IN_ARRAYS])
def test_what_is_not_there_is_said_with_where_it_should_be(name: str, split: str, tmp_path: Path):
    with pytest.raises(InputError, match=r"below the root: .*Get it: ") as caught:
        open_source(spec_text(name, split, tmp_path))
    assert DATASETS[name].layout.folder in str(caught.value)


@pytest.mark.parametrize(
    ("root", "there", "named"),
    [
        ("data", "", "data/imagenet/train"),
        ("data/imagenet", "", "data/imagenet/train"),
        ("data", "imagenet/val", "data/imagenet/train"),
        ("mine", "train", "mine/train/n01440764"),  # the root is the data set's folder
    ],
)
def test_a_folder_that_is_missing_is_named_where_it_should_be(
    root: str, there: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path(root, there).mkdir(parents=True)
    monkeypatch.setenv("WISEFT_DATA_ROOT", root)
    found = find_split(parse_spec("published:imagenet:train"), SourceOptions())
    wanted = Path(named).relative_to(root) if root == "mine" else "train"
    assert str(found.missing(found.folder / wanted)).startswith(f"{named}: no such file or folder;")


@pytest.mark.parametrize(
    ("spec", "there", "meant", "parts"),
    [
        ("gtsrb:train_online", "gtsrb/GTSRB/Final_Training", None, "Final_Training"),
        (
            "gtsrb:train",
            "gtsrb/GTSRB/Final_Test gtsrb/GTSRB/Final_Trainin",
            "Final_Trainin",
            "Final_Test",
        ),
        ("gtsrb:train", "gtsrb/GTSRB", None, None),
        ("svhn:extra", "svhn/test_32x32.mat", None, "test_32x32.mat"),
        ("imagenet-c/gaussian_blur/3", "ImageNet-C/gaussian_noise", None, "gaussian_noise"),
        ("imagenet-c/gaussian_blur/3", "ImageNet-C/gausian_blur", "gausian_blur", None),
    ],
)
def test_a_part_that_is_absent_is_half_a_download_and_no_typo(
    spec: str, there: str, meant: str | None, parts: str | None, tmp_path: Path
):
    for name in there.split():
        (tmp_path / name).mkdir(parents=True)
    found = find_split(parse_spec(f"published:{spec}@{tmp_path}"), SourceOptions())
    with pytest.raises(InputError, match="no such file or folder") as caught:
        found.paths()
    said = str(caught.value)
    assert f"Get it: {found.entry.obtain}" in said
    assert (f"Did you mean {meant!r}?" if meant else "without") in said
    assert ("Did you mean" in said) == (meant is not None)
    half = f"Other parts are there ({parts}): half a download?"
    assert (half in said) == (parts is not None) == ("half" in said)


def test_a_copy_elsewhere_has_the_same_fingerprint_and_a_change_another(tmp_path: Path):
    for place in ("one", "two"):
        write_miniature(tmp_path / place, "imagenet-v2", "test")
    one, two = (open_source(f"published:imagenet-v2@{tmp_path / each}") for each in ("one", "two"))
    for first, second in zip(one.ids, two.ids, strict=True):
        stat = Path(first).stat()
        os.utime(second, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert one.fingerprint() == two.fingerprint()
    Path(two.ids[0]).write_bytes(encode(pixels(77)))
    assert one.fingerprint() != two.fingerprint()


def test_the_border_of_objectnet_is_cut_off_the_pixels_before_anything_else(tmp_path: Path, caplog):
    caplog.set_level(logging.INFO)
    write_miniature(tmp_path, "objectnet", "test")
    source = open_source(f"published:objectnet@{tmp_path}")
    assert not isinstance(source, FileSource)  # nobody opens its files past the crop
    assert "a border of 2 px is cut off" in caplog.text
    inner = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    bordered = np.zeros((13, 11, 3), np.uint8)
    bordered[..., 0] = 255
    bordered[2:-2, 2:-2] = inner
    Path(source.ids[0]).write_bytes(encode(bordered))
    np.testing.assert_array_equal(source.read(0), inner)
    Path(source.ids[1]).write_bytes(encode(bordered[:4]))
    with pytest.raises(BadImageError, match="11 x 4 is nothing but a border of 2 px"):
        source.read(1)
    assert source.fingerprint() != in_files(source).fingerprint()
    dataset = load_dataset(source, on_bad_image="skip")
    assert (len(dataset), len(dataset.skipped)) == (2, 1)
    assert find_overlap(dataset, dataset) is None


def test_an_experiment_takes_published_sets_and_matches_them_by_name(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("WISEFT_DATA_ROOT", str(tmp_path))
    for split in (("cifar10", "train"), ("cifar10.1", "test"), ("cifar10.2", "test"),
                  ("cifar10-c", "test")):  # fmt: skip
        write_arrays(tmp_path, *split)
    config = DataConfig(
        train="published:cifar10:train",
        validation="published:cifar10.1",
        test="published:cifar10.2:test",
        shifts=("published:cifar10-c/glass_blur/3",),
    )
    data = load_data(config, seed=0)
    assert data.class_names == class_names("cifar10")
    sets = (data.train, data.validation, data.test, *data.shifts)
    named = [[data.class_names[label] for label in each.labels] for each in sets]
    assert named == [
        ["frog", "truck", "airplane"], ["cat", "ship", "automobile"], ["horse", "airplane"],
        ["truck", "bird"],
    ]  # fmt: skip
    assert [each.name for each in sets] == [
        "cifar10-train", "cifar10.1", "cifar10.2-test", "cifar10-c/glass_blur/3",
    ]  # fmt: skip


def test_images_passed_over_are_counted(tmp_path: Path, caplog):
    write_miniature(tmp_path, "objectnet", "test")
    open_source(f"published:objectnet@{tmp_path}")
    assert "2 of 5 images are passed over" in caplog.text
    assert "2 folders that are no class's (air_freshener, baking_sheet)" in caplog.text
    assert "3 images, its authors ship 18574; is it all there?" in caplog.text
    assert "110 of 113 classes have no images: backpack, banana" in caplog.text


def test_a_flat_folder_of_validation_images_is_refused(tmp_path: Path):
    flat = tmp_path / "imagenet" / "val"
    flat.mkdir(parents=True)
    (flat / "ILSVRC2012_val_00000001.JPEG").write_bytes(encode(pixels(0), "JPEG"))
    message = r"expected folders called n01440764, .* found ILSVRC2012_val_00000001\.JPEG"
    with pytest.raises(InputError, match=message):
        open_source(f"published:imagenet:val@{tmp_path}")


def test_the_first_path_that_exists_is_taken(tmp_path: Path):
    write_miniature(tmp_path, "imagenet", "val")
    assert len(open_source(f"published:imagenet:val@{tmp_path}")) == 5
    write_miniature(tmp_path, "imagenet-r-val-classes", "val")
    assert len(open_source(f"published:imagenet:val@{tmp_path}")) == 3


def test_lists_that_do_not_fit_are_refused(tmp_path: Path):
    write_miniature(tmp_path, "dtd", "test")
    spec = f"published:dtd:test@{tmp_path}"
    index = tmp_path / "dtd" / "labels" / "test1.txt"
    index.write_text("banded/banded_0002.jpg\nbanded/gone.jpg\n")
    with pytest.raises(InputError, match=r"1 of the 2 images that it lists is missing.*\n.*gone"):
        open_source(spec)
    index.write_text("stripy/stripy_0001.jpg\n")
    with pytest.raises(InputError, match=r"'stripy/stripy_0001\.jpg' is in no class's folder"):
        open_source(spec)
    index.write_text("banded/banded_0002.jpg\n" * 2)
    with pytest.raises(InputError, match="1 image is listed twice"):
        open_source(spec)
    index.write_text("\n")
    with pytest.raises(InputError, match="no row is of dtd:test"):
        open_source(spec)
    write_miniature(tmp_path, "food101", "test")
    (tmp_path / "food-101" / "meta" / "test.json").write_text("[1]")
    with pytest.raises(InputError, match="not a list of images"):
        open_source(f"published:food101:test@{tmp_path}")


def test_the_root_is_the_specs_then_the_options_then_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("WISEFT_DATA_ROOT", raising=False)
    write_miniature(tmp_path / "a", "eurosat", "all")
    with pytest.raises(InputError, match=r"Write published:eurosat@ROOT, or set WISEFT_DATA_ROOT"):
        open_source("published:eurosat")
    for root in ("a", "b"):
        monkeypatch.setenv("WISEFT_DATA_ROOT", str(tmp_path / root))
        if root == "a":
            assert len(open_source("published:eurosat")) == 2
    assert len(open_source("published:eurosat", SourceOptions(root=str(tmp_path / "a")))) == 2
    options = SourceOptions(root=str(tmp_path / "b"))
    assert len(open_source(f"published:eurosat@{tmp_path / 'a'}", options)) == 2
    with pytest.raises(InputError, match=r"no such folder.* get it: wiseft data info eurosat"):
        open_source("published:eurosat", options)
    with pytest.raises(InputError, match="WISEFT_DATA_ROOT says that eurosat lies there"):
        open_source("published:eurosat")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("imagnet:val", "unknown data set 'imagnet'. Did you mean 'imagenet'"),
        ("imagenet", "which split. Write one of published:imagenet:train, published:imagenet:val"),
        ("imagenet:test", "unknown split of imagenet 'test'"),
        ("imagenet/fog/1:val", "imagenet has no variants"),
        ("imagenet-c", "which corruption, how severe. Write published:imagenet-c/gaussian_noise/1"),
        ("imagenet-c/fogg/1", "unknown corruption of imagenet-c 'fogg'. Did you mean 'fog'"),
        ("imagenet-c/fog/6", "unknown severity of imagenet-c '6'"),
    ],
)
def test_specs_that_name_nothing_are_refused(text: str, message: str, tmp_path: Path):
    with pytest.raises(InputError, match=message):
        open_source(f"published:{text}@{tmp_path}")


def test_a_variant_has_a_spec_of_its_own_in_tfds(tmp_path: Path):
    with pytest.raises(InputError, match="tfds:cifar10_corrupted/frosted_glass_blur_2:test"):
        open_source(f"published:cifar10-c/glass_blur/2@{tmp_path}")
