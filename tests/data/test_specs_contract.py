"""What every source promises, over the whole table of schemes."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import CLASSES, encode, pixels, write_table
from wiseft_jax.data.decode import decode_image
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.source import Source
from wiseft_jax.data.specs import SCHEMES, SourceOptions, open_source, parse_spec

COUNT = 12


def write_numbered(root: Path) -> list[tuple[str, str]]:
    """Write image i as ``<class i % 3>/<i>.png``; return the rows of a table."""
    rows = []
    for index in range(COUNT):
        path = root / CLASSES[index % 3] / f"{index:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(pixels(index)))
        rows.append((str(path.relative_to(root)), CLASSES[index % 3]))
    return rows


@pytest.fixture(params=["folder", "table-csv", "table-tsv", "table-jsonl", "tfds-array_record",
                        "tfds-tfrecord"])  # fmt: skip
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Source, str, SourceOptions]:
    """Open the same twelve images through each scheme."""
    scheme, _, kind = request.param.partition("-")
    options = SourceOptions()
    if scheme == "folder":
        write_numbered(tmp_path)
        text = f"folder:{tmp_path}"
    elif scheme == "table":
        text = f"table:{write_table(tmp_path / f'list.{kind}', write_numbered(tmp_path))}"
    else:
        dirs = request.getfixturevalue("tfds_dirs")
        options = SourceOptions(data_dir=str(dirs[kind]))
        text = "tfds:mini_photos:train"
    return open_source(f"mini={text}", options), text, options


def test_every_scheme_is_under_contract():
    schemes = {"folder", "table", "tfds"}
    assert set(SCHEMES) == schemes


def test_it_is_a_source(opened):
    source, _, _ = opened
    assert isinstance(source, Source)
    assert (source.name, source.class_names, len(source)) == ("mini", CLASSES, COUNT)
    assert source.labels.dtype == np.int32
    assert len(source.ids) == len(set(source.ids)) == COUNT
    assert np.bincount(source.labels).tolist() == [4, 4, 4]


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
    assert copy.read(5) == source.read(5)
    np.testing.assert_array_equal(copy.labels, source.labels)
    assert copy.fingerprint() == source.fingerprint()


def test_threads_may_read_it(opened):
    source, _, _ = opened
    expected = [source.read(index) for index in range(COUNT)]
    with ThreadPoolExecutor(8) as executor:
        found = list(executor.map(source.read, [*range(COUNT)] * 20))
    assert found == expected * 20


def test_the_fingerprint_changes_with_the_data(opened, tmp_path: Path):
    source, _, options = opened
    if not isinstance(source, FileSource):
        other = open_source("tfds:mini_photos:train[1:]", options)
        assert other.fingerprint() != source.fingerprint()
        return
    before = source.fingerprint()
    Path(source.ids[3]).write_bytes(encode(pixels(99)))
    assert source.fingerprint() != before
