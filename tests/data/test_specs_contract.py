"""What every source promises, over the whole table of schemes."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import CLASSES, encode, pixels, write_table
from wiseft_jax.data.class_lists import class_keys, class_names
from wiseft_jax.data.decode import decode_image
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.source import ArraySource, Source
from wiseft_jax.data.specs import SCHEMES, SourceOptions, open_source, parse_spec

COUNT = 12


PUBLISHED = {"folder": "eurosat", "arrays": "cifar10.1"}
"""Label rule -> a data set whose first three classes the images get."""


def write_numbered(root: Path, classes: Sequence[str] = CLASSES) -> list[tuple[str, str]]:
    """Write image i as ``<class i % 3>/<i>.png``; return the rows of a table."""
    rows = []
    for index in range(COUNT):
        path = root / classes[index % 3] / f"{index:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(pixels(index)))
        rows.append((str(path.relative_to(root)), classes[index % 3]))
    return rows


def write_published(root: Path, rule: str) -> str:
    """Write the images as one of the catalog's data sets; return its spec."""
    if rule == "folder":
        write_numbered(root / "2750", class_keys("eurosat"))
    else:
        (root / "CIFAR-10.1").mkdir()
        stem = f"{root}/CIFAR-10.1/cifar10.1_v6_"
        np.save(f"{stem}data.npy", np.stack([pixels(index) for index in range(COUNT)]))
        np.save(f"{stem}labels.npy", np.arange(COUNT) % 3)
    return f"published:{PUBLISHED[rule]}"


def contents(image: bytes | np.ndarray) -> bytes:
    return image if isinstance(image, bytes) else image.tobytes()


@pytest.fixture(params=["folder", "table-csv", "table-tsv", "table-jsonl", "tfds-array_record",
                        "tfds-tfrecord", "published-folder", "published-arrays"])  # fmt: skip
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Source, str, SourceOptions]:
    """Open the same twelve images through each scheme."""
    scheme, _, kind = request.param.partition("-")
    options = SourceOptions()
    if scheme == "folder":
        write_numbered(tmp_path)
        text = f"folder:{tmp_path}"
    elif scheme == "table":
        text = f"table:{write_table(tmp_path / f'list.{kind}', write_numbered(tmp_path))}"
    elif scheme == "published":
        options = SourceOptions(root=str(tmp_path))
        text = write_published(tmp_path, kind)
    else:
        dirs = request.getfixturevalue("tfds_dirs")
        options = SourceOptions(data_dir=str(dirs[kind]))
        text = "tfds:mini_photos:train"
    return open_source(f"mini={text}", options), text, options


def test_every_scheme_is_under_contract():
    schemes = {"folder", "table", "tfds", "published"}
    assert set(SCHEMES) == schemes


def test_it_is_a_source(opened):
    source, text, _ = opened
    assert isinstance(source, Source)
    published = text.startswith("published:")
    classes = class_names(text.partition(":")[2].partition(".")[0]) if published else CLASSES
    assert (source.name, source.class_names, len(source)) == ("mini", classes, COUNT)
    assert source.labels.dtype == np.int32
    assert len(source.ids) == len(set(source.ids)) == COUNT
    assert np.bincount(source.labels).tolist() == [4, 4, 4]  # of the first three classes


def test_images_have_their_labels(opened):
    source, _, _ = opened
    wanted = {pixels(index).tobytes(): index % 3 for index in range(COUNT)}
    found = {}
    for index in range(COUNT):
        image = np.asarray(decode_image(source.read(index), source.ids[index]))
        found[image.tobytes()] = int(source.labels[index])
    assert found == wanted


def test_it_opens_the_same_way_again(opened):
    source, text, options = opened
    again = open_source(parse_spec(text), options)
    assert list(again.ids) == list(source.ids)
    assert again.fingerprint() == source.fingerprint()
    np.testing.assert_array_equal(again.labels, source.labels)


def test_it_can_be_pickled_for_worker_processes(opened):
    source, _, _ = opened
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert contents(copy.read(5)) == contents(source.read(5))
    np.testing.assert_array_equal(copy.labels, source.labels)
    assert copy.fingerprint() == source.fingerprint()


def test_threads_may_read_it(opened):
    source, _, _ = opened
    expected = [contents(source.read(index)) for index in range(COUNT)]
    with ThreadPoolExecutor(8) as executor:
        found = [contents(image) for image in executor.map(source.read, [*range(COUNT)] * 20)]
    assert found == expected * 20


def test_the_fingerprint_changes_with_the_data(opened, tmp_path: Path):
    source, text, options = opened
    if isinstance(source, ArraySource):
        np.save(tmp_path / "CIFAR-10.1" / "cifar10.1_v6_labels.npy", (np.arange(COUNT) + 1) % 3)
        assert open_source(text, options).fingerprint() != source.fingerprint()
        return
    if not isinstance(source, FileSource):
        other = open_source("tfds:mini_photos:train[1:]", options)
        assert other.fingerprint() != source.fingerprint()
        return
    before = source.fingerprint()
    Path(source.ids[3]).write_bytes(encode(pixels(99)))
    assert source.fingerprint() != before
