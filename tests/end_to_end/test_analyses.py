"""A run through the command line, analysed: its own sets, and a set of other classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Workshop
from wiseft_jax.cli.main import main
from wiseft_jax.core.analysis_rows import read_analysis_rows


def test_a_run_is_analysed_with_a_set_of_other_classes(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run, others = tmp_path / "run", tmp_path / "others"
    shutil.copytree(workshop.run, run)
    for folder in sorted(path for path in workshop.photos.iterdir() if path.is_dir()):
        shutil.copytree(folder, others / f"not {folder.name}")
    assert main(["study", "other_sets", str(run), "--sets", f"folder:{others}", "-q"]) == 0
    assert "wiseft report" in capsys.readouterr().out
    names = ["other_sets", "diversity", "landscape", "flips"]
    assert main(["report", str(run), "--analyses", *names, "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["analyses"]) == {*names}
    rows = read_analysis_rows(run, "other_sets")
    assert {row["alpha"] for row in rows} == {0.0, 0.5, 1.0}
    assert {row["dataset"] for row in rows} == {"others"}
    same = ["study", "other_sets", str(run), "--sets", f"folder:{workshop.photos}", "-q"]
    assert main(same) == 2
    assert "expected other classes than the run's" in capsys.readouterr().err
    assert main(["study", "other_sets", str(run)]) == 2
    assert "--sets" in capsys.readouterr().err
