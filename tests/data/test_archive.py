"""Archives are read as the folders that they were made of, and what is unsafe is refused."""

from __future__ import annotations

import gzip
import io
import logging
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import encode, files_of, pack_archive, pixels, write_folder
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.lfs import POINTER
from wiseft_jax.data.archive import ArchiveSource, open_archive
from wiseft_jax.data.decode import BadImageError
from wiseft_jax.data.specs import ARCHIVE_SUFFIXES, open_source, parse_spec

COUNTS = {"cat": 3, "dog": 2, "owl": 1}


def open_all(path: Path, name: str) -> dict[str, ArchiveSource]:
    return {split: opener() for split, opener in open_archive(path, name).splits.items()}


@pytest.mark.parametrize("prefix", ["", "./", "photos/", "./all/photos/"])
@pytest.mark.parametrize("suffix", ARCHIVE_SUFFIXES)
def test_it_is_what_the_folder_is(tmp_path: Path, suffix: str, prefix: str):
    write_folder(tmp_path / "photos", COUNTS)
    (tmp_path / "photos" / "dog" / "deep").mkdir()
    (tmp_path / "photos" / "dog" / "deep" / "x.JPG").write_bytes(encode(pixels(9), "JPEG"))
    folder = open_source(f"folder:{tmp_path / 'photos'}")
    members = {**files_of(tmp_path / "photos", prefix), f"{prefix}readme.txt": b"no image"}
    (source,) = open_all(pack_archive(tmp_path / f"photos{suffix}", members), "photos").values()
    assert source.class_names == folder.class_names
    np.testing.assert_array_equal(source.labels, folder.labels)
    assert [source.read(i) for i in range(7)] == [folder.read(i) for i in range(7)]
    below = [str(Path(each).relative_to(source.root)) for each in source.ids]
    assert below == [str(Path(each).relative_to(tmp_path / "photos")) for each in folder.ids]
    assert not list(tmp_path.glob("**/deep/deep"))


@pytest.mark.parametrize("suffix", [".tar", ".zip"])
def test_splits_are_found(tmp_path: Path, suffix: str):
    members = {
        f"photos/{split}/{name}/{i}.png": encode(pixels(i))
        for split in ("train", "val")
        for name in ("cat", "dog")
        for i in range(2)
    }
    sources = open_all(pack_archive(tmp_path / f"a{suffix}", members), "a")
    assert {split: (len(each), each.name) for split, each in sources.items()} == {
        "train": (4, "a-train"),
        "val": (4, "a-val"),
    }
    assert sources["val"].ids[0] == "photos/val/cat/0.png"
    assert sources["val"].class_names == ("cat", "dog")


@pytest.mark.parametrize("suffix", [".tar", ".zip"])
def test_what_is_passed_over_is_told(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture):
    members = {
        "a/1.png": encode(pixels(1)),
        "b/1.png": encode(pixels(2)),
        "loose.png": encode(pixels(3)),
        "a/notes.doc": b"",
        "__MACOSX/a/1.png": b"",
        "a/._1.png": b"",
    }
    with caplog.at_level(logging.INFO):
        (source,) = open_all(
            pack_archive(tmp_path / f"x{suffix}", members, ("empty", "__MACOSX")), "x"
        ).values()
    assert source.class_names == ("a", "b", "empty")
    assert list(source.ids) == ["a/1.png", "b/1.png"]
    assert "1 image lies outside of the class folders" in caplog.text
    assert "no images in 1 class folder: empty" in caplog.text
    assert "skipped 3 files that are no images" in caplog.text


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize("name", ["../cat/x.png", "cat/../../x.png", "/etc/x.png", "C:\\x\\y.png"])
def test_names_that_lead_outside_refuse_the_archive(tmp_path: Path, suffix: str, name: str):
    path = pack_archive(tmp_path / f"x{suffix}", {"cat/1.png": encode(pixels(0)), name: b"x"})
    with pytest.raises(InputError, match="would lead outside of a folder"):
        open_all(path, "x")


def test_links_are_passed_over_and_repeated_names_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        link = tarfile.TarInfo("cat/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for seed in (1, 2):
            info, data = tarfile.TarInfo("cat/1.png"), encode(pixels(seed))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    (source,) = open_all(tmp_path / "x.tar", "x").values()
    assert list(source.ids) == ["cat/1.png"]
    assert source.read(0) == encode(pixels(2))
    assert "1 link or special file is passed over: cat/link.png" in caplog.text
    assert "1 name is there more than once, and the last of each counts" in caplog.text


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip"])
def test_half_a_download_is_an_input_error(tmp_path: Path, suffix: str):
    members = {f"cat/{i}.png": encode(pixels(i, 64, 64)) for i in range(4)}
    path = pack_archive(tmp_path / f"x{suffix}", members)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(InputError, match=r"can't be read as an archive .*half a download"):
        open_all(path, "x")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_tar_that_is_cut_off_between_two_members_is_refused(tmp_path: Path, suffix: str):
    members = {f"cat/{i}.png": encode(pixels(i)) for i in range(4)}
    path = pack_archive(tmp_path / "x.tar", members)
    with tarfile.open(path) as tar:
        places = [member.offset for member in tar]
    whole, path = path.read_bytes(), tmp_path / f"y{suffix}"
    end = places[-1]
    damaged = whole[:end] + b"x" * 512 + whole[end + 512 :]
    for content in (whole[:end], damaged):
        path.write_bytes(gzip.compress(content) if suffix == ".tar.gz" else content)
        with pytest.raises(InputError, match=r"its end is missing.*half a download"):
            open_all(path, "y")
    content = whole[:end] + bytes(512)  # one empty block is an end
    path.write_bytes(gzip.compress(content) if suffix == ".tar.gz" else content)
    assert len(open_all(path, "y")[""]) == 3


def test_a_name_may_begin_as_another_kind_of_archive_does(tmp_path: Path):
    path = pack_archive(tmp_path / "x.tar", {"BZh/1.png": encode(pixels(0))})
    assert open_all(path, "x")[""].class_names == ("BZh",)


@pytest.mark.parametrize("suffix", ARCHIVE_SUFFIXES)
def test_a_pointer_and_an_empty_file_are_named(tmp_path: Path, suffix: str):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(POINTER + b"v1\noid sha256:00\nsize 12\n")
    with pytest.raises(InputError, match="is a Git LFS pointer, not the archive; install git-lfs"):
        open_archive(path, "x")
    path.write_bytes(b"")
    with pytest.raises(InputError, match="the file is empty"):
        open_archive(path, "x")


@pytest.mark.parametrize(
    ("content", "name", "renamed"),
    [
        (".tar.gz", "a.b.zip", "a.b.tar.gz"),
        (".zip", "x.tar", "x.zip"),
        (".tar", "x.tar.gz", "x.tar"),
        (".tar.xz", "x.tgz", "x.tar.xz"),
        (".tar.bz2", "x.tar", "x.tar.bz2"),
    ],
)
def test_an_archive_under_the_name_of_another_kind_is_to_be_renamed(
    tmp_path: Path, content: str, name: str, renamed: str
):
    packed = pack_archive(tmp_path / f"made{content}", {"cat/1.png": encode(pixels(0))})
    packed.rename(tmp_path / name)
    message = rf"content is that of a \{content} file; rename it to {re.escape(renamed)}$"
    with pytest.raises(InputError, match=message):
        open_archive(tmp_path / name, "x")
    (tmp_path / name).rename(tmp_path / renamed)
    assert len(open_all(tmp_path / renamed, "x")[""]) == 1


def test_a_damaged_image_is_named(tmp_path: Path):
    path = pack_archive(
        tmp_path / "x.zip", {"cat/1.png": encode(pixels(0)), "cat/2.png": b"x" * 500}
    )
    data = path.read_bytes()
    place = data.index(b"cat/1.png") + 60
    path.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
    (source,) = open_all(path, "x").values()
    with pytest.raises(BadImageError, match=r"x\.zip:cat/1\.png: can't be read \(Bad CRC"):
        source.read(0)


@pytest.mark.parametrize(
    ("name", "members", "message"),
    [
        ("x.tar", {"readme.txt": b""}, "no images in it"),
        ("x.zip", {"1.png": b"", "2.png": b""}, "expected a folder for each class, found 2 images"),
        ("x.rar", None, r"expected an archive, found suffix '\.rar'; .*unpack x\.rar"),
        ("gone.tar", None, "no such archive"),
    ],
)
def test_what_is_no_archive_of_classes_is_an_input_error(
    tmp_path: Path, name: str, members: dict[str, bytes] | None, message: str
):
    if members is not None:
        pack_archive(tmp_path / name, members)
    elif name == "x.rar":
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=message):
        open_all(tmp_path / name, "x")


def test_an_encrypted_zip_is_refused(tmp_path: Path):
    path = pack_archive(tmp_path / "x.zip", {"cat/1.png": encode(pixels(0))})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    path.write_bytes(data)
    with pytest.raises(InputError, match="it is encrypted; unpack it"):
        open_all(path, "x")


def test_the_fingerprint_is_the_archives(tmp_path: Path):
    members = {f"cat/{i}.png": encode(pixels(i)) for i in range(2)}
    (source,) = open_all(pack_archive(tmp_path / "x.tar", members), "x").values()
    (again,) = open_all(tmp_path / "x.tar", "x").values()
    assert source.fingerprint() == again.fingerprint()
    members["cat/2.png"] = encode(pixels(2))
    (changed,) = open_all(pack_archive(tmp_path / "x.tar", members), "x").values()
    assert changed.fingerprint() != source.fingerprint()


@pytest.mark.parametrize("text", ["photos.tar.gz", "archive:a/photos.ZIP"])
def test_where_an_archive_is_no_source_the_way_out_is_named(text: str):
    message = f"wiseft data prepare {text.removeprefix('archive:')} --out DIR"
    with pytest.raises(InputError, match=re.escape(message)):
        parse_spec(text)
