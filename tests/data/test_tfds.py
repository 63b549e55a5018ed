from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import pixels, write_folder
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.decode import decode_image
from wiseft_jax.data.prepare import PrepareOptions, prepare
from wiseft_jax.data.specs import SourceOptions, open_source
from wiseft_jax.data.tfds import RecordIds, TfdsSource

FORMATS = ["array_record", "tfrecord"]


def open_tfds(text: str, data_dir: Path | None) -> TfdsSource:
    return open_source(f"tfds:{text}", SourceOptions(data_dir=str(data_dir) if data_dir else None))


def numbers(source: TfdsSource) -> list[int]:
    """Return which of the builder's images the source has, in its order."""
    known = {pixels(index).tobytes(): index for index in range(12)}
    images = (decode_image(source.read(index), "x") for index in range(len(source)))
    return [known[np.asarray(image).tobytes()] for image in images]


def test_tensorflow_is_not_needed(tfds_dirs: dict[str, Path]):
    numbers(open_tfds("mini_photos:train", tfds_dirs["tfrecord"]))
    assert "tensorflow" not in sys.modules


def test_both_formats_hold_the_same_records(tfds_dirs: dict[str, Path]):
    found = [numbers(open_tfds("mini_photos:train", tfds_dirs[name])) for name in FORMATS]
    assert found[0] == found[1]
    assert sorted(found[0]) == list(range(12))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(
    ("split", "part"),
    [
        ("train[:50%]", slice(0, 6)),
        ("train[3:7]", slice(3, 7)),
        ("train[5:6]", slice(5, 6)),
        ("train[-2:]", slice(10, 12)),
        ("train[:10%]", slice(0, 1)),
        ("train[25%:75%]", slice(3, 9)),
    ],
)
def test_slices_are_slices(tfds_dirs: dict[str, Path], file_format: str, split: str, part: slice):
    whole = numbers(open_tfds("mini_photos:train", tfds_dirs[file_format]))
    source = open_tfds(f"mini_photos:{split}", tfds_dirs[file_format])
    assert numbers(source) == whole[part]
    assert source.labels.tolist() == [number % 3 for number in whole[part]]


@pytest.mark.parametrize("file_format", FORMATS)
def test_splits_can_be_added(tfds_dirs: dict[str, Path], file_format: str):
    train, test = (
        numbers(open_tfds(f"mini_photos:{split}", tfds_dirs[file_format]))
        for split in ("train", "test")
    )
    source = open_tfds("mini_photos:train[4:6]+test", tfds_dirs[file_format])
    assert numbers(source) == train[4:6] + test
    assert source.ids[0] == "mini_photos/1.0.0:train[4:6]+test[0]"


def test_labels_are_read_once_and_cached(tfds_dirs: dict[str, Path], monkeypatch):
    first = open_tfds("mini_photos:test", tfds_dirs["tfrecord"])
    expected = first.labels
    assert first.labels is expected

    def fail(self, index):
        raise AssertionError("read again")

    monkeypatch.setattr(TfdsSource, "_example", fail)
    again = open_tfds("mini_photos:test", tfds_dirs["tfrecord"])
    np.testing.assert_array_equal(again.labels, expected)


def test_the_environment_says_where_the_data_are(tfds_dirs: dict[str, Path], monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tfds_dirs["array_record"]))
    assert len(open_tfds("mini_photos:1.0.0:test", None)) == 5


def test_a_version_directory_can_be_named(tfds_dirs: dict[str, Path]):
    directory = tfds_dirs["tfrecord"] / "mini_photos" / "1.0.0"
    source = open_tfds(f"{directory}:test", None)
    assert len(source) == 5
    assert source.name == "mini_photos-test"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "mini_foto:train",
            r"no prepared data in .*Prepared there: mini_photos, two_labels, .*Did",
        ),
        ("mini_photos/config:train", "no prepared data"),
        ("mini_photos:2.0.0:train", "no prepared data"),
        ("mini_photos:trian", r"no such split .*The splits are test, train;.*Did you mean 'train'"),
        ("mini_photos:train[:1000%]", "no such split"),
        ("mini_photos:train[5:5]", "there are no examples in this split"),
        ("two_labels:train", "expected one ClassLabel feature, found 2; the features are"),
        ("not a name!:train", "tfds:not a name!"),
    ],
)
def test_what_is_not_there_is_an_input_error(tfds_dirs: dict[str, Path], text: str, message: str):
    with pytest.raises(InputError, match=message):
        open_tfds(text, tfds_dirs["array_record"])


def test_what_is_not_prepared_comes_with_the_command(tmp_path: Path):
    with pytest.raises(InputError, match="Nothing is prepared there") as info:
        open_tfds("cifar10:train", tmp_path)
    message = str(info.value)
    assert "download_and_prepare()" in message
    assert f"data_dir='{tmp_path}'" in message
    assert "wiseft-jax[tf]" in message
    assert "TFDS_DATA_DIR" in message
    command = message.splitlines()[1].strip().removeprefix('python -c "').removesuffix('"')
    compile(command, "command", "exec")


@pytest.fixture
def copied(tfds_dirs: dict[str, Path], tmp_path: Path) -> Path:
    shutil.copytree(tfds_dirs["tfrecord"], tmp_path / "data")
    return tmp_path / "data" / "mini_photos" / "1.0.0"


@pytest.mark.parametrize(
    ("file_format", "message"),
    [("parquet", "only half of the rows of parquet"), ("riegeli", "only ArrayRecord")],
)
def test_other_formats_are_refused_with_the_reason(copied: Path, file_format: str, message: str):
    info = json.loads((copied / "dataset_info.json").read_text())
    info["fileFormat"] = file_format
    (copied / "dataset_info.json").write_text(json.dumps(info))
    for path in copied.glob("*.tfrecord*"):
        path.rename(path.with_name(path.name.replace("tfrecord", file_format)))
    with pytest.raises(InputError, match=f"{message}.*file_format='array_record'"):
        open_tfds("mini_photos:train", copied.parent.parent)


def test_missing_files_are_named(copied: Path):
    path = next(copied.glob("*train.tfrecord-00001*"))
    path.unlink()
    with pytest.raises(InputError, match=f"1 file is missing: .*{path.name}"):
        open_tfds("mini_photos:train", copied.parent.parent)


def test_a_truncated_file_is_named(copied: Path):
    path = next(copied.glob("*train.tfrecord-00001*"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=rf"{path.name}: record 3 goes beyond the end"):
        open_tfds("mini_photos:train", copied.parent.parent)


def test_a_file_with_too_few_records_is_named(copied: Path):
    path = next(copied.glob("*train.tfrecord-00001*"))
    info = json.loads((copied / "dataset_info.json").read_text())
    (train,) = [split for split in info["splits"] if split["name"] == "train"]
    train["shardLengths"] = ["4", "6", "4"]
    (copied / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match=rf"{path.name}: expected 5 records, found 4"):
        open_tfds("mini_photos:train[:9]", copied.parent.parent)


def test_supervised_keys_choose_among_features(tfds_dirs: dict[str, Path]):
    source = open_tfds("two_labels_supervised:train", tfds_dirs["array_record"])
    assert source.class_names == ("cat", "dog", "owl")


def test_record_ids_are_a_sequence():
    ids = RecordIds("x", 5)
    assert list(ids) == ["x[0]", "x[1]", "x[2]", "x[3]", "x[4]"]
    assert ids[-1] == "x[4]"
    assert ids[1:4:2] == ["x[1]", "x[3]"]
    with pytest.raises(IndexError):
        ids[5]


def test_prepared_classes_that_are_called_as_splits_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for name, counts in (("mixed", {"sketches": 1, "train": 1}), ("plain", {"cat": 1, "dog": 1})):
        write_folder(tmp_path / name, counts)
        source = open_source(f"folder:{tmp_path / name}")
        report = prepare({"train": source}, tmp_path / "out", PrepareOptions(name))
        caplog.clear()
        open_source(report["splits"]["train"]["spec"])
        assert ("its classes include train, as splits are called" in caplog.text) == (
            name == "mixed"
        )
