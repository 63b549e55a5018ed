"""A preparation that is killed goes on, and ends with the bytes of one that wasn't."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.data.builders import write_folder
from tests.helpers.processes import ROOT, TIMEOUT_SECS
from wiseft_jax.cli.main import main
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.prepared_shards import read_manifest, sha256_of
from wiseft_jax.data.specs import open_source

PROGRAM = """
import sys, time
from wiseft_jax.cli.main import main
from wiseft_jax.data.files import FileSource
read = FileSource.read
def slowly(self, index):
    time.sleep(0.04)
    return read(self, index)
FileSource.read = slowly
sys.exit(main(sys.argv[1:]))
"""
OPTIONS = ("--shard-mib", "0.0015", "--num-threads", "1")  # two images a shard


def command(root: Path, out: Path) -> list[str]:
    return ["data", "prepare", f"folder:{root}", "--out", str(out), *OPTIONS]


def finished(directory: Path) -> dict[str, int]:
    """Return when each shard was written that the manifest lists."""
    manifest = read_manifest(directory)
    shards = manifest["shards"] if manifest else {}
    return {name: (directory / name).stat().st_mtime_ns for name in shards}


def stop_amid(root: Path, out: Path, directory: Path, signum: signal.Signals) -> tuple[int, str]:
    """Start the command, stop it once it has finished two more shards; return how it ended."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *command(root, out)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wanted, deadline = len(finished(directory)) + 2, time.monotonic() + TIMEOUT_SECS
    while process.poll() is None and len(finished(directory)) < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signum)
    stderr = process.communicate(timeout=TIMEOUT_SECS)[1]
    return process.returncode, stderr


def tree(directory: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in directory.iterdir()}


def test_a_killed_preparation_goes_on_to_the_same_bytes(tmp_path: Path):
    write_folder(tmp_path / "photos", {"cat": 12, "dog": 8, "owl": 4})
    root, out = tmp_path / "photos", tmp_path / "out"
    directory = out / "photos" / "1.0.0"
    assert main([*command(root, tmp_path / "whole")]) == 0
    whole = tree(tmp_path / "whole" / "photos" / "1.0.0")

    kept: dict[str, int] = {}
    for signum, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 42)):
        ended, stderr = stop_amid(root, out, directory, signum)
        assert ended == code, stderr
        now = finished(directory)
        assert len(kept) + 2 <= len(now) < 12
        assert kept.items() <= now.items(), "finished shards are not written again"
        kept = now
        if code == 42:
            assert "the shards that are finished in" in stderr
            assert "are kept; to go on: the same call" in stderr
        with pytest.raises(InputError, match=r"hasn't finished there; give the same command"):
            open_source(f"tfds:{directory}:train")

    (directory / ".photos-train.array_record-00011-of-00012.tmp").write_bytes(b"half a shard")
    assert main(command(root, out)) == 0
    assert kept.items() <= finished(directory).items()
    assert tree(directory) == whole
