"""The SLURM launcher runs every task, and requeues what was interrupted."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.scripts.launching import ARGUMENTS, launch, printed


def test_slurm_runs_the_command_in_every_task():
    lines = printed("launch_slurm.sh").splitlines()
    words = shlex.split(lines[-1])
    assert words == [
        "srun",
        "--gpu-bind=none",
        "python3",
        "-m",
        "wiseft_jax",
        *ARGUMENTS,
        "--resume",
    ]
    assert {"#SBATCH --requeue", "#SBATCH --signal=TERM@120"} <= {*lines}


@pytest.mark.parametrize(("code", "requeued"), [(0, False), (42, True), (2, False)])
def test_slurm_requeues_what_was_interrupted(tmp_path: Path, code: int, requeued: bool):
    log = tmp_path / "calls"
    for name, body in (("srun", f"exit {code}"), ("scontrol", f'echo "$@" >> {log}')):
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = launch("launch_slurm.sh", *ARGUMENTS, PATH=path, SLURM_JOB_ID="7")
    assert done.returncode == (0 if requeued else code)
    assert (log.read_text() if requeued else log.exists()) == ("requeue 7\n" if requeued else False)
