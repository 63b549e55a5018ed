"""Test session set-up: 8 CPU devices, rank promotion raises, no network, no caches of the user's."""

from __future__ import annotations

import os
import socket

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["NO_COLOR"] = "1"

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")

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


@pytest.fixture(autouse=True)
def private_cache(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Point the program's cache at a directory of the test session."""
    root = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(root))
