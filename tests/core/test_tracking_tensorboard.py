"""TensorBoard's event files, read back as they are specified: framed records with checksums."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.test_tracking import rows
from tests.structure.source_tree import ROOT
from wiseft_jax.core.tracking import Tracker
from wiseft_jax.core.tracking_config import TrackingConfig
from wiseft_jax.core.tracking_tensorboard import FLUSH_SECS, TensorBoardWriter, alpha_scale

pytest.importorskip("tensorboardX", reason="needs the extra: pip install 'wiseft-jax[tensorboard]'")

DESCRIBED = {
    "config": {"name": "x", "training": {"learning_rate": 0.5, "freeze": []}, "none": None},
    "config_hash": "abc",
    "python": "3.11",
    "versions": {"jax": "0.10"},
}


def events(directory: Path) -> list[Any]:
    """Return the events of the one file; each frame's checksums are verified."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    (file,) = directory.glob("events.out.tfevents.*")
    data, found = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        body = data[12 : 12 + length]
        assert struct.unpack("<I", data[8:12])[0] == masked_crc32c(data[:8])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked_crc32c(body)
        found.append(Event.FromString(body))
        data = data[16 + length :]
    return found


def scalars(directory: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(directory):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, []).append((event.step, round(value.simple_value, 6)))
    return found


def tracked(run: Path) -> Tracker:
    return TrackingConfig(writers=("tensorboard",)).build(run, DESCRIBED)


def test_steps_settings_and_results(tmp_path: Path):
    tracker = tracked(tmp_path)
    tracker.record({"step": 1, "loss": 0.5, "time": 1234.5})
    tracker.record({"step": 1, "validation_accuracy": 0.75})
    tracker.rows(rows(), {"alpha": 0.5, "sentence": "why"})
    tracker.close()
    directory = tmp_path / "tensorboard"
    found = scalars(directory)
    assert found["train/loss"] == [(1, 0.5)]
    assert found["validation/accuracy"] == [(1, 0.75)]
    assert found["top1 by alpha/test"] == [(0, 0.5), (500, 0.8), (1000, 0.9)]
    assert found["chosen/mean of shifts"] == [(0, 0.6)]
    all_events = events(directory)
    (loss,) = [e for e in all_events if any(v.tag == "train/loss" for v in e.summary.value)]
    assert loss.wall_time == 1234.5
    texts = {v.tag: v.tensor.string_val for e in all_events for v in e.summary.value}
    assert b'"learning_rate": 0.5' in texts["configuration/text_summary"][0]
    assert b"| test | top1 | 0.5 | 80.0 |" in texts["results/text_summary"][0]
    described = [
        v.metadata.summary_description
        for e in all_events
        for v in e.summary.value
        if v.tag == "top1 by alpha/test"
    ]
    assert described[0].startswith("By alpha, not by time: step 500 is alpha = 0.5")
    assert described[1:] == ["", ""]
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    (start,) = [
        HParamsPluginData.FromString(v.metadata.plugin_data.content).session_start_info
        for e in all_events
        for v in e.summary.value
        if v.tag == "_hparams_/session_start_info"
    ]
    assert start.hparams["training.learning_rate"].number_value == 0.5
    assert start.hparams["training.freeze"].string_value == "[]"
    assert start.hparams["config_hash"].string_value == "abc"


def test_a_resumed_run_has_no_step_twice(tmp_path: Path):
    log = tmp_path / "train.jsonl"
    log.write_text('{"step": 1, "loss": 0.5, "time": 7.0}\n')
    killed = tracked(tmp_path)
    killed.replay(log)
    killed.record({"step": 2, "loss": 0.4})
    killed.record({"step": 3, "loss": 0.3})
    killed.close()
    assert scalars(tmp_path / "tensorboard")["train/loss"] == [(1, 0.5), (2, 0.4), (3, 0.3)]
    resumed = tracked(tmp_path)  # the log keeps step 1: the checkpoint was after it
    resumed.replay(log)
    resumed.record({"step": 2, "loss": 0.41})
    resumed.close()
    assert scalars(tmp_path / "tensorboard")["train/loss"] == [(1, 0.5), (2, 0.41)]
    (first,) = [
        event
        for event in events(tmp_path / "tensorboard")
        if any(value.tag == "train/loss" for value in event.summary.value) and event.step == 1
    ]
    assert first.wall_time == 7.0


def test_the_file_is_flushed_now_and_then(tmp_path: Path):
    now = [1000.0]
    writer = TensorBoardWriter(tmp_path / "tb", DESCRIBED, clock=lambda: now[0])
    writer.scalars(1, {"train/loss": 0.5}, None)
    assert "train/loss" not in scalars(tmp_path / "tb")
    now[0] += FLUSH_SECS
    writer.scalars(2, {"train/loss": 0.25}, None)
    assert scalars(tmp_path / "tb")["train/loss"] == [(1, 0.5), (2, 0.25)]
    writer.close()


FULL = """
import logging, resource, signal, sys
from pathlib import Path
from tests.core.test_tracking_tensorboard import tracked
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
logging.basicConfig(format="%(message)s")
tracker = tracked(Path(sys.argv[1]))
for step in range(2000):
    tracker.record({"step": step, "loss": 0.5})
tracker.close()
"""


def test_a_file_that_can_grow_no_more_is_one_warning(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("tracking: tensorboard failed at step ")
    assert "(OSError: [Errno 27] File too large) and gets nothing more" in line


@pytest.mark.parametrize(
    ("alphas", "scale"),
    [
        ([0.0, 0.05, 1.0], 1000),
        ([-0.5, 1.5], 1000),
        ([0.0, 0.0005], 1_000_000),
        ([1 / 3], 1_000_000_000),
    ],
)
def test_alphas_become_whole_numbers_that_differ(alphas: list[float], scale: int):
    assert alpha_scale(alphas) == scale
    assert len({round(scale * alpha) for alpha in alphas}) == len(alphas)
