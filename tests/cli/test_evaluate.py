"""``wiseft evaluate`` refuses a model that isn't there before it looks at any image."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiseft_jax.cli.main import main


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("merged", "'merged': no such directory (looked at {directory}/merged)"),
        ("no/clip", "'no/clip': no directory {directory}/no/clip"),
        ("empty", "empty/config.json: missing"),
    ],
)
def test_the_model_is_refused_before_the_data(
    model: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "--model", model, "--data", "folder:nowhere"]) == 2
    error = capsys.readouterr().err
    assert said.format(directory=tmp_path) in error
    assert "nowhere" not in error
