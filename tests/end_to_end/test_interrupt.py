"""A run that is stopped by a signal saves, exits with 42, and goes on to the same result."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Workshop
from wiseft_jax.core.results import read_rows

TIMEOUT_SECS = 240


def start(arguments: list[str], cwd: Path) -> subprocess.Popen:
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "wiseft_jax", *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stderr=subprocess.PIPE, text=True, stdout=subprocess.PIPE
    )


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_stopped_and_continued(inputs: Workshop, tmp_path: Path, signum: int) -> None:
    longer = ["--training.epochs", "200", "--training.eval-every-epochs", "None"]
    options = [*inputs.options(), *longer, "--checkpoints.save-every-steps", "50"]
    command = ["run", "custom/folder", *options, "--out", str(tmp_path / "run")]
    process = start(command, tmp_path)
    log = tmp_path / "run" / "train.jsonl"
    deadline = time.monotonic() + TIMEOUT_SECS
    while not (log.is_file() and len(log.read_text().splitlines()) > 5):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "training never started"
        time.sleep(0.1)
    process.send_signal(signum)
    printed = process.communicate(timeout=TIMEOUT_SECS)[1]
    assert process.returncode == 42, printed
    assert not (tmp_path / "run" / "results.jsonl").exists()
    found = re.search(r"to continue: python -m wiseft_jax (run .*--resume.*)", printed)
    assert found, printed
    again = start(shlex.split(found[1]), tmp_path)
    printed = again.communicate(timeout=TIMEOUT_SECS)[1]
    assert again.returncode == 0, printed
    whole = start([*command[:-1], str(tmp_path / "whole")], tmp_path)
    printed = whole.communicate(timeout=TIMEOUT_SECS)[1]
    assert whole.returncode == 0, printed
    assert read_rows(tmp_path / "run") == read_rows(tmp_path / "whole")
