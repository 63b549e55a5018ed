"""One process fails, all end, and each says why: a line of TCP beside JAX's own connections.

JAX's coordination service ends the others of a process that died, but only after a heartbeat
timeout, and without its message; of a process that waits on an exception it knows nothing. So every
process holds a connection to process 0 (the hub) while it works. A failure goes to the hub as one
line of JSON and from there to everybody; a connection that breaks without a farewell is a process
that was killed. Whoever hears of a failure prints it and leaves at once by ``os._exit``: a normal
exit would wait for the dead.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import secrets
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from wiseft_jax.core.errors import EXIT_INTERNAL, EXIT_INTERRUPTED

logger = logging.getLogger(__name__)

CONNECT_SECS = 5.0
LINGER_SECS = 5.0
"""How long to wait until the others have read a message."""
_LONGEST = 2**16
_DIED = "ended without a message (killed, or out of memory?)"


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a process ends.

    Attributes:
      process: Its index.
      host: Its host's name.
      code: The exit code, for all.
      message: What it said.
    """

    process: int
    host: str
    code: int
    message: str

    def sentence(self, count: int) -> str:
        """Return what every process prints, ``count`` being how many there are."""
        what = "interrupted" if self.code == EXIT_INTERRUPTED else "error"
        return f"wiseft: {what}: process {self.process} of {count} ({self.host}): {self.message}"


@dataclasses.dataclass(frozen=True)
class Invitation:
    """What process 0 tells the others, over JAX: where its hub listens, and the password.

    Attributes:
      hosts: Names and addresses to try, in order.
      port: The port.
      token: What a connection must begin with.
    """

    hosts: tuple[str, ...]
    port: int
    token: str

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Invitation:
        """Return what ``to_json`` described."""
        return cls(tuple(value["hosts"]), int(value["port"]), str(value["token"]))


class _Line:
    """A socket that carries JSON objects, one a line."""

    def __init__(self, connection: socket.socket, peer: int = -1, host: str = "?") -> None:
        self.socket = connection
        self.peer, self.host = peer, host
        self.left = False
        self._buffer = b""
        connection.settimeout(LINGER_SECS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def send(self, value: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the other end is gone: its end is noticed by reading
            self.socket.sendall(json.dumps(value).encode() + b"\n")

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the messages that have come; None at the end of the connection."""
        try:
            data = self.socket.recv(_LONGEST)
        except OSError:
            return None
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        if not data or len(self._buffer) > _LONGEST:
            return None
        try:
            messages = [json.loads(line) for line in lines]
        except ValueError:
            return None
        return messages if all(isinstance(message, dict) for message in messages) else None

    def first(self) -> list[dict[str, Any]]:
        """Return the messages up to and with the one that comes first; none if none comes."""
        deadline = time.monotonic() + CONNECT_SECS
        while time.monotonic() < deadline:
            messages = self.receive()
            if messages is None:
                break
            if messages:
                return messages
        return []

    def say_no_more(self) -> None:
        """Tell the other end that nothing more will come."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def wait_for_end(self, deadline: float) -> None:
        """Wait until the other end says no more."""
        with contextlib.suppress(OSError):  # this end was closed meanwhile
            while (left := deadline - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if self.receive() is None:
                    return

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # ends a read in another thread, too
        self.socket.close()


class Alarm:
    """This process's end of the line; ``Alarm.open`` makes it.

    Args:
      index: This process.
      count: How many there are.
      on_failure: What to do about a failure, its own or another's: print and leave.
    """

    def __init__(
        self, index: int, count: int, on_failure: Callable[[Failure, int], None] | None = None
    ) -> None:
        self.index, self.count = index, count
        self.host = socket.gethostname()
        self._on_failure = on_failure or end_process
        self._lines: dict[int, _Line] = {}
        self._listener: socket.socket | None = None
        self._token = ""
        self._leaving = False
        self._lock = threading.Lock()
        self._told = False

    def invite(self, coordinator_host: str | None = None) -> Invitation:
        """Open the hub, in process 0; its thread answers from now on."""
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        self._listener = socket.create_server(
            ("", 0), family=family, dualstack_ipv6=dual, backlog=self.count
        )
        self._token = secrets.token_hex(16)
        threading.Thread(target=self._serve, name="alarm", daemon=True).start()
        port = self._listener.getsockname()[1]
        return Invitation(_own_addresses(coordinator_host), port, self._token)

    def answer(self, invitation: Invitation) -> bool:
        """Connect to the hub, in the other processes; return whether it could be reached.

        Without it the program works, but a failure ends it later and less clearly.
        """
        if self.index == 0:
            return True
        for host in invitation.hosts:
            with contextlib.suppress(OSError):
                connection = socket.create_connection((host, invitation.port), CONNECT_SECS)
                line = _Line(connection, peer=0, host=host)
                line.send({"token": invitation.token, "process": self.index, "host": self.host})
                answers = line.first()
                if answers and "welcome" in answers[0]:
                    line.host = str(answers[0]["welcome"])
                    self._lines[0] = line
                    line.socket.settimeout(None)
                    threading.Thread(
                        target=self._listen, args=(line, answers[1:]), name="alarm", daemon=True
                    ).start()
                    return True
                line.close()
        logger.warning(
            "process 0 can't be reached at port %d of %s: when a host fails, the others will notice"
            " by JAX's heartbeat alone, without its message",
            invitation.port,
            " or ".join(invitation.hosts),
        )
        return False

    def raise_failure(self, code: int, message: str) -> None:
        """End all processes: tell them, wait a moment until they have heard, and leave."""
        self._spread(Failure(self.index, self.host, code, message[: _LONGEST // 4]))

    def leave(self) -> None:
        """Say farewell: from now on, the end of a connection is no failure."""
        self._leaving = True
        for line in list(self._lines.values()):
            line.send({"farewell": True})

    def close(self) -> None:
        """Hang up; the others take it for the end of this process, unless it said farewell."""
        with self._lock:
            self._told = True  # whoever hangs up because this process did is no news for others
        for line in list(self._lines.values()):
            line.close()
        if self._listener is not None:
            self._listener.close()

    def _spread(self, failure: Failure) -> None:
        with self._lock:
            told, self._told = self._told, True
        if told:
            return
        # Process 0 tells everybody; another one process 0, if the failure is its own.
        others = [line for peer, line in list(self._lines.items()) if peer != failure.process]
        if self.index != 0 and failure.process != self.index:
            others = []
        for line in others:
            line.send({"failure": dataclasses.asdict(failure)})
            line.say_no_more()
        deadline = time.monotonic() + LINGER_SECS
        for line in others:
            line.wait_for_end(deadline)
        self._on_failure(failure, self.count)

    def _listen(self, line: _Line, messages: list[dict[str, Any]]) -> None:
        """Hear what the hub says, in a thread of the other processes."""
        heard: list[dict[str, Any]] | None = messages
        while self._hear(line, heard):
            heard = line.receive()

    def _hear(self, line: _Line, messages: list[dict[str, Any]] | None) -> bool:
        """Act on what came on a line (None: its end); return whether there may be more."""
        for message in messages or ():
            if "failure" in message:
                self._spread(Failure(**message["failure"]))
            line.left = line.left or "farewell" in message
        if messages is not None:
            return True
        if not (line.left or self._leaving):
            self._spread(Failure(line.peer, line.host, EXIT_INTERNAL, _DIED))
        return False

    def _serve(self) -> None:
        """Take connections, and hear every process, in a thread of process 0."""
        assert self._listener is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._listener:
                        line = self._admit()
                        if line is not None:
                            with contextlib.suppress(ValueError, OSError):  # hung up meanwhile
                                selector.register(line.socket, selectors.EVENT_READ, line)
                    elif not self._hear(key.data, key.data.receive()):
                        selector.unregister(key.fileobj)

    def _admit(self) -> _Line | None:
        """Return a new connection that knows the password and who it is."""
        assert self._listener is not None
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            line = _Line(connection)
            hello = next(iter(line.first()), {})
            peer = hello.get("process")
            token = str(hello.get("token")).encode()
            right = secrets.compare_digest(token, self._token.encode())
            if right and isinstance(peer, int) and 0 < peer < self.count:
                line.peer, line.host = peer, str(hello.get("host"))
                self._lines[peer] = line
                line.send({"welcome": self.host})
                return line
            line.close()
        return None


def end_process(failure: Failure, count: int) -> None:
    """Print why, and end this process at once; never returns."""
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar may have hidden it
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{cursor}{failure.sentence(count)}\n")
        sys.stderr.flush()
    os._exit(failure.code)


def _own_addresses(coordinator_host: str | None) -> tuple[str, ...]:
    """Return names and addresses by which other hosts may reach this one."""
    name = socket.gethostname()
    found = [name]
    with contextlib.suppress(OSError):
        found += [str(info[4][0]) for info in socket.getaddrinfo(name, None)]
    if coordinator_host is not None:
        return tuple(dict.fromkeys([coordinator_host, *found]))
    # The address towards the outside; connecting a datagram socket sends nothing.
    with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        found.append(probe.getsockname()[0])
    return tuple(dict.fromkeys(found))
