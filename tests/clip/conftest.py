"""One tiny CLIP for all tests of the part that don't change it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from tests.helpers.tiny import tiny_clip, tiny_clip_directory
from wiseft_jax.clip.load import Clip, load_clip


@dataclasses.dataclass(frozen=True)
class Towers:
    """A CLIP with its two towers compiled once for all tests."""

    clip: Clip
    image: Callable[..., Any]
    text: Callable[..., Any]


def towers_of(clip: Clip) -> Towers:
    return Towers(clip, jax.jit(clip.tower.image_features), jax.jit(clip.tower.text_features))


@pytest.fixture(scope="session")
def clip_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP directory; read it, don't write into it."""
    return tiny_clip_directory(tmp_path_factory.mktemp("clip") / "model", vision_layers=1)


@pytest.fixture(scope="session")
def clip(clip_directory: Path) -> Clip:
    """The tiny CLIP."""
    return load_clip(clip_directory)


@pytest.fixture(scope="session")
def legacy_clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """A tiny CLIP with GELU and OpenAI's legacy ``eos_token_id`` 2."""
    path = tmp_path_factory.mktemp("clip") / "legacy"
    return tiny_clip(path, seed=3, hidden_act="gelu", eos_token_id=2, vision_layers=1)


@pytest.fixture(scope="session")
def towers(clip: Clip) -> Towers:
    """The tiny CLIP's compiled towers."""
    return towers_of(clip)


@pytest.fixture(scope="session")
def legacy_towers(legacy_clip: Clip) -> Towers:
    """The legacy CLIP's compiled towers."""
    return towers_of(legacy_clip)


@pytest.fixture(scope="session")
def scan_towers(clip_directory: Path) -> Towers:
    """The same CLIP with the lean tower."""
    return towers_of(load_clip(clip_directory, tower="scan"))


@pytest.fixture(scope="session")
def legacy_scan_towers(tmp_path_factory: pytest.TempPathFactory) -> Towers:
    """The legacy CLIP, two layers deep, with the lean tower."""
    path = tiny_clip_directory(
        tmp_path_factory.mktemp("clip") / "legacy", seed=3, hidden_act="gelu", eos_token_id=2
    )
    return towers_of(load_clip(path, tower="scan"))
