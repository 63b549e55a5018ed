"""Test session set-up: 8 CPU devices, rank promotion raises, no network, no cache of the user's."""

from __future__ import annotations

import collections
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any

os.environ["XLA_FLAGS"] = " ".join(
    {*os.environ.get("XLA_FLAGS", "").split(), "--xla_force_host_platform_device_count=8"}
)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["NO_COLOR"] = "1"
os.environ["MPLBACKEND"] = "agg"

import hypothesis
import jax
import jaxtyping
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
hypothesis.settings.register_profile("repository", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("repository")

TIERS = ("slow", "torch", "browser", "tpu_compile", "gcs")
"""The markers of the tests that the fast tier leaves out."""

_deselected: collections.Counter[str] = collections.Counter()
_real_connect = socket.socket.connect


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine."""

    def connect(self: socket.socket, address: object) -> None:
        local = isinstance(address, (str, bytes)) or (
            isinstance(address, tuple) and str(address[0]).startswith(("127.", "::1", "localhost"))
        )
        if not local:
            raise AssertionError(f"a test tried to reach the network: {address}")
        _real_connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point the program's cache at a directory of the test session, for fixtures too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def untouched_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take back what the command line set for its process, in an earlier test or fixture."""
    monkeypatch.delenv("WISEFT_NO_CACHE", raising=False)
    logger = logging.getLogger("wiseft_jax")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


@pytest.fixture
def no_type_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the runtime type checks off, to hand the program what its types forbid."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count by tier what isn't run."""
    for item in items:
        _deselected.update(tier for tier in TIERS if item.get_closest_marker(tier))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's counts to the process that prints the summary."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["deselected_tiers"] = dict(_deselected)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over a worker's counts; all workers collect the same tests."""
    for tier, count in getattr(node, "workeroutput", {}).get("deselected_tiers", {}).items():
        _deselected[tier] = max(_deselected[tier], count)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say by name which tiers were left out, and how many tests each."""
    if _deselected:
        counts = ", ".join(f"{tier} {_deselected[tier]}" for tier in TIERS if _deselected[tier])
        terminalreporter.write_line(f"deselected: {counts} (scripts/test_all.sh runs them)")
