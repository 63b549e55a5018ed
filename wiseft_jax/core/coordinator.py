"""The address where processes meet: whether process 0 can listen there, and who does already."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping

from wiseft_jax.core.errors import InputError

PROBE_SECS = 5.0
"""How long a probe waits for an answer, and between two probes."""

TAKEN_SECS = 30.0
"""How long another program must have answered; a coordinator on a busy host may be slow."""

_FRAME_HEADER = 9
_SETTINGS = b"\x04"
"""Type of the frame with which every HTTP/2 server, gRPC's too, begins (RFC 9113, 3.4 and 6.5)."""

_ANOTHER = "another program listens there"


def check_free(coordinator: str) -> None:
    """Refuse, in process 0, an address that it can't listen at: JAX may crash there.

    Args:
      coordinator: ``HOST:PORT``.

    Raises:
      InputError: Says whether the port is taken.
    """
    if "JAX_COORDINATOR_BIND_ADDRESS" in os.environ:
        return
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    port = int(coordinator.rpartition(":")[2])
    try:
        socket.create_server(("", port), family=family, dualstack_ipv6=dual).close()
    except OSError as error:
        code = error.errno or 0
        why = f"{_ANOTHER} already" if code == errno.EADDRINUSE else os.strerror(code)
        taken = f"port {port} is taken: " if code == errno.EADDRINUSE else ""
        raise InputError(
            f"distributed.coordinator {coordinator}: {taken}process 0 can't listen there ({why});"
            " give another port, the same to all processes"
        ) from None


def find_trouble(coordinator: str, environment: Mapping[str, str] | None = None) -> str:
    """Return what a process that waits sees at the coordinator's address, for a message.

    Args:
      coordinator: ``HOST:PORT``.
      environment: Environment variables; those of this process by default.
    """
    host, _, port = coordinator.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PROBE_SECS) as connection:
            if not _begins_as_http2(connection):
                return f"port {port} is taken: {_ANOTHER}, and it isn't process 0"
    except socket.gaierror as error:
        return f"the name of host {host!r} can't be resolved ({error.strerror})"
    except ConnectionRefusedError:
        return (
            "nothing listens there: process 0 wasn't started, or it has ended (it says why), or it"
            " is on another host"
        )
    except OSError as error:
        return f"it can't be reached from here ({error.strerror or error})"
    proxies = [
        name
        for name in sorted(os.environ if environment is None else environment)
        if name.lower() in ("grpc_proxy", "https_proxy", "http_proxy")
    ]
    if proxies:
        return (
            f"process 0 listens there, but {', '.join(proxies)} may send JAX's connections"
            f" elsewhere: add {host} to no_proxy"
        )
    return "a process 0 listens there, so others are missing, or it is another program's"


def is_taken(trouble: str) -> bool:
    """Return whether what ``find_trouble`` returned says that another program has the port."""
    return _ANOTHER in trouble


def watch_for_another(
    coordinator: str, found: Callable[[str], None], over: threading.Event
) -> None:
    """Call ``found`` once another program has held the port for a while; returns at once.

    Args:
      coordinator: ``HOST:PORT``.
      found: Gets what ``find_trouble`` said, in another thread.
      over: Ends the watch when it is set.
    """

    def watch() -> None:
        since: float | None = None
        while not over.wait(PROBE_SECS):
            trouble = find_trouble(coordinator)
            if not is_taken(trouble):
                since = None
                continue
            since = time.monotonic() if since is None else since
            if time.monotonic() - since >= TAKEN_SECS and not over.is_set():
                found(trouble)
                return

    threading.Thread(target=watch, name="coordinator", daemon=True).start()


def _begins_as_http2(connection: socket.socket) -> bool:
    """Return whether the other end greets with the frame that an HTTP/2 server begins with."""
    connection.settimeout(PROBE_SECS)
    greeting = b""
    with contextlib.suppress(OSError):
        while len(greeting) < _FRAME_HEADER:
            received = connection.recv(_FRAME_HEADER - len(greeting))
            if not received:
                break
            greeting += received
    return len(greeting) == _FRAME_HEADER and greeting[3:4] == _SETTINGS
