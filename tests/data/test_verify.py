from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.builders import encode, pixels, write_folder
from wiseft_jax.core.cache import Cache, disabled
from wiseft_jax.core.errors import InputError
from wiseft_jax.data import verify as verify_module
from wiseft_jax.data.files import FileSource, open_images
from wiseft_jax.data.source import ArraySource, Dataset
from wiseft_jax.data.specs import SourceOptions, open_source
from wiseft_jax.data.verify import BadImagesError, drop_bad_images, verify_images


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    """Ten good images; 1 is empty, 4 is text, 7 is truncated, 9 is animated."""
    write_folder(tmp_path / "photos", {"a": 5, "b": 5})
    opened = open_source(f"folder:{tmp_path / 'photos'}")
    Path(opened.ids[1]).write_bytes(b"")
    Path(opened.ids[4]).write_text("text")
    truncate(Path(opened.ids[7]))
    frames = [pixels(0), pixels(1)]
    images = [Image.fromarray(frame) for frame in frames]
    Path(opened.ids[9]).write_bytes(
        encode(images[0], "GIF", save_all=True, append_images=images[1:])
    )
    return opened


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of what is looked at: ``full <path>`` or ``header <path>``."""
    seen: list[str] = []
    check, open_header = verify_module.check_decodes, verify_module.open_image

    def checked(data, where):
        seen.append(f"full {where}")
        return check(data, where)

    def opened(data, where):
        seen.append(f"header {where}")
        return open_header(data, where)

    monkeypatch.setattr(verify_module, "check_decodes", checked)
    monkeypatch.setattr(verify_module, "open_image", opened)
    return seen


@pytest.mark.parametrize("threads", [0, 1, 8])
def test_every_bad_image_is_found_with_its_reason(source: FileSource, threads: int, caplog):
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        report = verify_images(source, num_threads=threads)
    assert {index: reason.split(": ", 1)[1] for index, reason in report.bad.items()} == {
        1: "the file is empty",
        4: "not an image that Pillow can read",
        7: "can't be decoded (image file is truncated)",
    }
    assert report.bad[1].startswith(source.ids[1])
    assert (report.checked, report.decoded, report.cached, report.animated) == (10, 10, 0, 1)
    assert "1 image is animated; the first frame is used" in caplog.text


def test_some_images_alone_can_be_asked_about(source: FileSource, looks: list[str]):
    report = verify_images(source, np.array([0, 4, 8]))
    assert list(report.bad) == [4]
    assert sorted(looks) == [f"full {source.ids[index]}" for index in (0, 4, 8)]


def test_good_images_are_remembered_by_path_size_and_time(source: FileSource, looks: list[str]):
    verify_images(source)
    looks.clear()
    report = verify_images(source)
    assert report.cached == 7
    assert sorted(report.bad) == [1, 4, 7]
    assert sorted(looks) == sorted(f"full {source.ids[index]}" for index in (1, 4, 7))
    changed = Path(source.ids[2])
    stat = changed.stat()
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    truncate(Path(source.ids[3]))
    looks.clear()
    report = verify_images(source)
    assert sorted(report.bad) == [1, 3, 4, 7]
    assert len(looks) == 5


def test_a_repaired_image_is_good_again(source: FileSource):
    assert 1 in verify_images(source).bad
    Path(source.ids[1]).write_bytes(encode(pixels(1)))
    assert 1 not in verify_images(source).bad


def test_nothing_is_remembered_without_the_cache(source: FileSource, looks: list[str]):
    with disabled():
        verify_images(source)
        looks.clear()
        assert verify_images(source).cached == 0
    assert len(looks) == 10


def test_beyond_the_limit_headers_and_a_seeded_sample(source: FileSource, looks: list[str], caplog):
    with caplog.at_level(logging.INFO, "wiseft_jax"), disabled():
        report = verify_images(source, full_decode_limit=9, sample=4, seed=3)
        first = sorted(looks)
        looks.clear()
        verify_images(source, full_decode_limit=9, sample=4, seed=3)
        assert sorted(looks) == first
        looks.clear()
        verify_images(source, full_decode_limit=9, sample=4, seed=4)
        assert sorted(looks) != first
    assert {1, 4} <= set(report.bad) <= {1, 4, 7}
    assert report.decoded == 4
    assert sum(line.startswith("full") for line in first) == 4
    assert "the headers of all are read, 4 are decoded in full" in caplog.text


def test_a_header_alone_is_not_taken_for_a_full_decode(source: FileSource, looks: list[str]):
    report = verify_images(source, full_decode_limit=0, sample=0)
    assert sorted(report.bad) == [1, 4]
    assert report.decoded == 0
    looks.clear()
    assert verify_images(source, full_decode_limit=0, sample=0).cached == 8
    assert sorted(verify_images(source).bad) == [1, 4, 7]
    assert sum(line.startswith("full") for line in looks) == 10
    looks.clear()
    verify_images(source, full_decode_limit=0, sample=0)  # decoded is better than the header
    assert [line for line in looks if source.ids[0] in line] == []


def test_what_was_remembered_of_vanished_files_is_forgotten(source: FileSource):
    verify_images(source)
    root = source.root
    Path(source.ids[0]).unlink()
    verify_images(open_source(f"folder:{root}"))
    (entry,) = Cache().path("verified", "x").parent.glob("*.npz")
    with np.load(entry) as arrays:
        assert len(arrays["full"]) == 6


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_file_that_can_not_be_read_is_bad_and_not_remembered(source: FileSource):
    Path(source.ids[0]).unlink()
    report = verify_images(source)
    assert report.bad[0] == f"{source.ids[0]}: can't be read (No such file or directory)"
    report = verify_images(source, full_decode_limit=0, sample=0)
    assert "No such file" in report.bad[0]


@pytest.mark.parametrize("limit", [50, 0])
def test_records_are_verified_and_remembered(tfds_dirs, limit: int, looks: list[str]):
    options = SourceOptions(data_dir=str(tfds_dirs["tfrecord"]))
    records = open_source("tfds:mini_photos:train", options)
    report = verify_images(records, full_decode_limit=limit, sample=2)
    assert (report.checked, report.bad, report.cached) == (12, {}, 0)
    assert len(looks) == 12
    again = open_source("tfds:mini_photos:train", options)
    assert verify_images(again, full_decode_limit=limit, sample=2).cached == 12
    assert len(looks) == 12


def test_images_in_memory_need_no_look(looks: list[str]):
    source = ArraySource(np.zeros((3, 2, 2, 3), np.uint8), np.zeros(3, int), ["a"])
    assert verify_images(source).bad == {}
    assert looks == []


def test_a_source_of_pixels_of_another_kind_is_fine():
    class Other:
        name, class_names, ids = "other", ("a",), ("x", "y")
        labels = np.zeros(2, np.int32)

        def __len__(self) -> int:
            return 2

        def read(self, index: int) -> np.ndarray:
            return pixels(index)

        def fingerprint(self) -> str:
            return "other"

    assert verify_images(Other()).bad == {}


def dataset_of(source: FileSource, on_bad_image="stop") -> Dataset:
    return Dataset("photos", source, source.labels, on_bad_image=on_bad_image, skipped=("old",))


def test_stop_lists_them_all(source: FileSource):
    with pytest.raises(BadImagesError) as info:
        drop_bad_images(dataset_of(source), verify_images(source))
    message = str(info.value)
    assert message.startswith("photos: 3 of 10 images are bad:\n")
    assert all(source.ids[index] in message for index in (1, 4, 7))
    assert "--on-bad-image skip" in message
    assert isinstance(info.value, InputError)


def test_a_long_list_is_cut_with_a_count():
    error = BadImagesError("photos", [f"{index}.png: empty" for index in range(25)], 100)
    assert "19.png" in str(error)
    assert "20.png" not in str(error)
    assert "and 5 more" in str(error)


def test_skip_leaves_them_out_and_lists_them(source: FileSource, caplog):
    dataset = drop_bad_images(dataset_of(source, "skip"), verify_images(source))
    assert dataset.indices is not None
    assert dataset.indices.tolist() == [0, 2, 3, 5, 6, 8, 9]
    np.testing.assert_array_equal(dataset.labels, source.labels[dataset.indices])
    assert len(dataset.skipped) == 4
    assert dataset.skipped[1].endswith("the file is empty")
    assert "photos: 3 bad images skipped" in caplog.text


def test_skip_knows_subsets(source: FileSource):
    subset = dataset_of(source, "skip").subset(np.array([9, 7, 5]))
    dataset = drop_bad_images(subset, verify_images(source, subset.indices))
    assert dataset.indices is not None
    assert dataset.indices.tolist() == [9, 5]


def test_no_bad_images_leave_the_dataset_as_it_is(source: FileSource):
    subset = dataset_of(source).subset(np.array([0, 2]))
    assert drop_bad_images(subset, verify_images(source, subset.indices)) is subset


def test_nothing_but_bad_images_is_an_error(source: FileSource):
    subset = dataset_of(source, "skip").subset(np.array([1, 4]))
    with pytest.raises(InputError, match=r"photos: no image of 2 is good; the first: .*is empty"):
        drop_bad_images(subset, verify_images(source, subset.indices))


def test_images_without_labels_are_verified_too(source: FileSource):
    assert sorted(verify_images(open_images(source.root)).bad) == [1, 4, 7]
