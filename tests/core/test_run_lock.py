"""A run directory is one program's at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_lock import hold

HOLD = """
import sys, time
from pathlib import Path
from wiseft_jax.core.run_lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(300)
"""


def test_a_second_program_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=r"at work.* or give another --out$"), hold(tmp_path):
            pass
        with pytest.raises(InputError, match=r"stop it\)$"), hold(tmp_path, option=""):
            pass
        other.kill()  # no farewell
    with hold(tmp_path):
        assert list(tmp_path.iterdir()) == []
    with hold(tmp_path):
        pass


def test_what_is_not_there_is_not_held(tmp_path: Path) -> None:
    with hold(tmp_path / "run"), hold(tmp_path / "run"):
        assert not (tmp_path / "run").exists()


def test_a_file_system_without_locks_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    caplog.set_level("DEBUG", "wiseft_jax")
    with hold(tmp_path), hold(tmp_path):
        assert "two runs there aren't noticed" in caplog.text
