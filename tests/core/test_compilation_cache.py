"""Compiled programs are kept, found again by the next process, and give the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.helpers.processes import ROOT, run_processes
from wiseft_jax.core import compilation_cache

PROGRAM = """
import json, sys

import jax, jax.monitoring
import jax.numpy as jnp

from wiseft_jax.core import cache, compilation_cache

compilation_cache.MIN_COMPILE_SECS = 0.0
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
directory = compilation_cache.enable()

@jax.jit
def program(x):
    for _ in range(20):
        x = jnp.sin(x @ x) + x
    return x

x = program(jnp.linspace(-1, 1, 256, dtype=jnp.float32).reshape(16, 16))
hits = sum(event.endswith("compilation_cache/cache_hits") for event in events)
print(json.dumps({
    "directory": None if directory is None else str(directory),
    "hits": hits, "bytes": x.tobytes().hex(), "limit": jax.config.jax_compilation_cache_max_size,
}), flush=True)
"""


def run(cache: Path, **variables: str) -> dict[str, Any]:
    base = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "WISEFT_NO_CACHE")}
    environment = base | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache)} | variables
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def files(directory: Path) -> int:
    return sum(path.is_file() for path in directory.rglob("*"))


def test_the_second_run_finds_the_program_and_gives_the_same_bits(tmp_path: Path):
    cold, warm = run(tmp_path), run(tmp_path)
    assert cold["directory"].startswith(str(tmp_path / "wiseft_jax" / "xla" / "cpu-"))
    assert (cold["hits"], warm["hits"] > 0) == (0, True)
    assert warm["bytes"] == cold["bytes"]
    assert cold["limit"] == compilation_cache.MAX_BYTES


def test_no_cache_reads_and_writes_nothing(tmp_path: Path):
    elsewhere = str(tmp_path / "users")
    found = run(tmp_path, WISEFT_NO_CACHE="1", JAX_COMPILATION_CACHE_DIR=elsewhere)
    assert (found["directory"], found["hits"]) == (None, 0)
    assert files(tmp_path) == 0


def test_a_directory_of_the_users_is_kept(tmp_path: Path):
    elsewhere = tmp_path / "users"
    variables = {
        "JAX_COMPILATION_CACHE_DIR": str(elsewhere),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    cold, warm = run(tmp_path, **variables), run(tmp_path, **variables)
    assert cold["directory"] == str(elsewhere)
    assert cold["limit"] == -1
    assert warm["hits"] > 0
    assert files(elsewhere) > 0
    assert not (tmp_path / "wiseft_jax").exists()


def test_a_cache_that_cannot_be_written_is_said_and_done_without(tmp_path: Path):
    (tmp_path / "wiseft_jax").write_text("a file in the way")
    assert run(tmp_path)["directory"] is None


def test_several_processes_on_cpus_keep_none(tmp_path: Path):
    done = run_processes(2, PROGRAM, env={"XDG_CACHE_HOME": str(tmp_path)})
    for each in done:
        assert each.returncode == 0, each.stderr
        assert json.loads(each.stdout.splitlines()[-1])["directory"] is None
    assert files(tmp_path) == 0
