"""``wiseft report RUN...``: the HTML file, of one run and of several."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.helpers.reported_run import CLASSES, write_reported_run
from wiseft_jax.cli.main import main
from wiseft_jax.core.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_reported_run(tmp_path / "run", tmp_path / "data")


def data_of(page: Path) -> dict:
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found is not None
    return json.loads(found[1])


def test_the_page_lies_in_the_run_and_markdown_is_printed_as_ever(
    run: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["report", str(run)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("# WiSE-FT: mine\n\n**Ship alpha = 0.5**")
    page = RunDirectory(run).page_file
    assert f"the report as HTML: {page}" in printed.err
    (shown,) = data_of(page)["runs"]
    assert shown["classes"][0]["names"] == list(CLASSES)
    assert shown["flips"]
    assert all(flip["image"].startswith("data:image/") for flip in shown["flips"])
    before = page.read_bytes()
    assert main(["report", str(run), "-q"]) == 0
    assert page.read_bytes() == before


def test_no_path_of_this_machine_and_no_metadata_is_in_it(run: Path, tmp_path: Path) -> None:
    assert main(["report", str(run), "-q"]) == 0
    text = RunDirectory(run).page_file.read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "secret place" not in text
    assert "folder:train" in text
    ids = [flip["id"] for flip in data_of(RunDirectory(run).page_file)["runs"][0]["flips"]]
    assert {each.rpartition("/")[0] for each in ids} <= set(CLASSES)


def test_images_can_be_left_out_or_be_gone(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "elsewhere" / "page.html"
    assert main(["report", str(run), "--no-images", "--out", str(out)]) == 0
    assert "(--no-images)" in out.read_text(encoding="utf-8")
    assert "data:image" not in out.read_text(encoding="utf-8")
    assert not RunDirectory(run).page_file.exists()

    shutil.rmtree(tmp_path / "data" / "fog")
    for file in (tmp_path / "data" / "test" / CLASSES[1]).iterdir():
        file.write_bytes(b"no image")
    capsys.readouterr()
    assert main(["report", str(run)]) == 0
    text = RunDirectory(run).page_file.read_text(encoding="utf-8")
    assert "The images of fog aren&#x27;t shown: its data can&#x27;t be opened any more." in text
    assert re.search(r"\d+ of \d+ images of test aren&#x27;t shown: they can&#x27;t be read", text)
    assert "no such folder" in capsys.readouterr().err


def test_several_runs_side_by_side(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    other = write_reported_run(tmp_path / "other", tmp_path / "data", seed=1)
    out = tmp_path / "both.html"
    assert main(["report", str(run), str(other), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    text = out.read_text(encoding="utf-8")
    assert [each["name"] for each in data_of(out)["runs"]] == ["run", "other"]
    assert "<bdi>other</bdi> minus <bdi>run</bdi>" in text
    assert "The configurations are the same." in text
    assert sum(len(each["flips"]) for each in data_of(out)["runs"]) <= 60
    assert main(["report", str(run), str(other), "--out", str(out), "--json"]) == 0
    stored = json.loads(capsys.readouterr().out)
    assert [each["run"] for each in stored["runs"]] == [str(run), str(other)]


def test_runs_of_the_same_name_are_told_apart(run: Path, tmp_path: Path) -> None:
    again = tmp_path / "b" / "run"
    shutil.copytree(run, again)
    out = tmp_path / "both.html"
    assert main(["report", str(run), str(again), "--out", str(out), "-q"]) == 0
    names = [each["name"] for each in data_of(out)["runs"]]
    assert names == [f"{tmp_path.name}/run", "b/run"]


def test_json_writes_no_page_unless_asked(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["report", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["selection"]["alpha"] == 0.5
    assert not RunDirectory(run).page_file.exists()
    assert main(["report", str(run), "--json", "--out", str(tmp_path / "p.html")]) == 0
    assert (tmp_path / "p.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["{run}", "{run}", "--out", "{tmp}/x.html"], "the run is given twice"),
        (["{run}", "{tmp}/other"], "no such run directory"),
        (["--json"], "no run is named"),
        (["{run}", "{run}"], "need the HTML file's name: --out FILE"),
        (["{run}", "--out", "{tmp}"], "expected a file to write, found a directory"),
        (["{run}", "--out", "{run}/results.jsonl/x"], "can't write there"),
        (["{run}", "--against-paper", "--no-images"], "writes no HTML; found --no-images"),
        (["{run}", "{run}", "--against-paper"], "writes no HTML; found several runs"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str], message: str
) -> None:
    given = [each.format(run=run, tmp=tmp_path) for each in options]
    assert main(["report", *given]) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_cannot_be_written_into_is_printed_still(
    run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wiseft_jax.cli import report
    from wiseft_jax.core.errors import InputError

    def refuse(directory: Path, otherwise: str) -> None:
        raise InputError(f"{directory}: can't write there (Permission denied); {otherwise}")

    monkeypatch.setattr(report, "check_writable", refuse)
    assert main(["report", str(run)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("# WiSE-FT: mine\n\n**Ship alpha = 0.5**")
    assert "isn't written as HTML" in printed.err
    assert "give --out FILE" in printed.err
