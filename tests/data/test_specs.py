from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.specs import (
    SCHEMES,
    Spec,
    bare_spec,
    parse_spec,
    parse_specs,
    public_spec,
    require_path,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("folder:/data/photos", Spec("folder", "/data/photos", "", "photos")),
        ("folder:/data/photos/", Spec("folder", "/data/photos/", "", "photos")),
        ("folder:/data/photos/test", Spec("folder", "/data/photos/test", "", "photos-test")),
        ("mine=folder:photos", Spec("folder", "photos", "", "mine")),
        ("folder:a=b", Spec("folder", "a=b", "", "a=b")),
        ("x=folder:a=b:c", Spec("folder", "a=b:c", "", "x")),
        ("table:lists/birds.csv", Spec("table", "lists/birds.csv", "", "birds")),
        ("tfds:mnist:test", Spec("tfds", "mnist", "test", "mnist-test")),
        ("tfds:mnist:3.0.1:test", Spec("tfds", "mnist:3.0.1", "test", "mnist:3.0.1-test")),
        ("tfds:cars/small:train", Spec("tfds", "cars/small", "train", "cars/small-train")),
        (
            "published:imagenet:val@/a:b@c",
            Spec("published", "imagenet", "val", "imagenet-val", "/a:b@c"),
        ),
        ("published:imagenet-v2", Spec("published", "imagenet-v2", "", "imagenet-v2")),
        (
            "fog=published:imagenet-c/fog/3@~/data",
            Spec("published", "imagenet-c/fog/3", "", "fog", "~/data"),
        ),
        ("x=tfds:mnist:train[:10%]", Spec("tfds", "mnist", "train[:10%]", "x")),
        ("x=tfds:mnist:a[5:9]+b[1:]", Spec("tfds", "mnist", "a[5:9]+b[1:]", "x")),
    ],
)
def test_specs_are_parsed(text: str, expected: Spec):
    assert parse_spec(text) == expected


@given(
    st.sampled_from(sorted(SCHEMES)),
    st.text("abc/._-= ", min_size=1).filter(str.strip),
    st.text("abc", min_size=1),
)
def test_what_is_printed_can_be_parsed_again(scheme: str, target: str, name: str):
    spec = parse_spec(f"{name}={scheme}:{target}" + (":train[1:2]" if scheme == "tfds" else ""))
    assert parse_spec(f"{name}={spec}") == spec
    assert (spec.target, spec.name) == (target, name)


def test_the_home_directory_is_expanded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert parse_spec("folder:~/photos").path == Path("/home/someone/photos")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "doesn't say what kind of data"),
        ("photos", "write one of: folder:PATH"),
        ("data/photos", "did you mean 'folder:data/photos'"),
        ("x=data/photos", "did you mean 'folder:data/photos'"),
        ("/data/list.csv", "did you mean 'table:/data/list.csv'"),
        ("LIST.JSONL", "did you mean 'table:LIST.JSONL'"),
        ("folders:/data", "unknown data scheme 'folders'. Did you mean 'folder'"),
        ("http://x.org/a", "unknown data scheme 'http'"),
        ("memory", "what kind of data"),
        ("memory:x", "come from Python"),
        ("folder:", "nothing after 'folder'"),
        ("tfds:mnist", "which split"),
        ("published:", "nothing after 'published'"),
        ("published:@/data", "nothing after 'published'"),
        ("published:imagenet:", "nothing after ':'"),
        ("published:imagenet:val@", "nothing after '@'"),
        ("published:imagenet:@/data", "nothing after ':'"),
        ("tfds:mnist:", "which split"),
        ("tfds::train", "which split"),
        ("tfds:mnist[a:b]", "which split"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_a_hint(text: str, message: str):
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        parse_spec(text)


def test_a_bare_path_that_exists_suggests_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "a:b").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "a:b"):
        with pytest.raises(InputError, match=f"did you mean 'folder:{name}'"):
            parse_spec(name)


def test_names_must_differ():
    assert [spec.name for spec in parse_specs(["folder:a/x", "y=folder:b/x"])] == ["x", "y"]
    with pytest.raises(InputError, match="called 'x'; write OTHER_NAME=folder:a/x"):
        parse_specs(["folder:a/x", "folder:b/x"])


def test_a_missing_path_says_how_far_it_exists(tmp_path: Path):
    (tmp_path / "photos" / "train").mkdir(parents=True)
    require_path(tmp_path / "photos", "folder")
    with pytest.raises(InputError, match=r"photos exists, without 'trian'\. Did you mean 'train'"):
        require_path(tmp_path / "photos" / "trian", "folder")
    with pytest.raises(InputError, match=r"exists, without 'fotos'\. Did you mean 'photos'"):
        require_path(tmp_path / "fotos" / "train" / "cat", "folder")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file exists, without 'cat'"):
        require_path(tmp_path / "file" / "cat", "folder")


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("folder:/home/ann/pets/", "folder:pets"),
        ("pets=table:lists/train.csv", "table:train.csv"),
        ("tfds:/home/ann/tfds/pets/1.0.0:test", "tfds:pets/1.0.0:test"),
        ("tfds:own/pets/1.0.0:test", "tfds:pets/1.0.0:test"),
        ("tfds:gs://bucket/own/pets/1.0.0/:test", "tfds:pets/1.0.0:test"),
        ("tfds:imagenet_v2/matched-frequency:test", "tfds:imagenet_v2/matched-frequency:test"),
        ("published:cifar10:test@/home/ann", "published:cifar10:test"),
        ("quickstart:digits", "quickstart:digits"),
    ],
)
def test_a_public_spec_names_no_place(text: str, public: str):
    assert public_spec(text) == public


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("mine=published:imagenet:val@/data", "published:imagenet:val"),
        ("mine=folder:/photos/train", "folder:/photos/train"),
        ("tfds:mnist:train[:10%]", "tfds:mnist:train[:10%]"),
        ("digits", "digits"),
    ],
)
def test_a_bare_spec_has_neither_name_nor_root(text: str, bare: str):
    assert bare_spec(text) == bare


@pytest.mark.parametrize("name", ["photos.rar", "photos.7z", "Photos.TAR.ZST"])
def test_an_archive_that_is_not_read_is_to_be_unpacked(name: str):
    unpacked = name.partition(".")[0]
    said = rf"of archives \.tar, .*\.zip are read: unpack {name}, .* as in folder:a/{unpacked}$"
    with pytest.raises(InputError, match=said):
        parse_spec(f"a/{name}")
