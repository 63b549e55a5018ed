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
        ("run/mergde", "({directory}/run exists, without 'mergde'. Did you mean 'merged'?)"),
        (
            "./run/x/mergde",
            "not a hub id, which would look like owner/name; {directory}/run exists",
        ),
        ("run", "run: this is a run directory, not a model; its merged model is run/merged"),
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
    (tmp_path / "run" / "merged").mkdir(parents=True)
    (tmp_path / "run" / "merged" / "wiseft.json").touch()
    (tmp_path / "run" / "config.json").write_text('{"config": {}, "config_hash": ""}')
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "--model", model, "--data", "folder:nowhere"]) == 2
    error = capsys.readouterr().err
    assert said.format(directory=tmp_path) in error
    assert "nowhere" not in error


@pytest.mark.parametrize("verb", ["predict --images x", "explain x", "explain x --text y"])
def test_other_verbs_name_the_model_in_a_run_too(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    (tmp_path / "config.json").write_text('{"config": {}, "config_hash": ""}')
    assert main([*verb.split(), "--model", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "this is a run directory, not a model; it has no merged model, and wiseft export" in said


@pytest.mark.parametrize(
    "argv",
    [
        ["evaluate", "--data", "folder:x"],
        ["predict", "--images", "x"],
        ["explain", "x"],
    ],
)
def test_templates_that_make_no_prompts_are_refused(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
):
    (tmp_path / "wiseft.json").touch()
    assert main([*argv, "--model", str(tmp_path), "--templates", "imagenet"]) == 2
    assert "error: --templates: " in capsys.readouterr().err


def test_unknown_templates_are_refused_before_the_model(capsys: pytest.CaptureFixture):
    argv = ["evaluate", "--model", "nowhere/at/all", "--data", "folder:x", "--templates", "simpel"]
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert "--templates: unknown prompt set 'simpel'. Did you mean 'simple'?" in said


def test_all_models_are_looked_for_before_one_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    argv = ["evaluate", "--model", "glyphclip", str(tmp_path / "b"), "--data", "folder:nowhere"]
    assert main(argv) == 2
    assert f"{tmp_path / 'b'}" in capsys.readouterr().err
