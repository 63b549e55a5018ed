"""Who listens at the address where processes meet: nobody, another program, a coordinator."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.helpers.processes import free_port
from wiseft_jax.core import coordinator
from wiseft_jax.core.errors import InputError

SETTINGS = b"\0\0\0\4\0\0\0\0\0"
"""The shortest greeting of an HTTP/2 server."""


@contextlib.contextmanager
def listening(greeting: bytes) -> Iterator[str]:
    """Yield the address of a server that says ``greeting`` to whoever connects, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(greeting)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_free_port_may_be_used_and_a_taken_one_is_named() -> None:
    coordinator.check_free(f"localhost:{free_port()}")
    with listening(b"") as address:
        port = address.split(":")[1]
        with pytest.raises(InputError, match=rf"{address}: port {port} is taken: process 0 can't"):
            coordinator.check_free(address)


def test_a_port_that_may_not_be_used_is_not_called_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied (while attempting to bind)")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(
        InputError, match=r"process 0 can't listen there \(Permission denied\);"
    ) as e:
        coordinator.check_free("localhost:80")
    assert "taken" not in str(e.value)


def test_whoever_binds_elsewhere_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_COORDINATOR_BIND_ADDRESS", "127.0.0.1:9")
    with listening(b"") as address:
        coordinator.check_free(address)


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0", b"HTTP/1.1 400 Bad Request\r\n"])
def test_another_program_is_told_from_a_coordinator(greeting: bytes) -> None:
    with listening(greeting) as address:
        assert "is taken: another program" in coordinator.find_trouble(address, {})


def test_a_coordinator_is_recognised_and_a_proxy_that_may_be_in_its_way_named() -> None:
    with listening(SETTINGS) as address:
        assert "a process 0 listens there" in coordinator.find_trouble(address, {})
        found = coordinator.find_trouble(address, {"HTTP_PROXY": "http://proxy:3128"})
        assert "HTTP_PROXY may send" in found
        assert "add 127.0.0.1 to no_proxy" in found


def test_nobody_and_a_host_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing listens there" in coordinator.find_trouble(f"127.0.0.1:{free_port()}", {})

    def unknown(*args: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    found = coordinator.find_trouble("nowhere:1", {})
    assert found == "the name of host 'nowhere' can't be resolved (Name or service not known)"


@pytest.mark.parametrize(("greeting", "told"), [(b"SSH-2.0", True), (SETTINGS, False)])
def test_the_watch_tells_of_another_program_alone(
    greeting: bytes, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "PROBE_SECS", 0.05)
    monkeypatch.setattr(coordinator, "TAKEN_SECS", 0.1)
    found: list[str] = []
    heard, over = threading.Event(), threading.Event()

    def hear(trouble: str) -> None:
        found.append(trouble)
        heard.set()

    with listening(greeting) as address:
        coordinator.watch_for_another(address, hear, over)
        assert heard.wait(10 if told else 1) == told
        over.set()
    assert ["is taken: another program" in each for each in found] == [True] * told
