"""Where checkpoints lie, and the facts that are believed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from etils import epath

from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.checkpoint_errors import DamagedCheckpointError
from wiseft_jax.core.checkpoint_files import (
    Facts,
    begin_anew,
    check_arrays,
    describe_arrays,
    empty_arrays,
    find_directory,
    read_facts,
)
from wiseft_jax.core.errors import InputError

FACTS = Facts({"config": {"epochs": 1 / 3}}, {"loss": 0.1, "validation_accuracy": 0.7}, {"opt": {}})


def _write(directory: Path, text: str) -> epath.Path:
    (directory / "meta").mkdir()
    (directory / "meta" / "metadata").write_text(text)
    return epath.Path(directory)


def test_the_directory_is_the_runs_or_the_configured_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    directories = [
        find_directory(Path("run"), CheckpointConfig(directory=given))
        for given in (None, "elsewhere", "~/mine", "/data/checkpoints")
    ]
    assert [str(directory) for directory in directories] == [
        f"{tmp_path}/run/checkpoints",
        f"{tmp_path}/elsewhere",
        f"{tmp_path}/home/mine",
        "/data/checkpoints",
    ]


@pytest.mark.parametrize("given", ["s3://bucket/x", "gs://", "gs:///", "file:///tmp"])
def test_other_file_systems_are_refused(given: str):
    with pytest.raises(InputError, match=r"expected a local directory or gs://BUCKET/DIR, found"):
        find_directory(Path("run"), CheckpointConfig(directory=given))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"gs://b/d needs .*gcsfs.*pip install 'wiseft-jax\[gcs\]'"
    ):
        find_directory(Path("run"), CheckpointConfig(directory="gs://b/d"))


def test_facts_come_back(tmp_path: Path):
    assert read_facts(_write(tmp_path, json.dumps(FACTS.seal()))) == FACTS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(FACTS.seal()).replace("0.7", "0.8"), "the checksum is wrong"),
        (json.dumps(FACTS.seal())[:-5], "meta/metadata: "),
        ('{"step": 1}', "not of this version's format"),
        ("[]", "not of this version's format"),
        ("3", "not of this version's format"),
    ],
)
def test_other_facts_are_damage(tmp_path: Path, text: str, message: str):
    with pytest.raises(DamagedCheckpointError, match=message):
        read_facts(_write(tmp_path, text))


@pytest.mark.parametrize(
    ("metrics", "rank"),
    [
        ({}, None),
        ({"loss": 1.0}, None),
        ({"validation_accuracy": 0.5}, 0.5),
        ({"validation_accuracy": float("nan")}, None),
    ],
)
def test_rank(metrics: dict[str, float], rank: float | None):
    assert Facts({}, metrics, {}).rank == rank


def test_arrays_are_described_and_checked():
    tree: dict[str, Any] = {f"layer{i}": np.arange(i, dtype=np.float32) for i in range(6)}
    described = json.loads(json.dumps(describe_arrays(tree)))
    check_arrays("params", tree, described)
    empty = empty_arrays(described)
    assert {n: (a.dtype, a.shape) for n, a in empty.items()} == {
        n: (a.dtype, a.shape) for n, a in tree.items()
    }
    wrong = {name: leaf + 1 for name, leaf in tree.items()}
    message = "params: the checksum is wrong of layer1, layer2, layer3 and 2 more"
    with pytest.raises(DamagedCheckpointError, match=message):
        check_arrays("params", wrong, described)


def test_a_bucket_is_cleared_by_its_own_tool():
    bucket = "gs://bucket/runs/a b"
    said = begin_anew(epath.Path(bucket), CheckpointConfig(directory=bucket))
    assert f"(gcloud storage rm --recursive '{bucket}')" in said
