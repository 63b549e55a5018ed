"""``wiseft data prepare`` through the program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import encode, pixels, write_folder
from tests.helpers.small_release import masked_images, write_release
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.cli.main import main
from wiseft_jax.data.decode import decode_image
from wiseft_jax.data.specs import open_source

COUNTS = {"cat": 2, "dog": 1}


def prepare(*argv: object, expected: int = 0) -> None:
    assert main(["data", "prepare", *map(str, argv)]) == expected


def test_the_table_says_what_is_there_and_how_to_open_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_folder(tmp_path / "photos", COUNTS)
    (tmp_path / "photos" / "empty").mkdir()
    prepare(f"folder:{tmp_path / 'photos'}", "--out", tmp_path, "--split", "test", "--name", "a/b")
    printed = capsys.readouterr().out
    directory = tmp_path / "a" / "b" / "1.0.0"
    assert f"{directory}: 3 classes" in printed
    assert f"tfds:{directory}:test" in printed
    assert len(open_source(f"tfds:{directory}:test")) == 3


def test_json_has_the_whole_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = tmp_path / "photos"
    write_folder(root, COUNTS)
    (root / "cat" / "bad.png").write_bytes(b"no image")
    command = (f"folder:{root}", "--out", tmp_path / "out", "--json")
    prepare(*command, expected=2)
    said = capsys.readouterr().err
    assert "1 image can't be read:\n  cat/bad.png: not an image" in said
    assert "--skip-unreadable" in said
    prepare(*command, "--skip-unreadable")
    report = json.loads(capsys.readouterr().out)
    facts = report["splits"]["train"]
    assert (report["classes"], facts["images"], facts["shards"]) == (2, 3, 1)
    assert [line.partition(":")[0] for line in facts["skipped"]] == ["cat/bad.png"]

    (root / "cat" / "bad.png").write_bytes(encode(pixels(9)))
    prepare(*command, expected=2)
    assert "begun otherwise" in capsys.readouterr().err
    prepare(*command, "--overwrite")
    assert json.loads(capsys.readouterr().out)["splits"]["train"]["images"] == 4


def test_the_variants_of_a_backgrounds_release_are_splits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    root = write_release(tmp_path / "bg_challenge", masked_images())
    prepare(f"backgrounds:{root}", "--out", tmp_path, "--name", "imagenet9", "--json")
    report = json.loads(capsys.readouterr().out)
    assert list(report["splits"]) == list(VARIANTS)
    release = open_release(root)
    for kind in ("original", "mixed_next"):
        source, kept = release.dataset(kind).source, open_source(report["splits"][kind]["spec"])
        assert kept.class_names == release.class_names
        np.testing.assert_array_equal(kept.labels, source.labels)
        assert [kept.read(i) for i in range(9)] == [source.read(i) for i in range(9)]
    prepare(f"backgrounds:{root}", "--out", tmp_path, "--split", "no_fg", "only_fg", "--json")
    report = json.loads(capsys.readouterr().out)
    assert list(report["splits"]) == ["no_fg", "only_fg"]
    assert "bg_challenge" in report["directory"]


def test_a_release_of_another_split_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = write_release(tmp_path / "made", masked_images(), "train", ["original", "no_fg"])
    prepare(f"backgrounds:{root}:train", "--out", tmp_path, "--json")
    facts = json.loads(capsys.readouterr().out)["splits"]
    assert {name: split["images"] for name, split in facts.items()} == {"original": 9, "no_fg": 9}
    kept = open_source(facts["original"]["spec"])
    assert decode_image(kept.read(0), "").size == (8, 8)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["folder:x"], "--out DIR: no directory is named"),
        (["folder:gone", "--out", "out"], "no such folder"),
        (["backgrounds:gone", "--out", "out"], "gone"),
    ],
)
def test_a_mistake_is_one_line(
    argv: list[str], message: str, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    prepare(*argv, expected=2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
