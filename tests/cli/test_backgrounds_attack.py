"""The attack as a person runs it: on the miniature and on a directory, again, and with mistakes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.backgrounds.square_cutouts import make_cutouts
from tests.helpers.small_release import write_release
from wiseft_jax.backgrounds.challenge import challenge_accuracy
from wiseft_jax.cli.main import main

SAMPLE = ["--foregrounds", "10", "--backgrounds", "20", "--chunk-foregrounds", "8"]
DEMO = ["backgrounds", "attack", "--demo", "--demo-split", "validation", *SAMPLE]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("attack") / "out"
    assert main([*DEMO, "-q", "--out", str(out)]) == 0
    return out


def test_it_writes_what_it_found(attacked: Path):
    summary = json.loads((attacked / "summary.json").read_text())
    predictions = np.load(attacked / "predictions.npy", allow_pickle=False)
    labels = np.asarray(json.loads((attacked / "images.json").read_text())["foregrounds"]["labels"])
    assert predictions.shape == (10, 20)
    assert sorted(labels.tolist()) == list(range(10))  # one of each class
    expected = challenge_accuracy(predictions, labels)
    assert summary["challenge_accuracy"]["value"] == pytest.approx(expected)
    assert summary["model"]["protocol"] == "10 coarse prompts"
    assert "hash" in summary["model"]["weights"]
    assert summary["timing"]["pairs"] == 200
    text = (attacked / "table.md").read_text()
    assert "an upper bound, as backgrounds were sampled" in text
    assert "16,402,500 of the published set" in text
    with Image.open(attacked / "strongest.png") as picture:
        assert picture.width > 500


def test_it_goes_on_from_what_is_there(
    attacked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(attacked, tmp_path / "copy")
    before = np.load(attacked / "predictions.npy")
    assert main([*DEMO, "-q", "--json", "--out", str(tmp_path / "copy")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["timing"] == json.loads((attacked / "summary.json").read_text())["timing"]
    assert np.array_equal(np.load(tmp_path / "copy" / "predictions.npy"), before)
    assert main([*DEMO, "-q", "--seed", "1", "--out", str(tmp_path / "copy")]) == 2
    assert "options.seed (0 -> 1)" in capsys.readouterr().err


def test_once_all_is_stored_an_interruption_says_so(
    attacked: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    shutil.copytree(attacked, tmp_path / "copy")
    monkeypatch.setattr("wiseft_jax.reporting.backgrounds_attack.attack_table", stop)
    assert main([*DEMO, "-q", "--out", str(tmp_path / "copy")]) == 42
    assert f"interrupted: what is stored in {tmp_path / 'copy'} stays" in capsys.readouterr().err


def test_each_background_has_its_rate(attacked: Path):
    """Counted in the matrix; the strongest of the summary are among them."""
    rows = list(csv.DictReader((attacked / "backgrounds.csv").read_text().splitlines()))
    matrix = np.load(attacked / "predictions.npy")
    images = json.loads((attacked / "images.json").read_text())
    front, back = (np.asarray(images[side]["labels"]) for side in ("foregrounds", "backgrounds"))
    assert [row["id"] for row in rows] == images["backgrounds"]["ids"]
    for row, answers, label in zip(rows, matrix.T, back, strict=True):
        others = front != label
        assert int(row["n"]) == others.sum()
        assert int(row["hits"]) == (answers[others] == label).sum()
    for each in json.loads((attacked / "summary.json").read_text())["strongest"]:
        row = rows[each["column"]]
        assert (row["class"], row["id"]) == (each["class"], each["id"])
        assert float(row["value"]) == each["value"]


def test_an_early_exit_gives_the_same_challenge_accuracy(attacked: Path, tmp_path: Path):
    assert main([*DEMO, "-q", "--early-exit", "--out", str(tmp_path / "early")]) == 0
    early, whole = (
        json.loads((path / "summary.json").read_text()) for path in (tmp_path / "early", attacked)
    )
    assert early["challenge_accuracy"] == whole["challenge_accuracy"]
    assert early["pairs"]["tried"] < whole["pairs"]["tried"]
    assert not (tmp_path / "early" / "strongest.png").exists()
    assert not (tmp_path / "early" / "backgrounds.csv").exists()
    assert "rows ended at their first wrong answer" in (tmp_path / "early" / "table.md").read_text()


def test_a_directory_in_the_published_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = write_release(tmp_path / "set", make_cutouts(side=32))
    np.save(next((root / "fg_mask" / "val" / "02_cat").iterdir()), np.zeros((32, 32), bool))
    command = ["backgrounds", "attack", "--data", str(root), "--model", "glyphclip", "-q"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "foregrounds: 12 of 13; backgrounds: 13 of 13" in printed.out
    assert "its mask is empty" in printed.out
    assert "upper bound" not in printed.out
    assert "3 coarse prompts" in printed.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no images are named: give --data ROOT"),
        (["--demo", "--data", "x"], "found both"),
        (["--demo"], "--out DIR: no directory is named"),
        (["--demo", "--foregrounds", "0", "--out", "o"], "--foregrounds: expected an integer >= 1"),
        (["--data", "nowhere", "--out", "o"], "nowhere: no such folder"),
        (
            ["--data", ".", "--strength", "0.5", "--out", "o"],
            "--strength, --contrast, --noise, --demo-seed: have no meaning without --demo",
        ),
        (["--data", ".", "--demo-split", "validation", "--out", "o"], "--demo-split: has no"),
        (["--demo", "--split", "train", "--out", "o"], "--split: has no meaning without --data"),
        (["--demo", "--model", "glyphclip", "nothere", "--out", "o"], "nothere"),
        (["--demo", "--run", "r", "--alphas", "0", "1", "--out", "o"], "give one alpha"),
    ],
)
def test_mistakes_are_named(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert main(["backgrounds", "attack", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_more_foregrounds_than_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["backgrounds", "attack", "--demo", "--demo-split", "validation"]
    assert main([*command, "--foregrounds", "501", "--out", str(tmp_path / "o")]) == 2
    assert "--foregrounds: expected at most 500, found 501" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "message"), [("only_bg_t", "only_bg_t"), ("fg_mask", "fg_mask")])
def test_a_set_without_what_it_takes(
    kind: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    root = write_release(tmp_path / "set", make_cutouts(side=32))
    shutil.rmtree(root / kind)
    command = ["backgrounds", "attack", "--data", str(root), "--model", "glyphclip"]
    assert main([*command, "--out", str(tmp_path / "o")]) == 2
    assert message in capsys.readouterr().err


def test_a_directory_of_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "thesis.txt").write_text("mine")
    assert main([*DEMO, "--overwrite", "--out", str(tmp_path / "o")]) == 2
    assert "isn't empty, and no attack is there" in capsys.readouterr().err
    assert (tmp_path / "o" / "thesis.txt").read_text() == "mine"
