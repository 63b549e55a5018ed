"""Weights & Biases offline: what is in its file, read back; and that no process leaves anything."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.structure.source_tree import ROOT

needs_wandb = pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None,
    reason="needs the extra: pip install 'wiseft-jax[wandb]'",
)

_BLOCK, _HEADER = 32_768, 7

PROGRAM = """
import os, socket, sys
from pathlib import Path

def refuse(*arguments, **options):
    raise AssertionError("a name was looked up: there must be no network")

socket.getaddrinfo = refuse
from tests.core.test_tracking import rows
from wiseft_jax.core.tracking_config import TrackingConfig

described = {"config": {"name": "mine", "training": {"learning_rate": 0.5}},
             "config_hash": "abc", "python": "3.11", "versions": {"jax": "0.10"}}
run = Path(sys.argv[1])
for session in range(2):
    tracker = TrackingConfig(writers=("wandb",), project="ours").build(run, described)
    tracker.replay(run / "train.jsonl")
    tracker.record({"step": 2, "loss": 0.25 + session})
    tracker.record({"step": 2, "validation_accuracy": 0.75})
    tracker.rows(rows(), {"alpha": 0.5, "sentence": "why"})
    tracker.close()
print(os.environ["WANDB_ERROR_REPORTING"])
"""


def records(file: Path) -> list[Any]:
    """Return the records of a ``.wandb`` file: LevelDB's log format, after seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data = file.read_bytes()
    assert data[:4] == b":W&B"
    found, part, place = [], b"", _HEADER
    while place + _HEADER <= len(data):
        if _BLOCK - place % _BLOCK < _HEADER:
            place += _BLOCK - place % _BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + _HEADER])
        part += data[place + _HEADER : place + _HEADER + length]
        place += _HEADER + length
        if kind in (1, 4):  # whole, or the last part
            found.append(Record.FromString(part))
            part = b""
    return found


@pytest.mark.slow
@needs_wandb
def test_the_file_has_steps_settings_and_results_and_a_second_session_replaces_it(tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "train.jsonl").write_text('{"step": 1, "loss": 0.5, "time": 7.0}\n')
    # Nothing of the user's; were there a key, it wouldn't be used.
    home = {"HOME": str(tmp_path / "home"), "WANDB_API_KEY": "0" * 40, "WANDB_MODE": "online"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(run)],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | home, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "false\n"
    assert done.stderr == ""
    (directory,) = (run / "wandb").glob("offline-run-*")
    (file,) = directory.glob("run-*.wandb")
    found = records(file)
    (described,) = [each.run for each in found if each.WhichOneof("record_type") == "run"]
    assert (described.project, described.display_name, described.host) == ("ours", "mine", "")
    config = {item.key: json.loads(item.value_json) for item in described.config.update}
    assert config["training"] == {"learning_rate": 0.5}
    assert config["config_hash"] == "abc"
    history = [
        {
            item.key or ".".join(item.nested_key): json.loads(item.value_json)
            for item in each.history.item
        }
        for each in found
        if each.WhichOneof("record_type") == "history"
    ]
    losses = [(row["_step"], row["train/loss"]) for row in history if "train/loss" in row]
    assert losses == [(1, 0.5), (2, 1.25)]
    assert [row["validation/accuracy"] for row in history if "validation/accuracy" in row] == [0.75]
    by_alpha = [(row["alpha"], row["top1 by alpha/test"]) for row in history if "alpha" in row]
    assert by_alpha == [(0.0, 0.5), (0.5, 0.8), (1.0, 0.9)]
    axes = {each.metric.name: each.metric.step_metric for each in found if each.HasField("metric")}
    assert axes["top1 by alpha/sketch"] == "alpha"
    summary: dict[str, Any] = {}
    for each in found:
        items = each.summary.update
        summary |= {i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in items}
    assert summary["chosen/mean of shifts"] == pytest.approx(0.6)
    assert "| test | top1 | 0.5 | 80.0 | [44.4, 97.5] | 10 |" in summary["results"]
    assert not [path for path in run.rglob("*") if path.is_symlink()]
