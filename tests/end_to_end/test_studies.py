"""``wiseft sweep RUN --learn --race --rules`` on a finished run."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Workshop
from wiseft_jax.cli.main import main

VERDICTS = ("the best of 3", "undecided", "undecided, a tie")
"""How a race of three alphas may end."""


@pytest.fixture
def run(workshop: Workshop, tmp_path: Path) -> Path:
    return Path(shutil.copytree(workshop.run, tmp_path / "run"))


def contents(run: Path) -> dict[str, str]:
    files = sorted(path for path in run.rglob("*") if path.is_file())
    return {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_learning_and_racing_add_their_files_and_a_section_of_the_report(
    run: Path, capsys: pytest.CaptureFixture
) -> None:
    before, told = contents(run), (run / "report.md").read_text()
    learning = ["--learn", "--learning.epochs", "1", "--learning.granularity", "global"]
    racing = ["--race", "--racing.batch-size", "8"]
    assert main(["sweep", str(run), *learning, *racing, "-q", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    after = contents(run)
    assert after.keys() - before.keys() == {"learned.json", "race.json"}
    assert [name for name in before if after[name] != before[name]] == ["report.md"]
    report = (run / "report.md").read_text()
    assert "The race (`race.json`):" in report
    assert "Learned coefficients (`learned.json`)" in report
    section = report[report.index("## Studies") : report.index("## Images left out")]
    again = (
        "wiseft sweep NEW_DIRECTORY --race photos-validation --racing.batch-size 8\n"
        "wiseft sweep NEW_DIRECTORY --learn --learning.granularity global --learning.epochs 1\n"
    )
    assert report.replace(section, "").replace(again, "") == told  # of the stored sweep, as it was
    assert printed["learned"] == json.loads((run / "learned.json").read_text())
    assert printed["race"] == json.loads((run / "race.json").read_text())
    assert printed.keys() == {"run", "learned", "race"}


@pytest.mark.slow
def test_a_table_for_each_study_and_the_sweep(run: Path, capsys: pytest.CaptureFixture) -> None:
    learning = ["--learn", "--learning.epochs", "1", "--fit-on", "inverted"]
    studies = ["--rules", "--race", "photos-test", *learning]
    assert main(["sweep", str(run), *studies, "--no-export", "-q"]) == 0
    printed = capsys.readouterr()
    assert "alpha = 0.5: the paper's default" in printed.out
    # A title is broken to the width of its table.
    assert "fitted on half of inverted (n=4)" in " ".join(printed.out.split())
    assert "oracle (bound)" in printed.out
    assert "missing:" not in printed.out  # no rule needs logits
    assert any(f"{verdict} on photos-test" in printed.out for verdict in VERDICTS)
    assert "the race chooses ON photos-test" in printed.err
    assert "coefficients are fitted ON inverted" in printed.err
    for name in ("learned", "race", "rules"):
        assert f"{run / name}.json" in printed.out


def test_the_next_report_tells_of_studies_that_fit_and_names_those_that_do_not(
    run: Path, capsys: pytest.CaptureFixture
) -> None:
    learning = ["--learn", "--learning.epochs", "1", "--learning.granularity", "global"]
    assert main(["sweep", str(run), *learning, "--race", "-q"]) == 0
    facts = json.loads((run / "learned.json").read_text())
    facts["made_from"]["ends"]["theta_1"] = "another"
    (run / "learned.json").write_text(json.dumps(facts))
    capsys.readouterr()
    assert main(["sweep", str(run), "--no-export", "-q"]) == 0
    report = (run / "report.md").read_text()
    assert "The race (`race.json`):" in report
    assert "**learned.json is left out: it is of other ends (theta_1 differ" in report
    assert "Learned coefficients" not in report
    assert "learned.json is left out" in capsys.readouterr().err


def test_a_race_in_several_processes_is_refused_before_anything_is_read(
    run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wiseft_jax.evaluation.racing_live.jax.process_count", lambda: 2)
    monkeypatch.setattr("wiseft_jax.cli.sweep.experiment_data", None)
    assert main(["sweep", str(run), "--race", "-q"]) == 2
    assert "a race runs in one process, and there are 2: race in one" in capsys.readouterr().err


@pytest.mark.parametrize("method", [pytest.param("direct", marks=pytest.mark.slow), "curve"])
def test_rules_are_within_the_json_and_go_with_the_next_sweep(
    run: Path, capsys: pytest.CaptureFixture, method: str
) -> None:
    sweep = ["sweep", str(run), "--no-export", "-q", "--json"]
    assert main([*sweep, "--rules", "--sweep.method", method]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rules"] == json.loads((run / "rules.json").read_text())
    assert not [cost for cost in printed["rules"]["costs"] if cost["missing"]]
    report = (run / "report.md").read_text()
    assert "What each rule for alpha costs (`rules.json`)" in report
    assert "wiseft run RUN/sweep_config.json --out NEW_DIRECTORY" in report
    assert len(printed["rows"]) == 9
    assert main(sweep) == 0
    assert "rules" not in json.loads(capsys.readouterr().out)
    assert not (run / "rules.json").exists()


def test_a_report_is_not_made_of_two_sweeps(run: Path, capsys: pytest.CaptureFixture) -> None:
    race = ["sweep", str(run), "--race", "--racing.batch-size", "8", "-q"]
    sweep = ["sweep", str(run), "--no-export", "-q", "--sweep.method", "curve"]
    assert main(sweep) == 0
    told = (run / "report.md").read_text()

    def stays(message: str) -> None:
        capsys.readouterr()
        assert main(race) == 0
        assert (run / "report.md").read_text() == told
        assert message in capsys.readouterr().err

    for file, name in (("curves.jsonl", "curves.jsonl"), ("selection.json", "selection.json")):
        kept = (run / file).read_text()
        facts = json.loads(kept.splitlines()[0] if file == "curves.jsonl" else kept)
        (run / file).write_text(json.dumps(facts | {"config_hash": "another"}))
        stays(f"{name} and results.jsonl are of two sweeps")
        (run / file).write_text(kept)
    config = run / "sweep_config.json"
    kept = config.read_text()
    config.write_text(json.dumps(json.loads(kept) | {"config_hash": "a later sweep's"}))
    stays("isn't there any more: a later sweep was broken off")
    config.write_text(kept)
    assert main(race) == 0
    assert "The race (`race.json`)" in (run / "report.md").read_text()
