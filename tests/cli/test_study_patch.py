"""``wiseft study patch`` through the program: files, JSON, a second call, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wiseft_jax.cli.main import main


@pytest.mark.slow
def test_the_whole_study_on_a_tiny_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "study"
    options = ["--seeds", "1", "--epochs", "0.02", "--families", "resnet"]
    command = ["study", "patch", "--out", str(out), *options, "--mixers", "none", "smoothmix"]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "SmoothMix against the others" in printed.out
    assert "model 2 of 2: resnet-smoothmix-0" in printed.err
    assert "| ResNet, SmoothMix |" in (out / "table.md").read_text()
    assert not (out / "curves.png").exists()  # no CLIP, no curve
    assert main([*command, "--json"]) == 0
    printed = capsys.readouterr()
    assert "model 2 of 2" not in printed.err  # it was there
    facts = json.loads(printed.out)
    assert facts["n"] == 1000
    assert {row["mixer"] for row in facts["measures"]} == {"none", "smoothmix"}
    assert main([*command[:-1], "cutmix"]) == 2
    assert "mixers" in capsys.readouterr().err

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for part in ("patch_markdown", "patch_tables"):  # when all is measured
        with monkeypatch.context() as patched:
            patched.setattr(f"wiseft_jax.reporting.patch_table.{part}", stop)
            assert main([*command, "-q"]) == 42
        said = f"the models that are complete are in {out}; the same command goes on from there"
        assert capsys.readouterr().err.endswith(f"interrupted: {said}\n")


def test_a_directory_is_needed(capsys: pytest.CaptureFixture[str]):
    assert main(["study", "patch"]) == 2
    assert "--out DIR: no directory is named" in capsys.readouterr().err


def test_wrong_options_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["study", "patch", "--out", str(tmp_path / "a"), "--seeds", "0"]) == 2
    assert "--seeds: expected an integer >= 1, found 0" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_help_names_what_is_trained(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main(["study", "patch", "--help"])
    assert end.value.code in (0, None)
    text = capsys.readouterr().out
    for option in ("--out", "--seeds", "--epochs", "--mixers", "--families", "--patch-size"):
        assert option in text
