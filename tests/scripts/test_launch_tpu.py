"""The TPU launcher runs every host, and again where that helps; what all launchers refuse."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.scripts.launching import ALL, ARGUMENTS, FIRST, launch, printed


def test_tpu_runs_the_command_on_every_host():
    words = shlex.split(printed("launch_tpu.sh"))
    assert words[:6] == ["gcloud", "compute", "tpus", "tpu-vm", "ssh", "pod"]
    assert {"--zone=us-east5-b", "--worker=all"} <= {*words}
    remote = words[-1].removeprefix("--command=").split(";")[0]
    assert shlex.split(remote) == ["python3", "-m", "wiseft_jax", *ARGUMENTS, "--resume"]


@pytest.mark.parametrize("script", ALL)
def test_without_a_run_directory_nothing_is_started(script: str):
    done = launch(script, *FIRST.get(script, ()), "run", "pod/vit_b16")
    assert done.returncode == 2
    assert "give --out" in done.stderr


@pytest.mark.parametrize("script", ALL)
def test_without_arguments_the_usage_is_shown(script: str):
    done = launch(script)
    assert done.returncode == 2
    assert f"scripts/{script}" in done.stderr


GCLOUD = """#!/usr/bin/env bash
echo "$4 $5" >> "$CALLS"
if [[ $4 == describe ]]; then
  [[ $(grep -c describe "$CALLS") -gt ${GONE:-0} ]] && echo READY || echo PREEMPTED
  exit 0
fi
IFS=, read -ra answers <<< "$ANSWERS"
answer=${answers[$(($(grep -c ssh "$CALLS") - 1))]}
[[ $answer == *away* ]] && echo "wiseft: error: the processes didn't meet: nobody came"
for code in ${answer//away/}; do echo "wiseft exit code $code"; done
exit 1
"""


@pytest.mark.parametrize(
    ("answers", "gone", "code", "calls"),
    [
        ("0 0", 0, 0, ["ssh"]),
        ("42 42,42 42,0 0", 0, 0, ["ssh", "ssh", "ssh"]),
        ("2 2", 0, 2, ["ssh", "describe"]),
        ("1,0 0", 2, 0, ["ssh", "describe", "describe", "describe", "ssh"]),
        (",0 0", 1, 0, ["ssh", "describe", "describe", "ssh"]),
        ("", 0, 1, ["ssh", "describe"]),
        ("42,42,42", 0, 1, ["ssh", "ssh", "ssh"]),
        ("1 1 away,0 0", 0, 0, ["ssh", "describe", "ssh"]),
        ("1 away,42,1 away", 0, 1, ["ssh", "describe", "ssh", "ssh", "describe"]),
        ("1 away,1 away", 0, 1, ["ssh", "describe", "ssh", "describe", "describe"]),
        ("1 2 away,0 0", 0, 2, ["ssh", "describe"]),
    ],
    ids=[
        *("done", "interrupted", "bad input", "preempted", "gone", "unreachable", "too often"),
        *("not met", "not met and interrupted", "never met", "not met on bad input"),
    ],
)
def test_a_slice_starts_again_when_that_helps(
    tmp_path: Path, answers: str, gone: int, code: int, calls: list[str]
):
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(GCLOUD)
    gcloud.chmod(0o755)
    log = tmp_path / "calls"
    log.touch()
    done = launch(
        "launch_tpu.sh",
        *(*FIRST["launch_tpu.sh"], *ARGUMENTS),
        PATH=f"{tmp_path}:{os.environ['PATH']}",
        CALLS=str(log),
        ANSWERS=answers,
        GONE=str(gone),
        WAIT_SECS="0",
        MAX_RESTARTS="2",
        MAX_MEETINGS="2",
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert [line.split()[0] for line in log.read_text().splitlines()] == calls
