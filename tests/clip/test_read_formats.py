"""Each row of the table of what is read is what `find_checkpoint` makes of such files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from wiseft_jax.clip.checkpoint_format import find_checkpoint
from wiseft_jax.clip.read_formats import READ_FORMATS

ONE = np.zeros((1, 1), np.float32)
HF, OPENCLIP = "visual_projection.weight", "visual.conv1.weight"


def config(directory: Path, kind: str) -> None:
    (directory / "config.json").write_text(json.dumps({"model_type": kind}))


def clip(directory: Path) -> Path:
    config(directory, "clip")
    (directory / "flax_model.msgpack").write_bytes(b"")
    return directory


def vision(directory: Path) -> Path:
    config(directory, "clip_vision_model")
    save_file({HF: ONE}, directory / "model.safetensors")
    return directory


def openclip(directory: Path) -> Path:
    save_file({OPENCLIP: ONE}, directory / "open_clip_model.safetensors")
    return directory


def openclip_described(directory: Path) -> Path:
    save_file({OPENCLIP: ONE}, directory / "model.safetensors")
    (directory / "open_clip_config.json").write_text("{}")
    return directory


def openclip_names(directory: Path) -> Path:
    save_file({OPENCLIP: ONE}, directory / "model.safetensors")
    return directory


def openclip_file(directory: Path) -> Path:
    save_file({OPENCLIP: ONE}, directory / "mine.safetensors")
    return directory / "mine.safetensors"


def clip_file(directory: Path) -> Path:
    config(directory, "clip")
    save_file({HF: ONE}, directory / "mine.safetensors")
    return directory / "mine.safetensors"


MADE: dict[str, tuple[Callable[[Path], Path], ...]] = {
    "clip": (clip,),
    "vision": (vision,),
    "openclip": (openclip, openclip_described, openclip_names),
    "openclip_file": (openclip_file,),
    "clip_file": (clip_file,),
}


def test_every_row_is_made():
    assert MADE.keys() == READ_FORMATS.keys()


@pytest.mark.parametrize(("row", "make"), [(row, make) for row in MADE for make in MADE[row]])
def test_it_is_found_as_the_table_says(row: str, make: Callable[[Path], Path], tmp_path: Path):
    made = make(tmp_path)
    assert find_checkpoint(made).format == READ_FORMATS[row].format
    for path in tmp_path.iterdir():
        name = path.name.replace("mine", "")
        there = "\n".join((READ_FORMATS[row].there, READ_FORMATS[row].read_as))
        assert f"`{name}`" in there
