"""``wiseft run`` on a folder of one's own: with the embedded CLIP, and with one of B/32's size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clip.test_load_large import VIT_B_32
from tests.helpers.photos import write_photos
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.core.results import read_rows

TIMEOUT_SECS = 1500


def run(directory: Path, model: str) -> dict:
    """Run the program in a process of its own (one device) and return what it prints."""
    options = {
        "--model.name": model,
        "--data.train": f"folder:{directory / 'photos'}",
        "--data.shifts": f"inverted=folder:{directory / 'shifted'}",
        "--data.validation-fraction": "0.3",
        "--data.test-fraction": "0.3",
        "--training.epochs": "1",
        "--training.batch-size": "4",
        "--sweep.batch-size": "4",
        "--out": str(directory / "run"),
    }
    command = [sys.executable, "-m", "wiseft_jax", "run", "custom/folder", "--json"]
    command += [word for pair in options.items() for word in pair] + ["--sweep.alphas", "0", "1"]
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(
        command,
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["embedded", "vit_b_32"])
def test_own_images_with_another_folder_as_shift(size: str, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", per_class=4, size=64)
    write_photos(tmp_path / "shifted", per_class=2, size=64, seed=1, invert=True)
    model = "glyphclip"
    if size == "vit_b_32":
        model = str(tiny_clip_directory(tmp_path / "clip", **VIT_B_32))
    printed = run(tmp_path, model)
    rows = read_rows(tmp_path / "run")
    assert printed["rows"] == rows
    assert {row["dataset"] for row in rows} == {"photos-validation", "photos-test", "inverted"}
    assert {row["n"] for row in rows if row["dataset"] == "inverted"} == {6}
    assert (tmp_path / "run" / "merged" / "wiseft.json").is_file()
