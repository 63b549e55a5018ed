"""``wiseft backgrounds train`` through the program: files, JSON, a second call, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.backgrounds.disc_photos import write_photos
from tests.helpers.light_help import light_help
from wiseft_jax.cli.main import main
from wiseft_jax.quickstart.backgrounds_demo_config import DemoConfig
from wiseft_jax.studies.backgrounds_train_data import data_of_release

VERB = ["backgrounds", "train"]


@pytest.mark.slow
def test_the_whole_study_on_a_tiny_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "study"
    options = ["--limit", "20", "--batch-size", "10", "--families", "clip", "resnet"]
    sets = ["--train-on", "mixed_rand", "--test-on", "original", "mixed_same", "mixed_rand"]
    sgd = ["--resnet-optimizer.name", "sgd", "--resnet-learning-rate", "0.05"]
    command = [*VERB, "--demo", *options, *sgd, *sets, "--out", str(out)]
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
    for other in (["--strength", "0"], ["--demo-seed", "1"]):
        assert main([*command, *other]) == 2
        assert "on other images" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["draw_matrix", "matrix_tables"])
def test_an_interruption_when_all_is_tested_says_what_is_kept(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "study"
    monkeypatch.setattr(f"wiseft_jax.reporting.backgrounds_matrix.{part}", stop)
    options = ["--demo", "--limit", "10", "--train-on", "--test-on", "original", "-q"]
    assert main([*VERB, *options, "--out", str(out), "--overwrite"]) == 42
    said = f"the models that are complete are in {out}; the same command without --overwrite goes"
    assert capsys.readouterr().err.endswith(f"interrupted: {said} on from there\n")


def matrix_on_the_demo(out: Path, strength: float, *train_on: str) -> dict[str, Any]:
    tests = ["original", "only_bg_t", "mixed_same", "mixed_rand"]
    options = ["--strength", str(strength), "--test-on", *tests, "--train-on", *train_on]
    assert main([*VERB, "--demo", *options, "--out", str(out)]) == 0
    return json.loads((out / "matrix.json").read_text())


@pytest.mark.slow
def test_the_papers_story_appears_on_the_miniature_with_intervals(tmp_path: Path):
    default = DemoConfig().strength
    sets = ("original", "only_bg_t", "mixed_rand")
    matrix = matrix_on_the_demo(tmp_path / "default", default, *sets)
    cells = {(each["train_on"], each["test_on"]): each for each in matrix["cells"]}
    gaps = {each["train_on"]: each for each in matrix["gaps"]}
    costs = {each["train_on"]: each for each in matrix["costs"]}
    assert {each["n"] for each in matrix["cells"]} == {1000}
    assert {each["over"] for each in (*gaps.values(), *costs.values())} == {"images"}
    # Backgrounds suffice: alone they teach the classes, on their own kind and on whole images.
    for test in ("only_bg_t", "original"):
        assert cells["only_bg_t", test]["low"] > 3 * matrix["chance"]
    # A model of Original leans on them; zero-shot has never seen which goes with which.
    assert gaps["original"]["low"] > 0
    assert gaps["start"]["low"] < 0 < gaps["start"]["high"]
    # Mixed-Rand closes the gap, at some cost on Original, where backgrounds do tell.
    assert gaps["mixed_rand"]["low"] < 0 < gaps["mixed_rand"]["high"]
    assert gaps["mixed_rand"]["high"] < gaps["original"]["low"]
    assert 0 < costs["mixed_rand"]["low"] < costs["mixed_rand"]["high"] < 0.1
    # The gap grows with the correlation that is trained on.
    none, strong = (
        matrix_on_the_demo(tmp_path / str(strength), strength, "original")["gaps"][-1]
        for strength in (0.0, 0.95)
    )
    assert none["train_on"] == strong["train_on"] == "original"
    assert none["low"] < 0  # there is nothing to lean on
    assert none["high"] < gaps["original"]["low"]
    assert gaps["original"]["high"] < strong["low"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "o"], "or --demo, found neither"),
        (["--demo", "--data", "there", "--out", "o"], "or --demo, found both"),
        (["--demo"], "--out DIR: no directory is named"),
        (["--data", "there", "--strength", "0.5", "--out", "o"], "are of --demo; leave them out"),
        (["--data", "there", "--demo-seed", "1", "--out", "o"], "--demo-seed: are of --demo"),
        (["--demo", "--limit", "0", "--out", "o"], "--limit: expected an integer >= 1"),
        (["--demo", "--seeds", "0", "--out", "o"], "--seeds: expected an integer >= 1"),
        (["--demo", "--test-split", "val", "--out", "o"], "expected test or validation, found val"),
        (["--demo", "--also", "photos", "--out", "o", "--limit", "10"], "expected NAME=SCHEME"),
        (["--data", "there", "--out", "o"], "there: no such folder"),
        (["--resnet-learning-rate", "0", "--demo", "--out", "o"], "optimizer.learning-rate: expec"),
        (["--resnet-optimizer.drop-factor", "0.5", "--demo", "--out", "o"], "is of SGD; give --r"),
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


def built_splits(root: Path) -> Path:
    """Build three images a class to train on and two to test on, in one directory."""
    for split, per_class in (("train", 3), ("val", 2)):
        photos = write_photos(root / split, per_class)
        given = ["--source", f"folder:{photos / 'photos'}", "--masks", str(photos / "masks")]
        options = ["--split", split, "--size", "32", "--workers", "1", "--out", str(root / "built")]
        assert main(["backgrounds", "build", *given, *options]) == 0
    return root / "built"


def test_splits_that_build_makes_side_by_side_are_found(tmp_path: Path):
    built = built_splits(tmp_path)
    assert (built / "pairs-train.jsonl").read_text().count("\n") == 3 * 9
    assert (built / "pairs.jsonl").read_text().count("\n") == 3 * 6
    data = data_of_release(built, ("train", "val"), ("original", "mixed_rand"))
    assert len(data.training_set("mixed_rand", 0)) == 9
    assert {len(each) for each in data.tests.values()} == {6}


@pytest.mark.slow
def test_splits_that_build_makes_side_by_side_are_trained_and_tested_on(tmp_path: Path):
    built, out = built_splits(tmp_path), tmp_path / "study"
    sets = ["--train-on", "mixed_rand", "--test-on", "original", "mixed_rand"]
    resnet = ["--families", "resnet", "--epochs", "1", "--batch-size", "9"]
    assert main([*VERB, "--data", str(built), *sets, *resnet, "--out", str(out)]) == 0
    matrix = json.loads((out / "matrix.json").read_text())
    assert matrix["n_train"] == {"mixed_rand": 9}
    assert {each["n"] for each in matrix["cells"]} == {6}


def test_help_names_what_is_trained_and_loads_nothing_heavy():
    text = light_help(*VERB)
    for option in ("--train-on", "--test-on", "--resnet", "--in9l", "--strength", "--seeds"):
        assert option in text
