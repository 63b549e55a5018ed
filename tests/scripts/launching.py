"""How the tests of the launchers start them."""

from __future__ import annotations

import os
import subprocess

from tests.structure.source_tree import ROOT

SCRIPTS = ROOT / "scripts"
ARGUMENTS = ("run", "pod/vit_b16", "--name", 'it\'s "new" \\o/', "--out", "/runs/a b")
ALL = ("launch_gke.sh", "launch_slurm.sh", "launch_tpu.sh")
FIRST: dict[str, tuple[str, ...]] = {"launch_tpu.sh": ("pod", "us-east5-b")}
ENVIRONMENT = {"IMAGE": "registry/wiseft:1", "CLAIM": "filestore"}


def launch(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPTS / script), *arguments],
        env=os.environ | ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def printed(script: str) -> str:
    done = launch(script, "--print", *FIRST.get(script, ()), *ARGUMENTS)
    assert done.returncode == 0, done.stderr
    return done.stdout
