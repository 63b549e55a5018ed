"""A sweep that is broken off while it replaces results, and the command that finishes it."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Workshop
from wiseft_jax.cli.main import main
from wiseft_jax.core.last_sweep import UNFINISHED_FILE

SHOWN = ("report.md", "report.html", "curve.png", "curve.svg")


@pytest.fixture
def run(workshop: Workshop, tmp_path: Path) -> Path:
    return Path(shutil.copytree(workshop.run, tmp_path / "run"))


def broken_off(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("wiseft_jax.evaluation.sweep.write_rows", 2),
        pytest.param("wiseft_jax.experiment.export_merged", 0, marks=pytest.mark.slow),
        pytest.param("wiseft_jax.cli.outcome.write_page_of_run", 0, marks=pytest.mark.slow),
    ],
)
def test_it_is_told_and_finished_by_the_command_that_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, where: str, code: int
) -> None:
    sweep = ["sweep", str(run), "--sweep.method", "direct", "--sweep.alphas", "0", "1", "-q"]
    with monkeypatch.context() as patched:
        patched.setattr(where, broken_off)
        assert main(sweep) == 42
    assert (run / UNFINISHED_FILE).is_file()
    assert (run / "report.md").is_file() is where.endswith("page_of_run")
    capsys.readouterr()
    assert main(["report", str(run), "--no-images"]) == code
    printed = capsys.readouterr()
    assert bool(printed.out) is (code == 0)
    (line,) = [line for line in printed.err.splitlines() if "again: " in line or "it: " in line]
    command = line.partition("again: " if code else "finish it: ")[2]
    assert "--sweep.alphas 0.0 1.0" in command
    assert main([*shlex.split(command)[1:], "-q"]) == 0
    assert not (run / UNFINISHED_FILE).exists()
    assert [name for name in SHOWN if not (run / name).is_file()] == []
    capsys.readouterr()
    assert main(["report", str(run), "--no-images"]) == 0
    printed = capsys.readouterr()
    assert printed.out == (run / "report.md").read_text()
    assert "isn't finished" not in printed.err
