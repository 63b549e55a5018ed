"""The test session does what ``conftest.py`` says."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from tests.structure.source_tree import ROOT
from wiseft_jax.cli.common import CommonOptions
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.preprocess import Preprocess


def test_there_are_eight_devices():
    assert jax.device_count() == 8
    assert jax.default_backend() == "cpu"


def test_rank_promotion_raises():
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 2)) + jnp.ones(2)


def test_warnings_are_errors():
    with pytest.raises(UserWarning, match="loud"):
        warnings.warn("loud", UserWarning, stacklevel=1)


def test_the_network_is_refused():
    with socket.socket() as one, pytest.raises(AssertionError, match="reach the network"):
        one.connect(("192.0.2.1", 80))


def test_shapes_are_checked():
    with pytest.raises(jaxtyping.TypeCheckError):
        Accuracy.of(np.zeros((2, 2), bool))
    with pytest.raises(jaxtyping.TypeCheckError):
        Preprocess(size="large")  # type: ignore[arg-type]
    Preprocess(mean=(0, 0, 0))


def test_type_checks_can_be_switched_off(no_type_checks: None):
    assert Preprocess(size="large").size == "large"  # type: ignore[arg-type]


@pytest.mark.parametrize("time", ["first", "second"])
def test_the_command_line_leaves_no_trace(time: str):
    logger = logging.getLogger("wiseft_jax")
    assert logger.propagate
    assert logger.handlers == []
    assert "WISEFT_NO_CACHE" not in os.environ
    CommonOptions(quiet=True, cache=False).apply()
    assert not logger.propagate


@pytest.fixture(scope="session")
def cache_in_a_session_fixture() -> str:
    return os.environ["XDG_CACHE_HOME"]


def test_the_cache_is_private(
    cache_in_a_session_fixture: str, tmp_path_factory: pytest.TempPathFactory
):
    assert os.environ["XDG_CACHE_HOME"] == cache_in_a_session_fixture
    assert Path(cache_in_a_session_fixture).is_relative_to(tmp_path_factory.getbasetemp())


def test_left_out_tiers_are_counted_by_name(tmp_path: Path):
    """A session of its own, with the same hooks; the count comes from a worker process."""
    conftest = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "test_marked.py").write_text(
        "import pytest\n"
        "@pytest.mark.slow\ndef test_a(): pass\n"
        "@pytest.mark.slow\ndef test_b(): pass\n"
        "@pytest.mark.torch\ndef test_c(): pass\n"
        "def test_d(): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
    command += ["--rootdir", str(tmp_path), "-n", "1", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "deselected: slow 2, torch 1 (scripts/test_all.sh runs them)" in done.stdout
    assert "1 passed" in done.stdout.splitlines()[-1]
