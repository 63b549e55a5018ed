from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import encode, pixels, write_folder, write_table
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.config import DataConfig
from wiseft_jax.data.load import LoadedData, load_data, load_dataset, load_images
from wiseft_jax.data.source import ArraySource
from wiseft_jax.data.specs import SourceOptions


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``photos`` (20 cats, 10 dogs, 10 owls) and ``sketches`` (3 Dogs, 2 cats)."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_folder(tmp_path / "photos", {"cat": 20, "dog": 10, "owl": 10})
    write_folder(tmp_path / "sketches", {"Dog": 3, "cat": 2}, seed=100)
    return tmp_path


def load(root: Path, seed: int = 0, **options) -> LoadedData:
    options = {"shifts": (f"folder:{root / 'sketches'}",), **options}
    return load_data(DataConfig(train=f"folder:{root / 'photos'}", **options), seed=seed)


def ids(dataset) -> list[str]:
    return [dataset.id(position) for position in range(len(dataset))]


def test_one_folder_becomes_three_disjoint_stratified_sets(root: Path, caplog):
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        data = load(root)
    parts = (data.train, data.validation, data.test)
    assert [part.split for part in parts] == ["train", "validation", "test"]
    assert [part.role for part in parts] == ["reference"] * 3
    assert [part.name for part in parts] == ["photos", "photos-validation", "photos-test"]
    together = [name for part in parts for name in ids(part)]
    assert len(together) == len(set(together)) == 40
    assert [np.bincount(part.labels).tolist() for part in parts] == [
        [16, 8, 8], [2, 1, 1], [2, 1, 1],
    ]  # fmt: skip
    assert "photos: 4 of 40 images are held out for test (seed 0)" in caplog.text
    assert "photos: 4 of 36 images are held out for validation (seed 0)" in caplog.text


def test_the_shift_is_matched_by_name(root: Path, caplog):
    data = load(root)
    (shift,) = data.shifts
    assert data.class_names == shift.class_names == ("cat", "dog", "owl")
    assert (shift.name, shift.split, shift.role) == ("sketches", "test", "shift")
    assert shift.labels.tolist() == [1, 1, 1, 0, 0]
    assert "written differently: Dog -> dog" in caplog.text


def test_the_seed_decides_the_split(root: Path):
    assert ids(load(root).validation) == ids(load(root).validation)
    assert ids(load(root).validation) != ids(load(root, seed=1).validation)


def test_given_sets_are_taken_and_training_stays_whole(root: Path):
    write_folder(root / "val", {"owl": 2, "cat": 1}, seed=200)
    write_folder(root / "test", {"cat": 1, "dog": 1, "owl": 1}, seed=300)
    data = load(
        root, validation=f"folder:{root / 'val'}", test=f"mine=folder:{root / 'test'}", shifts=()
    )
    assert len(data.train) == 40
    assert (data.validation.split, data.validation.labels.tolist()) == ("validation", [0, 2, 2])
    assert (data.test.name, data.test.split, data.test.role) == ("mine", "test", "reference")
    assert data.shifts == ()


def test_one_set_can_not_choose_and_report(root: Path):
    spec = f"folder:{root / 'sketches'}"
    with pytest.raises(InputError, match="two data sets are called 'sketches'"):
        load(root, validation=spec, test=spec, shifts=())


@pytest.mark.parametrize(
    ("images", "given", "message"),
    [
        (1, {}, r"tiny: can't hold out 10% of 2 images: .* --data\.test folder:PATH; or more"),
        (2, {}, r"out 10% of 2 images: .* --data\.validation folder:PATH \(and --data\.test, or"),
        (1, {"test": "sketches"}, r"a validation set .* --data\.validation folder:PATH; or more"),
    ],
)
def test_too_few_images_to_hold_out_are_named_with_what_to_give(
    root: Path, images: int, given: dict[str, str], message: str
):
    write_folder(root / "tiny", {"cat": images, "dog": images})
    sets = {option: f"folder:{root / name}" for option, name in given.items()}
    with pytest.raises(InputError, match=message):
        load_data(DataConfig(train=f"folder:{root / 'tiny'}", **sets), seed=0)


def test_held_out_sets_get_a_name_of_their_own(root: Path):
    data = load(root, shifts=(f"photos-test=folder:{root / 'sketches'}",))
    names = [dataset.name for dataset in (data.validation, data.test, *data.shifts)]
    assert names == ["photos-validation", "photos-test-held-out", "photos-test"]


@pytest.mark.parametrize("kind", ["list", "object"])
def test_class_names_apply_to_shifts_by_name(root: Path, kind: str):
    (root / "sketches" / "Dog").rename(root / "sketches" / "dog")
    names = ["tabby cat", "hound", "barn owl"]
    path = root / "names.json"
    old = ["cat", "dog", "owl"]
    path.write_text(json.dumps(names if kind == "list" else dict(zip(old, names, strict=True))))
    data = load(root, class_names_file=str(path))
    assert data.class_names == tuple(names)
    assert data.shifts[0].labels.tolist() == [0, 0, 1, 1, 1]


def test_integer_labels_count_in_the_list_of_class_names(root: Path):
    rows = [(str(path), str((path.parent.name == "owl" and 2) or int(path.parent.name == "dog")))
            for path in sorted((root / "photos").glob("*/*.png"))]  # fmt: skip
    table = write_table(root / "list.csv", rows)
    (root / "names.txt").write_text("cat\ndog\nowl\nfox\n")
    config = DataConfig(train=f"table:{table}", class_names_file=str(root / "names.txt"),
                        shifts=(f"folder:{root / 'sketches'}",))  # fmt: skip
    data = load_data(config, seed=0)
    assert data.class_names == ("cat", "dog", "owl", "fox")
    assert set(data.train.labels.tolist()) == {0, 1, 2}
    assert data.shifts[0].labels.tolist() == [1, 1, 1, 0, 0]


def test_numbers_as_class_names_are_a_warning(root: Path, caplog):
    for number, name in enumerate(("cat", "dog", "owl")):
        (root / "photos" / name).rename(root / "photos" / str(number))
    load(root, shifts=())
    assert "the classes are called 0, 1, 2, ...; a zero-shot classifier needs words" in caplog.text


def test_there_must_be_a_training_set():
    with pytest.raises(InputError, match=r"no training set; .*--data\.train folder:PATH"):
        load_data(DataConfig(), seed=0)


def test_unmatched_shift_classes_stop(root: Path):
    (root / "sketches" / "Dog").rename(root / "sketches" / "zebra")
    with pytest.raises(InputError, match=r"sketches: 1 of 2 classes is none .*\n  'zebra'"):
        load(root)


def test_bad_images_of_all_the_sets_are_listed_together(root: Path):
    (root / "photos" / "dog" / "003.png").write_bytes(b"")
    (root / "sketches" / "cat" / "001.png").write_bytes(b"nonsense")
    with pytest.raises(InputError) as info:
        load(root)
    message = str(info.value)
    assert "photos: 1 of 40 images is bad" in message
    assert str(root / "photos" / "dog" / "003.png") in message
    assert "sketches: 1 of 5 images is bad" in message
    data = load(root, on_bad_image="skip")
    assert len(data.train) + len(data.validation) + len(data.test) == 39
    assert len(data.shifts[0]) == 4
    for dataset in (data.train, data.shifts[0]):
        assert len(dataset.skipped) == 1
    for dataset in (data.train, data.validation, data.test, data.shifts[0]):
        assert dataset.on_bad_image == "skip"
    assert data.validation.skipped == data.test.skipped == ()  # listed with the training set


def test_a_copy_of_a_training_image_in_a_shift_is_a_warning(root: Path, caplog):
    for index in range(20):
        data = pixels(index)
        (root / "sketches" / "cat" / f"copy{index}.png").write_bytes(encode(data))
    load(root)
    assert "16 of 25 images of sketches (test) are also in photos (train)" in caplog.text


def test_suspicious_classes_are_warned_of(root: Path, caplog):
    write_folder(root / "photos", {"owwwl": 2, "owwl": 0, "badger": 3, "badgre": 2}, seed=500)
    data = load(root, shifts=())
    assert "1 of 7 classes has no images to train on: owwl" in caplog.text
    assert "are the classes 'badger' (3 images) and 'badgre' (2) one, misspelt?" in caplog.text
    assert len(data.class_names) == 7


def test_a_single_class_is_a_warning(tmp_path: Path, caplog):
    write_folder(tmp_path / "photos", {"cat": 5})
    load(tmp_path, shifts=())
    assert "there is one class, 'cat'" in caplog.text


def test_tables_and_tfds_take_their_options(root: Path, tfds_dirs: dict[str, Path]):
    rows = [(str(root / "photos" / "cat" / "000.png"), "cat")]
    table = write_table(root / "shift.csv", rows, ("file", "class"))
    config = DataConfig(
        train="tfds:mini_photos:train",
        test="tfds:mini_photos:test",
        shifts=(f"table:{table}",),
        data_dir=str(tfds_dirs["tfrecord"]),
        path_column="file",
        label_column="class",
    )
    data = load_data(config, seed=0)
    assert [len(part) for part in (data.train, data.validation, data.test, *data.shifts)] == [
        9, 3, 5, 1,
    ]  # fmt: skip
    assert data.test.name == "mini_photos-test"


def test_a_dataset_takes_the_classifiers_order(root: Path):
    dataset = load_dataset(
        f"folder:{root / 'sketches'}",
        classifier_class_names=["owl", "dog", "cat"],
        name="drawn",
        role="shift",
        verify=False,
    )
    assert dataset.labels.tolist() == [1, 1, 1, 2, 2]
    assert (dataset.name, dataset.role, dataset.class_names) == (
        "drawn", "shift", ("owl", "dog", "cat"),
    )  # fmt: skip


def test_a_dataset_alone_has_its_own_classes(root: Path):
    assert load_dataset(f"folder:{root / 'sketches'}").class_names == ("Dog", "cat")
    (root / "names.json").write_text(json.dumps({"Dog": "pet", "cat": "pet"}))
    merged = load_dataset(f"folder:{root / 'sketches'}", class_names_file=root / "names.json")
    assert merged.class_names == ("pet",)
    assert merged.labels.tolist() == [0] * 5


def test_an_open_source_can_be_given():
    images = np.stack([pixels(index) for index in range(3)])
    source = ArraySource(images, np.array([0, 1, -1]), ["dog", "cat"])
    dataset = load_dataset(source, classifier_class_names=["cat", "dog"])
    assert dataset.labels.tolist() == [1, 0, -1]


def test_options_reach_the_source(tfds_dirs: dict[str, Path]):
    options = SourceOptions(data_dir=str(tfds_dirs["array_record"]))
    assert len(load_dataset("tfds:mini_photos:test", options=options)) == 5


@pytest.mark.parametrize("name", ["photos.zip", "photos.TAR.gz", "photos.7z"])
def test_an_archive_in_place_of_images_is_named_as_one(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(InputError, match=rf"{name}: an archive, not an image: unpack it"):
        load_images(tmp_path / name)


def test_images_without_labels(root: Path):
    (root / "sketches" / "cat" / "000.png").write_bytes(b"")
    with pytest.raises(InputError, match="1 of 5 images is bad"):
        load_images(root / "sketches")
    images = load_images([root / "sketches"], on_bad_image="skip", name="new")
    assert (images.name, images.labels.tolist(), len(images.skipped)) == ("new", [-1] * 4, 1)
    assert images.class_names == ()
    assert len(load_images(str(root / "sketches"), verify=False)) == 5


def test_a_validation_image_in_the_test_set_is_a_warning(root: Path, caplog):
    write_folder(root / "val", {"owl": 2, "cat": 1}, seed=200)
    write_folder(root / "test", {"cat": 1, "owl": 3}, seed=300)
    (root / "test" / "owl" / "copy.png").write_bytes(encode(pixels(201)))
    load(root, validation=f"val=folder:{root / 'val'}", test=f"test=folder:{root / 'test'}")
    (record,) = (line for line in caplog.messages if "also in" in line)
    assert record.startswith("1 of 5 images of test (test) is also in val (validation): ")
