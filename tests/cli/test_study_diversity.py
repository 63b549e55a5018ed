"""``wiseft study diversity``: refusals and help; ``test_study_alternatives`` runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.light_help import light_help
from wiseft_jax.cli.main import main


def test_a_study_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["study", "diversity"]) == 2
    assert "no study is named\nusage: wiseft study diversity STUDY" in capsys.readouterr().err
    assert main(["study", "diversity", str(tmp_path)]) == 2
    assert "there is no study (no study.json); make one: wiseft study" in capsys.readouterr().err


def test_wrong_options_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["study", "diversity", str(tmp_path), "--samples", "0"]) == 2
    assert "samples: expected an integer >= 1, found 0" in capsys.readouterr().err


def test_help_loads_nothing_heavy():
    text = light_help("study", "diversity")
    for option in ("--probe-splits", "--most-pairs", "--samples", "--seed"):
        assert option in text
