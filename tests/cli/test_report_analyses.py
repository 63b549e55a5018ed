"""``wiseft report RUN --analyses``: tables, rows, pictures, and what a run lacks."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.runs import default_sets, made_predictions, write_baselines, write_run
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.analysis.table import ANALYSES
from wiseft_jax.cli.main import main
from wiseft_jax.core.analysis_rows import read_analysis_rows
from wiseft_jax.core.errors import InputError

NAMES = [each.dataset for each in default_sets()]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_an_analysis_is_printed_stored_and_drawn(run: Path, capsys: pytest.CaptureFixture):
    before = {*(run / "analyses").iterdir()}
    assert main(["report", str(run), "--analyses", "diversity", "flips", "-q"]) == 0
    printed = capsys.readouterr().out
    assert "diversity: how differently zero-shot, fine-tuned and merged err" in printed
    assert "zero-shot / fine-tuned" in printed
    assert "examples that flip" in printed
    assert f"{run / 'analyses' / 'diversity.png'}\n" in printed
    stored = sorted(path.name for path in {*(run / "analyses").iterdir()} - before)
    made = ["diversity.jsonl", "diversity.png", "diversity.svg"]
    made += ["flips.jsonl", "flips.png", "flips.svg", "made.json"]
    assert stored == made
    (row, *_) = read_analysis_rows(run, "diversity")
    assert (row["dataset"], row["n"]) == ("validation", 40)


def test_json_has_rows_with_n_interval_seed_and_hash(run: Path, capsys: pytest.CaptureFixture):
    argv = ["report", str(run), "--analyses", "landscape", "--seed", "7", "--no-pictures"]
    assert main([*argv, "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = found["analyses"]["landscape"]
    assert rows == read_analysis_rows(run, "landscape")
    assert {row["seed"] for row in rows} == {None, 7}
    assert found["files"] == {"landscape": [str(run / "analyses" / "landscape.jsonl")]}
    assert found["skipped"] == {}
    assert found["kept"] == []


def test_tables_and_pictures_for_papers(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    places = ["--tables", str(tmp_path / "t"), "--figures", str(tmp_path / "f")]
    for argv in (["--analyses", "flips", *places], [*places, "--analyses", "flips"]):
        assert main(["report", str(run), *argv, "--format", "pdf", "--json", "-q"]) == 0
        papers = json.loads(capsys.readouterr().out)["papers"]
        names = [f"analyses-flips.{kind}" for kind in ("md", "csv", "tex", "pdf")]
        assert [Path(each).name for each in papers] == names
    assert main(["report", str(run), "--analyses", "flips", *places, "--no-pictures", "-q"]) == 0
    assert f"{tmp_path / 't' / 'analyses-flips.tex'}\n" in capsys.readouterr().out
    kinds = sorted(path.suffix for path in (tmp_path / "f").iterdir())
    assert kinds == [".pdf", ".png", ".svg"]


def test_all_leaves_out_what_cannot_be_made_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    run = write_run(tmp_path / "run", default_sets(keep_logits=False))
    assert main(["report", str(run), "--analyses", "all", "--no-pictures", "-q"]) == 0
    printed = capsys.readouterr().out
    made = {name for name in ANALYSES if (run / "analyses" / f"{name}.jsonl").is_file()}
    assert {"diversity", "overrides", "landscape", "classes", "flips"} <= made
    left_out = [line for line in printed.splitlines() if line.startswith("left out: ")]
    assert {line.split(": ")[1] for line in left_out} == set(ANALYSES) - made
    assert f"wiseft sweep {run} --sweep.keep-logits" in printed
    assert "--baselines CSV" in printed


def test_baselines_are_read(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    file = write_baselines(tmp_path / "b.csv", NAMES)
    argv = ["report", str(run), "--analyses", "effective_robustness", "--baselines", str(file)]
    assert main([*argv, "-q"]) == 0
    printed = capsys.readouterr().out
    assert "gain in effective robustness" in printed
    assert (run / "analyses" / "effective_robustness-probit.svg").is_file()


def test_how_the_page_gets_what_is_made_is_said_where_there_is_one(
    run: Path, capsys: pytest.CaptureFixture
):
    argv = ["report", str(run), "--analyses", "overrides", "--no-pictures", "-q"]
    for page, overwrite, told in ((False, True, False), (True, True, True), (True, False, False)):
        if page:
            (run / "report.html").touch()
        assert main([*argv, *(["--overwrite"] if overwrite else [])]) == 0
        said = f"report.html has them once it is made again: wiseft report {run}"
        assert (said in capsys.readouterr().out) == told


def test_without_a_name_analyses_are_listed(run: Path, capsys: pytest.CaptureFixture):
    assert main(["report", str(run), "--analyses"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ANALYSES)
    assert main(["report", str(run), "--analyses", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["diversity"]["missing"] is None
    assert "baselines" in listed["effective_robustness"]["missing"]


def test_what_cannot_be_made_is_one_message(run: Path, tmp_path: Path, capsys):
    short = write_run(tmp_path / "short", [made_predictions("test", alphas=(0.0, 0.5))])
    for argv, message in (
        ([str(run), "--analyses", "diversty"], "Did you mean 'diversity'"),
        ([str(short), "--analyses", "diversity"], "diversity: the sweep lacks alpha 1; sweep with"),
        ([str(short), "--analyses", "diversity"], f"wiseft sweep {short} --sweep.alphas 0 0.5 1"),
        ([str(tmp_path / "nowhere"), "--analyses", "all"], "no such run directory"),
        ([str(run), "--analyses", "flips", "--seed", "-1"], "seed: expected 0 or more"),
        ([str(run), "--analyses", "flips", "--samples", "0"], "--samples: expected at least 1"),
        ([str(run), "--analyses", "overrides", "--override-alpha", "0.3"], "the sweep lacks alpha"),
        (
            [str(run), "--analyses", "flips", "--override-alpha", "0.25"],
            "--override-alpha: has no meaning without --analyses overrides",
        ),
    ):
        assert main(["report", *argv]) == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.out == ""


def made(run: Path, *more: str) -> dict:
    """Return what ``--json`` says of an analysis."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main(["report", str(run), "--analyses", *more, "--no-pictures", "--json", "-q"])
    assert code == 0
    return json.loads(printed.getvalue())


def test_samples_and_the_alpha_of_overrides_are_heeded(run: Path):
    few = made(run, "landscape", "--samples", "20")["analyses"]["landscape"]
    many = made(run, "landscape")["analyses"]["landscape"]
    assert [row["value"] for row in few] == [row["value"] for row in many]
    assert [row["ci_low"] for row in few] != [row["ci_low"] for row in many]
    rows = made(run, "overrides", "--override-alpha", "0.25")["analyses"]["overrides"]
    assert 0.25 in {row["alpha"] for row in rows}
    assert 0.5 not in {row["alpha"] for row in rows}


def test_what_is_current_is_kept_and_what_is_not_is_made_again(run: Path, monkeypatch):
    first = made(run, "diversity", "overrides")
    assert made(run, "overrides", "flips")["kept"] == ["overrides"]
    again = made(run, "diversity", "overrides", "--samples", "2000")
    assert again == first | {"kept": ["diversity", "overrides"]}
    assert made(run, "diversity", "--overwrite")["kept"] == []
    assert made(run, "diversity", "overrides", "--seed", "1")["kept"] == []
    changed = made(run, "diversity", "overrides", "--seed", "1", "--override-alpha", "0.25")
    assert changed["kept"] == ["diversity"]
    (run / "analyses" / "diversity.jsonl").write_text("{")
    assert made(run, "diversity", "--seed", "1")["kept"] == []
    os.utime(run / "predictions" / "test.npz", (1, 1))
    assert made(run, "diversity", "--seed", "1")["kept"] == []


def test_pictures_that_are_not_there_are_drawn(run: Path, capsys: pytest.CaptureFixture):
    assert made(run, "diversity")["kept"] == []
    argv = ["report", str(run), "--analyses", "diversity"]
    picture = run / "analyses" / "diversity.png"
    for kept in (False, True):
        assert main(argv) == 0
        printed = capsys.readouterr()
        assert picture.is_file()
        assert f"{picture}\n" in printed.out
        assert ("kept: diversity; --overwrite makes them again" in printed.err) is kept
    picture.unlink()
    assert main(argv) == 0
    assert picture.is_file()


def test_an_interruption_keeps_what_is_made(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    argv = ["report", str(run), "--analyses", "diversity", "overrides", "flips", "--no-pictures"]
    monkeypatch.setattr(sys, "argv", ["/bin/wiseft", *argv, "--overwrite"])
    with monkeypatch.context() as patched:
        own = dataclasses.replace(ANALYSES["overrides"], function=interrupted)
        patched.setitem(ANALYSES, "overrides", own)
        assert main(argv) == 42
    printed = capsys.readouterr()
    assert "diversity: how differently" in printed.out
    said = (
        f"interrupted: what was made is kept in {run / 'analyses'}; to go on: wiseft report {run}"
    )
    assert said in printed.err
    assert "--overwrite" not in printed.err.splitlines()[-1]
    there = {path.stem for path in (run / "analyses").glob("*.jsonl")}
    assert "diversity" in there
    assert not {"overrides", "flips"} & there
    assert made(run, "diversity", "overrides", "flips")["kept"] == ["diversity"]


def test_an_interruption_while_it_is_drawn_leaves_no_record_of_other_rows(
    run: Path, monkeypatch: pytest.MonkeyPatch
):
    argv = ["report", str(run), "--analyses", "landscape", "diversity", "-q"]
    assert main(argv) == 0
    first = read_analysis_rows(run, "landscape")

    def interrupted(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr("wiseft_jax.reporting.analysis_pictures.draw_analysis", interrupted)
        assert main([*argv, "--seed", "7"]) == 42
    assert read_analysis_rows(run, "landscape") != first  # of seed 7, written before the pictures
    again = made(run, "landscape", "diversity")
    assert again["kept"] == ["diversity"]
    assert again["analyses"]["landscape"] == first


@pytest.mark.parametrize("meanwhile", ["loaded", "analysed"])
def test_a_sweep_meanwhile_makes_an_analysis_out_of_date(
    run: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str
):
    """Its rows are of the predictions before; the next report makes it again."""

    def swept() -> None:
        os.utime(run / "predictions" / "test.npz", (1, 1))

    load, own = StoredRun.load, ANALYSES["diversity"]

    def loaded(path: Path) -> StoredRun:
        found = load(path)
        swept()
        return found

    def analysed(*given: Any) -> Any:
        swept()
        return own.function(*given)

    with monkeypatch.context() as patched:
        if meanwhile == "loaded":
            patched.setattr(StoredRun, "load", loaded)
        else:
            patched.setitem(ANALYSES, "diversity", dataclasses.replace(own, function=analysed))
        assert made(run, "diversity")["kept"] == []
    assert made(run, "diversity")["kept"] == []
    assert made(run, "diversity")["kept"] == ["diversity"]


def test_help_names_the_form(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    assert "--analyses NAME" in capsys.readouterr().out


def test_what_cannot_be_written_is_refused_before_anything_is_made(
    run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    assert main(["report", str(run), "--analyses", "flips", "-q"]) == 0
    capsys.readouterr()

    def refused(directory: Path) -> None:
        raise InputError(f"{directory}: can't write there (Permission denied)")

    def made(*args: object) -> None:
        raise AssertionError("an analysis was made")

    monkeypatch.setattr("wiseft_jax.cli.report_analyses.check_writable", refused)
    monkeypatch.setattr("wiseft_jax.analysis.table.analyse", made)
    assert main(["report", str(run), "--analyses", "flips", "diversity", "-q"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{run / 'analyses'}: can't write there (Permission denied)" in printed.err
    assert main(["report", str(run), "--analyses", "flips", "-q"]) == 0  # it is there: only read
