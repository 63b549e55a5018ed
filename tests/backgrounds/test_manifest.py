"""Rows that were broken off, digests, and whose directory it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from wiseft_jax.backgrounds.manifest import (
    BuildDirectory,
    read_rows,
    variant_digests,
    versions,
    write_rows,
)
from wiseft_jax.core.errors import InputError

IDENTITY = {"parameters": {"size": 4}, "inputs": {"source": "a"}, "versions": {"pillow": "1"}}


def test_a_row_that_was_broken_off_is_left_out_and_a_wrong_one_is_refused(tmp_path: Path):
    file = tmp_path / "rows.jsonl"
    assert read_rows(file) == []
    write_rows(file, [{"a": 1}, {"b": 2}])
    assert read_rows(file) == [{"a": 1}, {"b": 2}]
    file.write_text('{"a": 1}\n{"b": ')
    assert read_rows(file) == [{"a": 1}]
    file.write_text('{"b": \n{"a": 1}\n')
    with pytest.raises(InputError, match=r"rows\.jsonl:1: not a row"):
        read_rows(file)


def test_digests_are_those_of_sha256sum():
    images = [
        {"id": "b/1", "sha256": {"original": "22", "fg_mask": "33"}},
        {"id": "a/1", "sha256": {"original": "11", "fg_mask": "44"}},
    ]
    pairs = [{"fg": "a/1", "kind": "mixed_same", "sha256": "55"}]
    expected = {
        "original": "11  original/val/a/1.png\n22  original/val/b/1.png\n",
        "fg_mask": "44  fg_mask/val/a/1.npy\n33  fg_mask/val/b/1.npy\n",
        "mixed_same": "55  mixed_same/val/a/1.png\n",
    }
    assert variant_digests(images, pairs) == {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in expected.items()
    }


def test_a_build_goes_on_only_as_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    directory = BuildDirectory(tmp_path / "out")
    directory.begin(IDENTITY)
    assert json.loads(directory.manifest_file.read_text())["complete"] is False
    directory.begin(IDENTITY)
    assert not caplog.records
    later = directory.begin({**IDENTITY, "versions": {"pillow": "2"}})
    assert "was begun with other versions" in caplog.text
    assert later["versions_before"] == [{"pillow": "1"}]
    caplog.clear()
    assert directory.begin({**IDENTITY, "versions": {"pillow": "2"}}) == later
    assert directory.finish(later, {})["versions_before"] == [{"pillow": "1"}]
    assert not caplog.records  # it was said, and is in the manifest
    with pytest.raises(InputError, match=r"parameter size: was 4, is 5(.|\n)*another --out"):
        directory.begin({**IDENTITY, "parameters": {"size": 5}})
    directory.begin({**IDENTITY, "parameters": {"size": 5}}, overwrite=True)
    directory.manifest_file.write_text("{")
    with pytest.raises(InputError, match="can't be read"):
        directory.begin(IDENTITY)
    directory.manifest_file.write_text('{"kind": "other"}')
    with pytest.raises(InputError, match="isn't of wiseft backgrounds build"):
        directory.begin(IDENTITY)


@pytest.mark.parametrize("schema", [0, 2, None])
@pytest.mark.parametrize("complete", [False, True])
def test_a_manifest_of_another_schema_is_refused_with_what_to_do(
    schema: int | None, complete: bool, tmp_path: Path
):
    directory = BuildDirectory(tmp_path / "out")
    directory.begin(IDENTITY)
    there = json.loads(directory.manifest_file.read_text()) | {"complete": complete}
    there["schema"] = schema
    written = json.dumps({key: value for key, value in there.items() if value is not None})
    directory.manifest_file.write_text(written)
    said = rf"manifest\.json: expected schema 1, found {schema}: another version"
    with pytest.raises(InputError, match=f"{said}(.|\n)*--out, or --overwrite to remove it"):
        directory.begin(IDENTITY)
    assert directory.manifest_file.read_text() == written
    assert directory.begin(IDENTITY, overwrite=True) == IDENTITY


def test_versions_name_what_decides_the_bytes():
    assert {"wiseft-jax", "numpy", "pillow", "zlib", "libjpeg_turbo"} == set(versions(opencv=False))


def test_a_directory_holds_a_build_for_each_split(tmp_path: Path):
    one, other = BuildDirectory(tmp_path / "out"), BuildDirectory(tmp_path / "out", "train")
    for directory in (other, one):
        directory.begin(IDENTITY)
        path = directory.file("original", "00_dog/a")
        path.parent.mkdir(parents=True)
        path.touch()
    assert other.manifest_file.name == "manifest-train.json"
    assert other.images_file != one.images_file
    one.begin({**IDENTITY, "parameters": {"size": 5}}, overwrite=True)
    assert not one.file("original", "00_dog/a").exists()
    assert other.file("original", "00_dog/a").exists()
    assert json.loads(other.manifest_file.read_text())["parameters"] == IDENTITY["parameters"]
    (tmp_path / "out" / "only_fg" / "test").mkdir(parents=True)
    with pytest.raises(InputError, match="holds no build"):
        BuildDirectory(tmp_path / "out", "test").begin(IDENTITY)
