"""The SLURM launcher runs every task, and requeues what was interrupted."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.scripts.launching import ARGUMENTS, SCRIPTS, launch, printed
from wiseft_jax.core.errors import NOT_MET


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


@pytest.mark.parametrize(
    ("code", "said", "tries"),
    [
        (1, "wiseft: error: the processes didn't meet: nobody came", 2),
        (2, "wiseft: error: the processes didn't meet: nobody came", 1),
        (1, "wiseft: error: step 3: loss nan", 1),
    ],
    ids=["not met", "bad input", "another error"],
)
def test_slurm_tries_again_where_the_tasks_did_not_meet(
    tmp_path: Path, code: int, said: str, tries: int
):
    log = tmp_path / "calls"
    (tmp_path / "srun").write_text(
        f"#!/usr/bin/env bash\necho x >> {log}\necho {shlex.quote(said)} >&2\nexit {code}\n"
    )
    (tmp_path / "srun").chmod(0o755)
    environment = {"MAX_MEETINGS": "2", "WAIT_SECS": "0", "SLURM_JOB_ID": "7"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = launch("launch_slurm.sh", *ARGUMENTS, PATH=path, **environment)
    assert done.returncode == code
    assert len(log.read_text().splitlines()) == tries
    assert done.stdout.count(said) == tries


def test_the_launchers_look_for_what_the_program_says():
    for script in ("launch_slurm.sh", "launch_tpu.sh"):
        assert f'grep -q "{NOT_MET}" "$log"' in (SCRIPTS / script).read_text()
