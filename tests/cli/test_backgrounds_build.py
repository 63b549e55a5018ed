"""``wiseft backgrounds build`` through the program."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.backgrounds.disc_photos import (
    CLASSES,
    contents,
    disc,
    photo,
    save_mask,
    save_photo,
    write_photos,
)
from tests.helpers.light_help import light_help
from tests.structure.source_tree import ROOT
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.cli.main import main


def command(root: Path, *more: str) -> list[str]:
    given = ["--source", f"folder:{root / 'photos'}", "--masks", str(root / "masks")]
    return ["backgrounds", "build", *given, "--size", "32", "--workers", "1", *more]


def test_it_builds_and_says_what_was_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = write_photos(tmp_path)
    save_photo(root / "photos" / CLASSES[0] / "odd.png", photo(0))
    out = tmp_path / "out"
    assert main(command(root, "--out", str(out))) == 0
    printed, told = capsys.readouterr()
    assert f"1 of 10 images were rejected: 1 mask_missing; each image's reason is in {out}" in told
    assert "mend" not in told
    assert "rejected: mask_missing" in printed
    assert "there is no mask for it" in printed
    assert "of 10 images" in printed
    assert str(out / "rejected.jsonl") in printed
    assert len(open_release(out).variants) == 8
    assert main(command(root, "--out", str(out), "--json")) == 0  # complete: read back
    printed, told = capsys.readouterr()
    assert f"{out}: all 9 images were there already (1 others were rejected)" in told
    facts = json.loads(printed)
    assert facts["complete"] is True
    assert facts["counts"]["accepted"] == 9
    assert main(command(root, "--out", str(out), "--seed", "1")) == 2
    assert "parameter seed: was 0, is 1" in capsys.readouterr().err


def test_boxes_alone_say_what_they_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = write_photos(tmp_path, 1)
    rows = [f"{name}/000,20,10,40,30" for name in CLASSES]
    (root / "boxes.csv").write_text("\n".join(["id,x0,y0,x1,y1", *rows]) + "\n")
    given = ["--source", f"folder:{root / 'photos'}", "--boxes", str(root / "boxes.csv")]
    assert main(["backgrounds", "build", *given, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "variants  original, only_bg_b, only_bg_t\n" in printed
    assert "--segment grabcut" in printed


def test_trimaps_need_the_value_of_the_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = write_photos(tmp_path, 2)
    for label, name in enumerate(CLASSES):
        for number in range(2):
            mask = disc(label * 2 + number)
            trimap = 2 - mask.astype("uint8")
            trimap[0, 0] = 3
            (root / "masks" / name / f"{number:03d}.npy").unlink()
            save_mask(root / "trimaps" / f"{name}_{number:03d}.png", trimap)
            photo = root / "photos" / name / f"{number:03d}.png"
            photo.rename(photo.with_name(f"{name}_{number:03d}.png"))
    given = ["--source", f"folder:{root / 'photos'}", "--masks", str(root / "trimaps")]
    options = [*given, "--size", "32", "--workers", "1", "--out", str(tmp_path / "out")]
    assert main(["backgrounds", "build", *options]) == 2
    assert "rejected: 2 mask_values" in capsys.readouterr().err
    again = [*options, "--mask-foreground", "1", "--overwrite"]
    assert main(["backgrounds", "build", *again]) == 0


def test_in9l_wants_imagenet_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "train" / "n01440764").mkdir(parents=True)
    options = ["backgrounds", "build", "--in9l", str(tmp_path / "train")]
    assert main([*options, "--out", str(tmp_path / "out")]) == 2
    assert "expected ImageNet's 1000 folders" in capsys.readouterr().err
    more = ["--source", "folder:a", "--size", "64", "--workers", "2", "--overwrite"]
    assert main([*options, *more, "--out", str(tmp_path / "out")]) == 2
    assert "leave --source, --size, --workers, --overwrite out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--out DIR: no directory is named"),
        (["--out", "x"], "--source: no images are named"),
        (["--out", "x", "--source", "folder:none", "--masks", "m"], "none: no such folder"),
        (["--out", "x", "--links"], "--links belongs to --in9l"),
        (["--out", "x", "--source", "folder:a", "--boxes", "b", "--workers", "-1"], "--workers"),
        (["--outt", "x"], "--out"),
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
    assert main(["backgrounds", "build", *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_signal_ends_it_and_the_same_command_goes_on(tmp_path: Path):
    root = write_photos(tmp_path, 20)
    out = tmp_path / "out"
    options = command(root, "--out", str(out))
    options[options.index("--workers") + 1] = "2"
    program = [sys.executable, "-m", "wiseft_jax", *options]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        rows = out / "images.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (rows.exists() and rows.stat().st_size):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 42, said
    assert f"what is finished in {out} is intact; to go on: python -m wiseft_jax" in said
    assert json.loads((out / "manifest.json").read_text())["complete"] is False
    done = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert 0 < len(done) < 60 * 8
    finished = rows.read_text().count("\n")
    assert main(options) == 0
    kept = sum(path.stat().st_mtime_ns == time for path, time in done.items())
    assert kept >= 5 * finished > 0
    assert main(command(root, "--out", str(tmp_path / "whole"))) == 0
    assert contents(out) == contents(tmp_path / "whole")


def test_after_a_kill_lost_and_damaged_files_are_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    root, out = write_photos(tmp_path, 20), tmp_path / "out"
    options = command(root, "--out", str(out))
    with subprocess.Popen(
        [sys.executable, "-m", "wiseft_jax", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    ) as process:
        rows = out / "images.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (
            rows.exists() and rows.read_text().count("\n") >= 4
        ):
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert json.loads((out / "manifest.json").read_text())["complete"] is False
    first, second, third = sorted((out / "original").rglob("[!.]*.png"))[:3]
    first.write_bytes(first.read_bytes()[:100])  # as after a machine went down
    second.unlink()
    (third.parent / ".003.png.abcd.tmp").write_bytes(b"half")  # as after a kill amid a write
    assert main([*options, "--seed", "1"]) == 2
    assert "parameter seed: was 0, is 1" in capsys.readouterr().err
    assert first.stat().st_size == 100
    assert main(options) == 0
    assert "1 file isn't what this build wrote" in capsys.readouterr().err
    assert main(command(root, "--out", str(tmp_path / "whole"))) == 0
    assert contents(out) == contents(tmp_path / "whole")


def test_help_is_light_and_names_the_options():
    text = light_help("backgrounds", "build")
    for option in ("--source", "--masks", "--boxes", "--segment", "--in9l", "--out", "--workers"):
        assert option in text
