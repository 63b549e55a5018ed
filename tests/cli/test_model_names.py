"""Models by their names: exported or not, short names, the same one twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiseft_jax.cli.model_names import check_different, is_exported, short_names
from wiseft_jax.core.errors import InputError


def test_an_export_is_known_by_its_files(tmp_path: Path):
    assert not is_exported(str(tmp_path))
    (tmp_path / "head.safetensors").touch()
    assert is_exported(str(tmp_path))


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
