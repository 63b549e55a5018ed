"""Where prepared sets are found, and what is said where they aren't."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.data.builders import write_folder
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.prepare import PrepareOptions, prepare
from wiseft_jax.data.prepared_shards import MANIFEST_FILE
from wiseft_jax.data.specs import SourceOptions, open_source


def write_prepared(out: Path, name: str, config: str = "") -> Path:
    """Prepare three images as ``name``; return the version's directory."""
    photos = out.parent / "photos"
    if not photos.exists():
        write_folder(photos, {"cat": 2, "dog": 1})
    options = PrepareOptions(name, config)
    return Path(prepare({"train": open_source(f"folder:{photos}")}, out, options)["directory"])


@pytest.mark.parametrize("name", ["eurosat", "imagenet_v2"])
def test_a_name_with_configurations_in_tfds_is_found_without(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    directory = write_prepared(tmp_path / "out", name)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "out"))
    for text in (f"tfds:{name}:train", f"tfds:{name}:1.0.0:train", f"tfds:{name}:1.*.*:train"):
        source = open_source(text)
        assert (len(source), source.class_names) == (3, ("cat", "dog"))
    with pytest.raises(InputError, match="no prepared data"):
        open_source(f"tfds:{name}:2.0.0:train")
    (directory / "dataset_info.json").unlink()
    gone = r"1\.0\.0/dataset_info\.json: no such file; prepare it again: the wiseft data prepare"
    with pytest.raises(InputError, match=gone):
        open_source(f"tfds:{name}:train")
    manifest = directory / MANIFEST_FILE
    manifest.write_text(manifest.read_text().replace('"finished": true', '"finished": false'))
    with pytest.raises(InputError, match="hasn't finished there"):
        open_source(f"tfds:{name}:train")


def test_the_configuration_that_tfds_means_comes_first(tmp_path: Path):
    write_prepared(tmp_path / "out", "eurosat")
    directory = write_prepared(tmp_path / "out", "eurosat", "rgb")
    source = open_source("tfds:eurosat:train", SourceOptions(data_dir=str(tmp_path / "out")))
    assert source.ids[0] == "eurosat/rgb/1.0.0:train[0]"
    shutil.rmtree(directory.parent)
    source = open_source("tfds:eurosat:train", SourceOptions(data_dir=str(tmp_path / "out")))
    assert source.ids[0] == "eurosat/1.0.0:train[0]"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("own/fotos/1.0.0", "no such directory; did you mean 'own/photos/1.0.0'?"),
        ("own/photos/1.0.1", "no such directory; did you mean 'own/photos/1.0.0'?"),
        ("own/a", "no such directory; prepared there: own/photos/1.0.0"),
        ("own/photos", "no prepared data set is in this directory; did you mean own/photos/1.0.0?"),
        ("own", "no prepared data set is in this directory; did you mean own/photos/1.0.0?"),
        ("./own/photos", "did you mean own/photos/1.0.0?"),
        ("onw/photos/1.0.0", "no such directory; {cwd} exists, without 'onw'. Did you mean 'own'?"),
        ("empty/photos", "no such directory; {cwd}/empty exists, without 'photos'."),
        ("/nowhere/photos/1.0.0", "no such directory; / exists, without 'nowhere'."),
    ],
)
def test_a_path_that_is_no_version_comes_with_those_near_it(
    target: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_prepared(tmp_path / "own", "photos")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError) as raised:
        open_source(f"tfds:{target}:train")
    assert str(raised.value).endswith(said.format(cwd=tmp_path))
    assert "\n" not in str(raised.value)


def test_several_versions_below_are_listed(tmp_path: Path):
    for name in ("photos", "pictures"):
        write_prepared(tmp_path / "own", name)
    with pytest.raises(InputError) as raised:
        open_source(f"tfds:{tmp_path / 'own'}:train")
    root = tmp_path / "own"
    assert str(raised.value).endswith(f"prepared there: {root}/photos/1.0.0, {root}/pictures/1.0.0")


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("by_name", [True, False])
def test_a_file_of_tfds_that_is_cut_is_named(file: str, by_name: bool, tmp_path: Path):
    directory = write_prepared(tmp_path / "out", "photos")
    content = (directory / file).read_bytes()
    (directory / file).write_bytes(content[: len(content) // 2])
    target = "photos" if by_name else directory
    options = SourceOptions(data_dir=str(tmp_path / "out"))
    with pytest.raises(InputError, match=f"{file}: can't be read .*; prepare it again: the wiseft"):
        open_source(f"tfds:{target}:train", options)
    write_prepared(tmp_path / "out", "photos")  # as the message says
    assert len(open_source(f"tfds:{target}:train", options)) == 3


@pytest.mark.parametrize("config", ["", "small"])
def test_a_path_below_the_place_where_tfds_looks_is_named_as_tfds_does(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_prepared(tmp_path / "out", "photos", config)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "out"))
    name = f"photos/{config}" if config else "photos"
    with pytest.raises(InputError, match=f"did you mean tfds:{name}:1.0.0:SPLIT, which lies in"):
        open_source(f"tfds:{name}/1.0.0:train")
    assert len(open_source(f"tfds:{name}:1.0.0:train")) == 3
    with pytest.raises(InputError, match=r"no such directory; /.* exists, without 'photos'"):
        open_source(f"tfds:{name}/2.0.0:train")


@pytest.mark.parametrize(
    ("name", "meant"), [("mnistt", "mnist"), ("fotos", "photos"), ("nowhere_near", "")]
)
def test_a_name_that_tfds_does_not_know_comes_with_the_closest(
    name: str, meant: str, tmp_path: Path
):
    write_prepared(tmp_path / "out", "photos")
    with pytest.raises(InputError) as raised:
        open_source(f"tfds:{name}:test", SourceOptions(data_dir=str(tmp_path / "out")))
    said = str(raised.value)
    assert f"TensorFlow Datasets knows no data set {name!r} either." in said
    assert "download_and_prepare" not in said
    assert (f"Did you mean {meant!r}?" in said) if meant else ("Did you mean" not in said)


@pytest.mark.parametrize("by_name", [True, False])
def test_a_file_of_tfds_that_is_gone_is_named_once(by_name: bool, tmp_path: Path):
    directory = write_prepared(tmp_path / "out", "photos")
    (directory / "features.json").unlink()
    target = "photos" if by_name else directory
    with pytest.raises(InputError) as raised:
        open_source(f"tfds:{target}:train", SourceOptions(data_dir=str(tmp_path / "out")))
    said = f"{directory / 'features.json'}: can't be read (No such file or directory); prepare it"
    assert str(raised.value).startswith(said)


def test_another_program_prepares_its_own_again(tmp_path: Path):
    directory = write_prepared(tmp_path / "out", "photos")
    (directory / MANIFEST_FILE).unlink()
    (directory / "dataset_info.json").write_text("{")
    with pytest.raises(InputError, match=f"prepare it again: remove {directory}, and have TFDS"):
        open_source(f"tfds:{directory}:train")


def test_what_is_no_name_is_one_line():
    with pytest.raises(InputError) as raised:
        open_source("tfds:not a name!:train")
    assert "neither a name of TFDS" in str(raised.value)
    assert os.linesep not in str(raised.value)
