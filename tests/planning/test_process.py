"""The planning process: which method, in which environment, and what its failures become."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.planning import process
from wiseft_jax.planning.process import ask, choose_method
from wiseft_jax.planning.request import PlanRequest
from wiseft_jax.planning.topology import parse_topology

REQUEST = PlanRequest(ExperimentConfig(), "cpu:2", 100, 3, ("train",), "abstract")


@pytest.fixture
def libtpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(present: bool) -> None:
        found = importlib.util.find_spec("json") if present else None
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)

    return install


@pytest.mark.parametrize(
    ("asked", "topology", "present", "method", "why"),
    [
        ("auto", "v5e:2x2", True, "compile", "libtpu is installed"),
        ("auto", "v5e:2x2", False, "abstract", "pip install 'wiseft-jax[tpu]'"),
        ("auto", "h100:8", True, "abstract", "no compiler for an absent GPU"),
        ("auto", "cpu:8", True, "abstract", "no compiler for an absent CPU"),
        ("abstract", "v5e:2x2", True, "abstract", "asked for"),
        ("compile", "cpu:8", False, "compile", "asked for"),
    ],
)
def test_the_method_is_chosen_and_explained(
    libtpu: Any, asked: Any, topology: str, present: bool, method: str, why: str
):
    libtpu(present)
    chosen, reason = choose_method(asked, parse_topology(topology))
    assert chosen == method
    assert why in reason


@pytest.mark.parametrize(("topology", "said"), [("v5e:2x2", r"\[tpu\]"), ("h100:8", "abstract")])
def test_a_compile_that_cannot_be_is_refused(libtpu: Any, topology: str, said: str):
    libtpu(False)
    with pytest.raises(InputError, match=said):
        choose_method("compile", parse_topology(topology))


def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    """Run ``text`` in place of Python with the worker, as a process of its own."""
    script = tmp_path / "stand_in"
    script.write_text(f"#!{sys.executable}\nimport os, sys, time, json\n{text}\n")
    script.chmod(0o700)
    monkeypatch.setattr(process.sys, "executable", str(script))


def test_stages_are_shown_and_the_answers_returned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    stand_in(
        monkeypatch,
        tmp_path,
        "request = json.load(sys.stdin)\n"
        "print(json.dumps({'stage': 'train: tracing'}), flush=True)\n"
        "print('words of a library', flush=True)\n"
        "time.sleep(0.5)\n"
        "value = [request['topology'], os.environ['XLA_FLAGS'], os.environ['JAX_PLATFORMS']]\n"
        "print(json.dumps({'answer': 'train', 'value': value}))",
    )
    monkeypatch.setattr(process, "REPORT_SECS", 0.1)
    with caplog.at_level(logging.INFO):
        answers = ask(REQUEST)
    flags = "--xla_force_host_platform_device_count=2"
    assert answers == {"train": ["cpu:2", flags, "cpu"]}
    assert "train: tracing" in caplog.text
    assert "still train: tracing" in caplog.text


def test_a_users_mistake_is_bad_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    stand_in(
        monkeypatch,
        tmp_path,
        "sys.stdin.read(); print(json.dumps({'error': 'mesh: wrong'})); sys.exit(2)",
    )
    with pytest.raises(InputError, match="mesh: wrong"):
        ask(REQUEST)


def test_a_crash_ends_with_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    stand_in(monkeypatch, tmp_path, "sys.stdin.read(); raise SystemError('the compiler fell over')")
    with pytest.raises(RuntimeError, match=r"code 1:(.|\n)*the compiler fell over"):
        ask(REQUEST)


def test_an_interruption_kills_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    pid_file = tmp_path / "pid"
    stand_in(
        monkeypatch,
        tmp_path,
        f"sys.stdin.read(); open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n"
        "print(json.dumps({'stage': 'compiling'}), flush=True); time.sleep(60)",
    )

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(process.logger, "info", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ask(REQUEST)
    assert not Path(f"/proc/{pid_file.read_text()}").exists()
