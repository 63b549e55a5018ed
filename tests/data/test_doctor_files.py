"""Downloads that lie with a data set: whose they are, and what becomes of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.doctor import check_dataset
from wiseft_jax.data.doctor_files import belongs_to, download_findings


@pytest.mark.parametrize(
    ("file", "name", "belongs"),
    [
        ("imagenet-r.tar", "imagenet-r", True),
        ("imagenet-r.tar.crdownload", "imagenet-r", True),
        ("imagenet-r.tar", "imagenet", False),
        ("ILSVRC2012_img_val.tar.part", "imagenet", True),
        ("cifar-10-binary.tar.gz", "cifar10", True),
        ("cifar-100-binary.tar.gz", "cifar10", False),
        ("CIFAR-10-C.tar", "cifar10-c", True),
        ("blur.tar", "imagenet-c", True),
        ("sketch.zip", "imagenet-sketch", True),
        ("other.zip", "imagenet-sketch", False),
    ],
)
def test_whose_a_download_is(file: str, name: str, belongs: bool):
    assert belongs_to(file, name, DATASETS[name]) == belongs


def write_archive(folder: Path, name: str, kind: str) -> Path:
    content = folder / "content"
    content.mkdir(parents=True, exist_ok=True)
    (content / "a.jpg").write_bytes(b"x" * 5000)
    shutil.make_archive(str(folder / name), kind, content)
    shutil.rmtree(content)
    return next(folder.glob(f"{name}.*"))


@pytest.mark.parametrize(
    ("kind", "command"), [("zip", "unzip {} -d {}"), ("tar", "tar -xf {} -C {}"),
                          ("gztar", "tar -xf {} -C {}")],
)  # fmt: skip
def test_an_archive_is_unpacked_where_it_lies(kind: str, command: str, tmp_path: Path):
    archive = write_archive(tmp_path, "data", kind)
    (finding,) = download_findings([archive], incomplete=True)
    assert finding.severity == "error"
    assert finding.fix.splitlines()[-1] == command.format(archive, tmp_path)
    (left,) = download_findings([archive], incomplete=False)
    assert left.severity == "note"
    unread = "; it is not checked whole: its two ends are right, --deep reads it"
    assert left.what.endswith(unread) == finding.what.endswith(unread) == (kind == "gztar")
    (read,) = download_findings([archive], incomplete=False, deep=True)
    assert not read.what.endswith(unread)
    archive.write_bytes(archive.read_bytes()[: 60 if kind == "zip" else 8])
    (cut,) = download_findings([archive], incomplete=True)
    assert cut.kind == "truncated_file"


def test_an_archive_for_each_class_gets_a_folder_of_its_own(tmp_path: Path):
    archives = [write_archive(tmp_path, name, "tar") for name in ("n01440764", "n01443537")]
    (finding,) = download_findings(archives, incomplete=True)
    folder = archives[0].with_suffix("")
    assert finding.fix.endswith(f"mkdir -p {folder} && tar -xf {archives[0]} -C {folder}")
    assert "the other 1 likewise" in finding.fix


def test_an_archive_in_the_root_is_another_data_sets_unless_its_name_says_otherwise(tmp_path: Path):
    write_archive(tmp_path, "photos", "zip")
    kinds = [each.kind for each in check_dataset("imagenet-r", tmp_path).findings]
    assert kinds == ["missing_split"]
    archive = write_archive(tmp_path, "imagenet-r", "tar")
    first, second = check_dataset("imagenet-r", tmp_path).findings
    assert (first.kind, first.where) == ("archive", (str(archive),))
    assert second.kind == "missing_split"


def test_a_partial_download_beside_whole_data_is_a_warning(tmp_path: Path):
    path = tmp_path / "x.tar.part"
    path.write_bytes(b"x")
    assert [each.severity for each in download_findings([path], incomplete=False)] == ["warning"]
    assert [each.severity for each in download_findings([path], incomplete=True)] == ["error"]
