"""A verb alone is as before; what goes wrong before the processes have met ends the one it hits."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.processes import LOW_TIMEOUTS, free_port, run_processes
from wiseft_jax.cli.common import CommonOptions
from wiseft_jax.cli.main import main
from wiseft_jax.cli.together import prepare, together
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory


def test_alone_this_process_prints() -> None:
    with together(CommonOptions(cache=False), DistributedConfig(mode="off")) as prints:
        assert prints


def test_alone_exceptions_pass_through() -> None:
    options = CommonOptions(cache=False)
    with (
        pytest.raises(InputError, match="no such file"),
        together(options, DistributedConfig(mode="off")),
    ):
        raise InputError("no such file")


def test_alone_the_run_directory_is_prepared(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    config = DistributedConfig()  # any configuration will do
    prepare(directory, config, {"classes": ["a"]}, resume=False, overwrite=False)
    assert json.loads(directory.config_file.read_text())["config"]["mode"] == "auto"


def test_a_configuration_that_shows_late_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, config = RunDirectory(tmp_path / "run"), DistributedConfig()
    make, listed = RunDirectory.prepare, []

    def make_later(*args: Any, **mode: Any) -> None:
        threading.Timer(0.3, make, args, mode).start()

    iterdir = Path.iterdir
    monkeypatch.setattr(RunDirectory, "prepare", make_later)
    monkeypatch.setattr(Path, "iterdir", lambda path: listed.append(path) or iterdir(path))
    prepare(directory, config, {}, resume=False, overwrite=False)
    assert directory.config_file.is_file()
    assert set(listed) >= {directory.path}  # a look at the file alone asks NFS for nothing new


def test_incomplete_options_are_bad_input(capsys: pytest.CaptureFixture) -> None:
    command = ["evaluate", "--model", "x", "--data", "folder:y"]
    assert main([*command, "--distributed.coordinator", "localhost:1"]) == 2
    assert "num_processes and process_id missing" in capsys.readouterr().err


JOINED = """
import json, os, sys
from pathlib import Path

from wiseft_jax.cli.common import CommonOptions
from wiseft_jax.cli.together import prepare, together
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.run_directory import RunDirectory

rank = os.environ["JAX_PROCESS_ID"]
config = DistributedConfig(heartbeat_timeout_secs=10, shutdown_timeout_secs=30)
with together(CommonOptions(), config) as prints:
    import jax

    directory = RunDirectory(Path(sys.argv[1] + (rank if sys.argv[2] == "own" else "")))
    prepare(directory, DistributedConfig(), {}, resume=False, overwrite=False)
    print(json.dumps([prints, jax.process_count()]), flush=True)
"""


def test_two_processes_share_a_directory_and_only_the_first_prints(tmp_path: Path) -> None:
    done = run_processes(2, [sys.executable, "-c", JOINED, str(tmp_path / "run"), "shared"])
    assert [each.returncode for each in done] == [0, 0], done
    # Gloo's reports go to stderr: stdout holds results alone.
    assert [json.loads(each.stdout) for each in done] == [[True, 2], [False, 2]]
    assert "Gloo" in done[0].stderr
    assert (tmp_path / "run" / "config.json").is_file()


def test_two_processes_with_directories_of_their_own_are_refused(tmp_path: Path) -> None:
    done = run_processes(2, [sys.executable, "-c", JOINED, str(tmp_path / "run"), "own"])
    for each in done:
        assert each.returncode == 2, done
        assert "these differ: process 1" in each.stderr
        assert "out (" in each.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_comes_alone_gives_up(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "wiseft_jax", "evaluate", "--model", "x", "--data", "folder:y"]
    options = [
        *("--distributed.coordinator", address, "--distributed.process-id", "0"),
        *("--distributed.num-processes", "2", *LOW_TIMEOUTS),
        *("--distributed.init-timeout-secs", "2"),
    ]
    (done,) = run_processes(1, [*command, *options], cwd=tmp_path, timeout_secs=60)
    assert done.returncode == 1, done  # 2 would tell a launcher that another try doesn't help
    met = "wiseft: error: the processes didn't meet: the others didn't come"
    assert f"{met} at {address} within 2 s" in done.stderr
