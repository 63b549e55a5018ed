"""Archives that are cut off at every kind of place, and whole ones."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.data.doctor import check_dataset
from wiseft_jax.data.doctor_archives import archive_state


def write_tar(path: Path) -> Path:
    """Write a tar of ten members that don't compress, one of them with a long name."""
    rng = np.random.default_rng(0)
    compress = {".tar": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:") as tar:
        for index in range(10):
            data = rng.bytes(3000)
            member = tarfile.TarInfo(f"imagenet-r/{'n' * 150 if index == 4 else index}.jpg")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    path.write_bytes(compress[path.suffix](content.getvalue()))
    return path


def cut(path: Path, keep: int) -> Path:
    path.write_bytes(path.read_bytes()[:keep])
    return path


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_whole_tar_is_whole_and_half_of_it_is_cut(suffix: str, deep: bool, tmp_path: Path):
    path = write_tar(tmp_path / f"imagenet-r.{suffix}")
    unread = suffix == "tar.gz" and not deep
    assert archive_state(path, deep=deep) == ("unread" if unread else "whole")
    cut(path, path.stat().st_size // 2)
    assert archive_state(path, deep=deep) == "cut"
    assert archive_state(cut(path, 4), deep=deep) == "cut"


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.bz2", "tar.xz"])
def test_the_last_bytes_of_a_compressed_tar_count(suffix: str, tmp_path: Path):
    path = write_tar(tmp_path / f"x.{suffix}")
    cut(path, path.stat().st_size - 5)
    assert archive_state(path, deep=True) == "cut"


def test_a_tar_is_cut_wherever_its_end_is_missing(tmp_path: Path):
    path = write_tar(tmp_path / "x.tar")
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-1]
    end = last.offset_data + 3072  # 3000 bytes in blocks of 512
    whole = path.read_bytes()
    for keep in (last.offset, last.offset + 100, last.offset_data + 10, end - 1, end, end + 100):
        assert archive_state(cut(path, keep), deep=False) == "cut", keep
        path.write_bytes(whole)
    assert archive_state(cut(path, end + 512), deep=False) == "whole"  # as tar takes it


def test_a_tar_is_read_as_what_it_is_whatever_its_name(tmp_path: Path):
    path = write_tar(tmp_path / "x.tar.gz").rename(tmp_path / "x.tar")
    assert archive_state(path, deep=False) == "unread"
    assert archive_state(path, deep=True) == "whole"


def test_a_cut_tar_that_was_compressed_is_cut(tmp_path: Path):
    path = write_tar(tmp_path / "x.tar")
    packed = tmp_path / "x.tar.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()[:9000]))
    assert archive_state(packed, deep=True) == "cut"


def test_zips_end_with_their_directory_and_other_formats_are_unknown(tmp_path: Path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"x" * 500)
    assert archive_state(path, deep=False) == "whole"
    assert archive_state(cut(path, 300), deep=False) == "cut"
    assert archive_state(path.rename(tmp_path / "x.7z"), deep=True) == "unknown"


def test_the_doctor_says_that_half_a_download_is_to_be_downloaded_again(tmp_path: Path):
    path = write_tar(tmp_path / "imagenet-r.tar.gz")
    cut(path, path.stat().st_size // 2)
    for deep in (False, True):
        findings = check_dataset("imagenet-r", tmp_path, deep=deep).findings
        (read,) = [found for found in findings if found.where == (str(path),)]
        assert read.kind == "truncated_file"
        assert read.fix.endswith("download it again")


def test_of_a_compressed_tar_whose_ends_are_right_it_is_said_that_it_is_not_read(tmp_path: Path):
    path = write_tar(tmp_path / "imagenet-r.tar.gz")
    findings = check_dataset("imagenet-r", tmp_path).findings
    (unread,) = [found for found in findings if found.where == (str(path),)]
    assert unread.kind == "archive"
    assert unread.what.endswith("its two ends are right, --deep reads it")


def test_a_tar_that_is_compressed_in_parts_is_read_before_it_is_blamed(tmp_path: Path):
    path = write_tar(tmp_path / "x.tar")
    content, packed = path.read_bytes(), tmp_path / "x.tar.gz"
    packed.write_bytes(gzip.compress(content[:9999]) + gzip.compress(content[9999:]))
    assert archive_state(packed, deep=False) == "whole"
