from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import encode, pixels, write_folder
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.files import FileSource, open_images


def test_images_of_directories_and_files_have_no_label(tmp_path: Path, caplog):
    write_folder(tmp_path / "a", {"deep/er": 2})
    (tmp_path / "a" / "notes.txt").touch()
    single = tmp_path / "single"
    single.write_bytes(encode(pixels(0)))
    source = open_images([tmp_path / "a", str(single)])
    assert [Path(path).name for path in source.ids] == ["000.png", "001.png", "single"]
    assert source.labels.tolist() == [-1, -1, -1]
    assert source.class_names == ()
    assert "skipped 1 file that is no image: 1 .txt (notes.txt)" in caplog.text
    assert len(open_images(str(single))) == 1
    assert source.fingerprint() == open_images([tmp_path / "a", single]).fingerprint()


def test_no_images_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="no images there"):
        open_images(tmp_path)
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    said = rf"phots: no such file or directory; {tmp_path} exists.*'photos'\?.*Give image files"
    with pytest.raises(InputError, match=said):
        open_images("phots")


def test_labels_are_checked(tmp_path: Path):
    with pytest.raises(InputError, match=r"label 1 of image 0 is outside 0\.\.0"):
        FileSource("x", ["a.png"], np.array([1]), ["only"], tmp_path)


def test_a_stamp_changes_with_size_and_time(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(b"1234")
    source = open_images(path)
    (before,) = source.stamps()
    assert before.startswith(f"{path}|4|")
    path.write_bytes(b"12345")
    assert source.stamps()[0] != before
