"""What can be refused is refused before any image is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiseft_jax.cli.main import main


@pytest.mark.parametrize("verb", ["run", "train"])
@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--mesh.fsdp", "3"], "mesh: data -1 x fsdp 3 x alpha 1 doesn't fit 8 device"),
        (["--checkpoints.directory", "ftp://host/dir"], "ftp://host/dir"),
    ],
)
def test_a_layout_that_cannot_be_is_refused_before_the_data(
    verb: str, option: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    nowhere = ["--data.train", f"folder:{tmp_path / 'nowhere'}", "--out", str(tmp_path / "run")]
    assert main([verb, "custom/folder", *nowhere, *option]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "nowhere" not in error
    assert not (tmp_path / "run").exists()
