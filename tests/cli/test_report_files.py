"""``wiseft report RUN --tables DIR --figures DIR``."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.stored_runs import SETS, predictions, write_run
from tests.structure.source_tree import ROOT
from wiseft_jax.cli.main import main
from wiseft_jax.core.writers import write_json


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("stored") / "run").path


def test_tables(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["report", str(run), "--tables", str(tmp_path / "t"), "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [Path(name).name for name in files] == [
        f"{name}.{kind}" for name in ("accuracy", "gains") for kind in ("md", "csv", "tex")
    ]
    with (tmp_path / "t" / "accuracy.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * len(SETS)
    (row,) = [r for r in rows if (r["dataset"], r["alpha"]) == ("50%_off & more", "0.5")]
    value = predictions("50%_off & more").correct[1].mean()
    assert (float(row["value"]), row["n"], row["chosen"]) == (pytest.approx(value), "40", "yes")
    tex = (tmp_path / "t" / "accuracy.tex").read_text()
    assert r"50\%\_off \& more (n=40)" in tex
    assert r"\textbf{0.5 chosen}" in tex
    with (tmp_path / "t" / "gains.csv").open(newline="") as file:
        gains = list(csv.DictReader(file))
    assert {each["against"] for each in gains} == {"zero-shot", "fine-tuned"}
    assert all(each["p_value"] for each in gains if each["dataset"] != "mean of shifts")


def test_without_predictions_gains_have_no_tests(run: Path, tmp_path: Path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "predictions")
    assert main(["report", str(copy), "--tables", str(tmp_path / "t")]) == 0
    assert "there are no predictions" in (tmp_path / "t" / "gains.md").read_text()
    assert "p =" not in (tmp_path / "t" / "gains.md").read_text()


def test_figures_have_the_same_bytes_and_embedded_fonts(run: Path, tmp_path: Path):
    for seed in ("1", "2"):  # of Python's hash, by which matplotlib names fonts
        done = subprocess.run(
            [sys.executable, "-m", "wiseft_jax", "report", run, "--figures", tmp_path / seed],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    names = ["curve.pdf", "curve.png", "curve.svg"]
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == names
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    pdf = (tmp_path / "1" / "curve.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_pictures_of_analyses_come_along(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "analyses").mkdir()
    (copy / "analyses" / "cka.svg").write_text("<svg/>")
    (copy / "analyses" / "cka.jsonl").write_text("{}")
    arguments = ["--figures", str(tmp_path / "f"), "--format", "svg", "png"]
    assert main(["report", str(copy), *arguments]) == 0
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [
        "analyses-cka.svg", "curve.png", "curve.svg",
    ]  # fmt: skip
    assert "analyses of cka: not there as png" in capsys.readouterr().err


def test_a_study_that_does_not_fit_is_left_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    origin = {"ends": {"theta_0": "other", "theta_1": "0"}, "datasets": {}}
    write_json(copy / "rules.json", {"made_from": origin})
    assert main(["report", str(copy), "--tables", str(tmp_path / "t")]) == 0
    assert "rules.json is left out: it is of other ends" in capsys.readouterr().err
    assert not (tmp_path / "t" / "rules.md").exists()


def test_what_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    write_json(tmp_path / "study.json", {})
    for arguments, said in (
        ([str(tmp_path / "none"), "--tables", "x"], "no such run directory"),
        ([str(tmp_path), "--figures", str(tmp_path / "f")], "the study isn't complete"),
        ([str(run), "--figures", str(tmp_path), "--format", "eps"], "Expected one of"),
    ):
        assert main(["report", *arguments]) == 2
        assert said in capsys.readouterr().err
