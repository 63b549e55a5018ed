"""``wiseft report --list``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.stored_runs import write_run
from wiseft_jax.cli.main import main


def test_runs_are_listed_and_the_others_told(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_run(tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text("{")
    (tmp_path / "1" / "2" / "3" / "4").mkdir(parents=True)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "odd\nname").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "config.json").write_bytes(b'{"model_type": "clip"}')
    assert main(["report", "--list", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"{tmp_path}: 1 damaged, 1 finished, 2 foreign" in printed
    said = "left out, as nothing of this program is there: odd\N{REPLACEMENT CHARACTER}name, photos"
    assert f"{said}\n" in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("│ good")]
    assert "│ 0.5   │ 40 │" in line
    assert "damaged: config.json: not valid JSON" in printed
    assert "deeper than --depth 3, and not looked into: 1/2/3\n" in printed


def test_json_and_order(tmp_path: Path, capsys: pytest.CaptureFixture):
    for name in ("a", "b"):
        write_run(tmp_path / name)
    assert main(["report", "--list", str(tmp_path), "--sort", "name", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["path"] for each in found["runs"]] == ["a", "b"]
    assert found["not_looked_into"] == []
    assert found["runs"][0]["state"] == "finished"


@pytest.mark.parametrize(
    ("form", "option"), [("--list", "--depth"), ("--diff", "RUN1 RUN2"), ("--figures", "--format")]
)
def test_each_form_has_its_help(form: str, option: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as stop:
        main(["report", form, "--help"])
    assert not stop.value.code
    assert option in capsys.readouterr().out


def test_what_is_refused_and_nothing(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["report", "--list", str(tmp_path)]) == 0
    assert f"{tmp_path}: no run, down to a depth of 3\n" in capsys.readouterr().out
    for arguments, said in (
        (["--list", str(tmp_path / "none")], "no such directory"),
        (["--list", str(tmp_path), "--depth", "-1"], "--depth: expected 0 or more"),
        (["--list", str(tmp_path), "--sort", "nam"], "Did you mean 'name'?"),
    ):
        assert main(["report", *arguments]) == 2
        assert said in capsys.readouterr().err
