from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.source_tree import ROOT

SCRIPTS = sorted([*(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run"])


def find_python(*versions: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "find_python.sh"), *versions]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_this_python_is_found():
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    done = find_python("2.0", version)
    if done.returncode:
        pytest.skip(f"no Python {version} with venv and pip on PATH or in pyenv")
    shown = subprocess.run(
        [done.stdout.strip(), "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith(f"Python {version}.")


def test_a_version_that_does_not_exist_is_not_found():
    done = find_python("2.0")
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_parses_and_can_be_executed(script: Path):
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)
