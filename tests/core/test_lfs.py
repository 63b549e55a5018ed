"""Pointers of Git LFS."""

from __future__ import annotations

from pathlib import Path

from wiseft_jax.core.lfs import is_pointer, pointer_text

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"


def test_a_pointer_is_told_by_how_it_begins(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    path.write_text(POINTER)
    assert is_pointer(path)
    path.write_text(POINTER[1:])
    assert not is_pointer(path)
    assert not is_pointer(tmp_path / "gone")
    assert "git lfs pull" in pointer_text("the weights")
