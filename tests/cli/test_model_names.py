"""Models by their names: exported or not, short names, the same one twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiseft_jax.cli.model_names import check_different, check_model, is_exported, short_names
from wiseft_jax.core.errors import InputError


def test_an_export_is_known_by_its_files(tmp_path: Path):
    assert not is_exported(str(tmp_path))
    (tmp_path / "head.safetensors").touch()
    assert is_exported(str(tmp_path))


def test_a_file_is_no_run_and_a_path_that_is_not_there_is_refused(tmp_path: Path):
    (tmp_path / "model.safetensors").touch()
    check_model(str(tmp_path / "model.safetensors"))
    check_model("glyphclip")
    check_model("openai/clip-vit-base-patch32")
    with pytest.raises(InputError, match="no such directory"):
        check_model(str(tmp_path / "model.pt"))


def test_short_names_unless_they_are_alike():
    assert short_names(["runs/a", "b/"]) == {"runs/a": "a", "b/": "b"}
    assert short_names(["x/merged", "y/merged"]) == {"x/merged": "x/merged", "y/merged": "y/merged"}


def test_the_same_model_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    monkeypatch.chdir(tmp_path)
    check_different(["a", "glyphclip", "org/a"])
    with pytest.raises(InputError, match=r"--model: a is given twice; name each"):
        check_different(["a", "b", "a"])
    for other in ("./a/", "link", str(tmp_path / "a")):
        with pytest.raises(InputError, match=r"is given twice \(as a too\)"):
            check_different(["a", other])
    with pytest.raises(InputError, match="glyphclip is given twice"):
        check_different(["glyphclip", "glyphclip"])
