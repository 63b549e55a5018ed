"""Miniatures of every published set, and a tiny checkpoint, for the presets of the papers."""

from __future__ import annotations

from pathlib import Path

from tests.data.published_array_miniatures import ARRAYS, write_arrays
from tests.data.published_miniatures import MINIATURES, write_miniature
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.cli.presets import all_presets
from wiseft_jax.data.specs import parse_spec


def write_workshop(path: Path) -> Path:
    """Write ``clip``, a tiny checkpoint, and ``data``, a root with every set; return ``path``."""
    tiny_clip_directory(path / "clip")
    for name, split in MINIATURES:
        write_miniature(path / "data", name, split)
    for name, split in ARRAYS:
        write_arrays(path / "data", name, split)
    return path


def workshop_options(preset: str, workshop: Path) -> list[str]:
    """Return what a preset needs to run there: the checkpoint, and sets that can't be held out.

    Where nothing can be held out of a miniature, its test set validates.
    """
    data = all_presets()[preset].load().data
    options = ["--model.name", str(workshop / "clip")]
    dataset = parse_spec(data.train).target
    if data.validation is None and dataset != "imagenet":
        reported = data.test or data.train
        options += ["--data.validation", f"{dataset}-validation={reported}"]
        if data.test is None:
            options += ["--data.test", f"{dataset}-test={reported}"]
    return options
