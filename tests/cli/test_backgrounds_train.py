"""``wiseft backgrounds train`` through the program: files, JSON, a second call, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.light_help import light_help
from wiseft_jax.cli.main import main

VERB = ["backgrounds", "train"]


@pytest.mark.slow
def test_the_whole_study_on_a_tiny_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "study"
    options = ["--limit", "20", "--batch-size", "10", "--families", "clip", "resnet"]
    sets = ["--train-on", "mixed_rand", "--test-on", "original", "mixed_same", "mixed_rand"]
    command = [*VERB, "--demo", *options, *sets, "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "zero-shot" in printed.out
    assert "model 3 of 3: resnet-mixed_rand-0" in printed.err
    assert "| Mixed-Rand |" in (out / "table.md").read_text()
    assert (out / "matrix.png").stat().st_size > 10_000
    assert main([*command, "--json"]) == 0
    printed = capsys.readouterr()
    assert "model 3 of 3" not in printed.err  # it was there
    facts = json.loads(printed.out)
    assert facts["n"] == dict.fromkeys(["original", "mixed_same", "mixed_rand"], 20)
    assert facts["n_train"] == {"mixed_rand": 20}
    assert {each["family"] for each in facts["cells"]} == {"clip", "resnet"}
    assert main([*command, "--strength", "0"]) == 2
    assert "on other images" in capsys.readouterr().err


@pytest.mark.slow
def test_the_papers_story_appears_on_the_miniature(tmp_path: Path):
    def gaps(strength: str, *names: str) -> dict[str, dict[str, float]]:
        out = tmp_path / strength
        tests = ["original", "only_bg_t", "mixed_same", "mixed_rand"]
        options = ["--strength", strength, "--test-on", *tests, "--train-on", *names]
        assert main([*VERB, "--demo", *options, "--out", str(out)]) == 0
        facts = json.loads((out / "matrix.json").read_text())
        cells = {(each["train_on"], each["test_on"]): each for each in facts["cells"]}
        assert strength == "0" or cells["only_bg_t", "only_bg_t"]["low"] > 0.3  # chance is 0.1
        if strength != "0":  # the price of Mixed-Rand on Original is small, but the gap is closed
            costs = [cells[name, "original"]["mean"] for name in ("mixed_rand", "original")]
            assert costs[0] > costs[1] - 0.1
        return {each["train_on"]: each for each in facts["gaps"]}

    strong = gaps("0.9", "original", "only_bg_t", "mixed_rand")
    none = gaps("0", "original")
    assert strong["original"]["low"] > max(0.0, none["original"]["high"])
    assert strong["mixed_rand"]["high"] < strong["original"]["low"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "o"], "or --demo, found neither"),
        (["--demo", "--data", "there", "--out", "o"], "or --demo, found both"),
        (["--demo"], "--out DIR: no directory is named"),
        (["--data", "there", "--strength", "0.5", "--out", "o"], "are of --demo; leave them out"),
        (["--demo", "--limit", "0", "--out", "o"], "--limit: expected an integer >= 1"),
        (["--demo", "--seeds", "0", "--out", "o"], "--seeds: expected an integer >= 1"),
        (["--demo", "--test-split", "val", "--out", "o"], "expected test or validation, found val"),
        (["--demo", "--also", "photos", "--out", "o", "--limit", "10"], "expected NAME=SCHEME"),
        (["--data", "there", "--out", "o"], "there: no such folder"),
    ],
)
def test_wrong_options_are_refused(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert main([*VERB, *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_help_names_what_is_trained_and_loads_nothing_heavy():
    text = light_help(*VERB)
    for option in ("--train-on", "--test-on", "--resnet", "--in9l", "--strength", "--seeds"):
        assert option in text
