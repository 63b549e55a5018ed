"""``wiseft report RUN --tables DIR --figures DIR``."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.stored_runs import SETS, predictions, write_run
from tests.structure.source_tree import ROOT
from wiseft_jax.cli.main import main
from wiseft_jax.core.analysis_rows import analysis_file, read_analysis_rows, write_analysis_rows
from wiseft_jax.core.results import read_rows, write_rows
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


@pytest.fixture
def analysed(run: Path, tmp_path: Path) -> Path:
    """Return a run with two analyses; one of its sets has a name that is a trap for LaTeX."""
    copy = tmp_path / "analysed"
    shutil.copytree(run, copy)
    argv = ["report", str(copy), "--analyses", "landscape", "flips", "--no-pictures", "-q"]
    assert main(argv) == 0
    return copy


def test_pictures_of_analyses_come_in_the_formats_asked_for(
    analysed: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    capsys.readouterr()
    for kinds in (["svg", "png"], ["pdf"]):
        argv = ["--figures", str(tmp_path / "f"), "--format", *kinds]
        assert main(["report", str(analysed), *argv]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert printed == [
            str(tmp_path / "f" / f"{stem}.{kind}")
            for stem in ("curve", "analyses-flips", "analyses-landscape")
            for kind in kinds
        ]
    pdf = (tmp_path / "f" / "analyses-flips.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def number(cell: str) -> float:
    """Return the number that a cell of a LaTeX table begins with."""
    found = re.match(r"[-+]?\d+(\.\d+)?", cell.replace("$-$", "-").strip("[ "))
    assert found is not None, cell
    return float(found[0])


def test_tables_of_analyses_have_the_numbers_of_the_rows(analysed: Path, tmp_path: Path):
    assert main(["report", str(analysed), "--tables", str(tmp_path), "-q"]) == 0
    rows = read_analysis_rows(analysed, "landscape")
    with (tmp_path / "analyses-landscape.csv").open(newline="") as file:
        stored = list(csv.DictReader(file))
    assert [float(each["value"]) for each in stored] == [row["value"] for row in rows]
    assert [each["ci_low"] for each in stored] == [repr(row["ci_low"]) for row in rows]
    assert {each["dataset"] for each in stored} == {*SETS}
    tex = (tmp_path / "analyses-landscape.tex").read_text()
    lines = [line for line in tex.splitlines() if line.endswith(r"\\") and "&" in line]
    cells = [re.split(r"(?<!\\)&", line.removesuffix(r"\\")) for line in lines]
    heads = [head.strip() for head in cells[0]]
    places = {name: heads.index(name) for name in ("set", "value", r"95 \%", "n")}
    assert len(cells) == len(rows) + 1  # with three alphas each is shown
    for line, row in zip(cells[1:], rows, strict=True):
        name = row["dataset"].replace("%", r"\%").replace("_", r"\_").replace("&", r"\&")
        assert line[places["set"]].strip() == name
        low, high = line[places[r"95 \%"]].split(",")
        shown = [number(each) for each in (line[places["value"]], low, high)]
        wanted = [100 * row[field] for field in ("value", "ci_low", "ci_high")]
        assert shown == pytest.approx(wanted, abs=0.0501)
        assert number(line[places["n"]]) == row["n"]
    markdown = (tmp_path / "analyses-landscape.md").read_text().splitlines()
    assert len([line for line in markdown if line.startswith("|")]) == len(rows) + 2


def test_rows_of_another_sweep_are_left_out(
    analysed: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    rows = read_analysis_rows(analysed, "flips")
    write_analysis_rows(
        analysis_file(analysed, "flips"),
        [row | {"config_hash": "other"} for row in rows],  # type: ignore[misc]
    )
    assert main(["report", str(analysed), "--tables", str(tmp_path / "t")]) == 0
    assert "flips.jsonl is left out: its rows are of another sweep" in capsys.readouterr().err
    assert not (tmp_path / "t" / "analyses-flips.tex").exists()
    assert (tmp_path / "t" / "analyses-landscape.tex").exists()


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


@pytest.mark.parametrize("form", ["--tables", "--figures"])
def test_rows_that_are_not_what_the_predictions_give_are_one_error(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, form: str
):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    rows = read_rows(copy)
    rows[1]["value"] = (rows[1]["value"] + rows[1]["ci_low"]) / 2
    write_rows(copy / "results.jsonl", rows)
    assert main(["report", str(copy), form, str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert (
        f"{copy / 'results.jsonl'}: not what predictions/ give: test at alpha 0.5: " in printed.err
    )
    assert not (tmp_path / "out").exists()


def test_an_interruption_says_what_is_there(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wiseft_jax.reporting.curves.draw_curve", interrupted)
    places = {name: str(tmp_path / name) for name in ("t", "f")}
    argv = ["report", str(run), "--tables", places["t"], "--figures", places["f"]]
    monkeypatch.setattr(sys, "argv", ["/bin/wiseft", *argv])
    assert main(argv) == 42
    said = capsys.readouterr().err
    assert f"files that are complete are in {places['t']} and {places['f']}; the same" in said
    assert f"the same command makes the rest: wiseft {' '.join(argv)}" in said
    assert "begins anew" not in said
    assert (tmp_path / "t" / "accuracy.tex").is_file()


def test_what_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    write_json(tmp_path / "study.json", {})
    for arguments, said in (
        ([str(tmp_path / "none"), "--tables", "x"], "no such run directory"),
        ([str(tmp_path), "--figures", str(tmp_path / "f")], "the study isn't complete"),
        ([str(run), "--figures", str(tmp_path), "--format", "eps"], "Expected one of"),
    ):
        assert main(["report", *arguments]) == 2
        assert said in capsys.readouterr().err
