"""Google Cloud Storage on this machine: the part of its JSON API that checkpoints need.

One flat table of objects in memory, served over loopback; gcsfs, TensorStore and Google's own
client talk to it as to the real one. https://cloud.google.com/storage/docs/json_api/v1
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
import urllib.parse
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_TIME = "2026-01-01T00:00:00.000Z"


class Storage:
    """The objects of the one bucket, ``bucket``.

    Attributes:
      objects: Contents by name.
      address: ``http://127.0.0.1:PORT``.
      fail_writes: Refuse every upload, as a bucket without permission.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.address = ""
        self.fail_writes = False
        self.lock = threading.RLock()
        self._generations: dict[str, int] = {}
        self._uploads: list[str] = []

    def put(self, name: str, data: bytes) -> dict[str, Any]:
        with self.lock:
            self.objects[name] = data
            self._generations[name] = self._generations.get(name, 0) + 1
            return self.describe(name)

    def generation(self, name: str) -> int:
        return self._generations[name] if name in self.objects else 0

    def describe(self, name: str) -> dict[str, Any]:
        data = self.objects[name]
        return {
            "kind": "storage#object",
            "bucket": "bucket",
            "name": name,
            "id": f"bucket/{name}",
            "size": str(len(data)),
            "generation": str(self.generation(name)),
            "metageneration": "1",
            "timeCreated": _TIME,
            "updated": _TIME,
            "etag": base64.b64encode(str(zlib.crc32(data)).encode()).decode(),
        }

    def list(self, query: dict[str, str]) -> dict[str, Any]:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        low, high = query.get("startOffset", ""), query.get("endOffset")
        items, prefixes = [], set()
        for name in sorted(self.objects):
            if not name.startswith(prefix) or name < low or (high and name >= high):
                continue
            head, found, _ = name[len(prefix) :].partition(delimiter or "\0")
            if delimiter and found:
                prefixes.add(prefix + head + delimiter)
            else:
                items.append(self.describe(name))
        return {"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)}

    def begin_upload(self, name: str) -> str:
        self._uploads.append(name)
        return f"{self.address}/resume/{len(self._uploads) - 1}"

    def upload_name(self, number: int) -> str:
        return self._uploads[number]


@contextlib.contextmanager
def running_storage() -> Iterator[Storage]:
    """Serve a bucket while the block runs."""
    storage = Storage()
    handler = type("Handler", (_Handler,), {"storage": storage})
    server = _Server(("127.0.0.1", 0), handler)
    storage.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield storage
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a client may leave at any time."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage: Storage

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.storage.lock, contextlib.suppress(ConnectionError):  # a client may have left
            self._answer(*self._route(self.command, url.path, query, body))

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def _answer(self, code: int, data: Any = b"", headers: dict[str, str] | None = None) -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        kind = "application/octet-stream" if isinstance(data, bytes) else "application/json"
        self.send_response(code)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        if code != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if code != 204:
            self.wfile.write(body)

    def _route(self, command: str, path: str, query: dict[str, str], body: bytes) -> tuple:
        if path.startswith("/batch"):
            return self._batch(body)
        if path.startswith("/resume/"):
            name = self.storage.upload_name(int(path.split("/")[-1]))
            return 200, self.storage.put(name, body)
        if match := re.fullmatch(r"/upload/storage/v1/b/bucket/o", path):
            return self._upload(query, body)
        if re.fullmatch(r"/storage/v1/b/bucket", path):
            return 200, {"kind": "storage#bucket", "id": "bucket", "name": "bucket"}
        if re.fullmatch(r"/storage/v1/b/bucket/o/?", path):
            return 200, self.storage.list(query)
        if match := re.fullmatch(r"/(?:download/)?storage/v1/b/bucket/o/([^/]+)(.*)", path):
            return self._object(command, urllib.parse.unquote(match[1]), match[2], query)
        return 404, _error(404, f"no such thing: {path}")

    def _upload(self, query: dict[str, str], body: bytes) -> tuple:
        if self.storage.fail_writes:
            return 403, _error(403, "the caller may not write")
        kind, name = query["uploadType"], query.get("name")
        if kind == "multipart":
            boundary = self.headers["Content-Type"].split("boundary=")[1].strip("\"'").encode()
            _, about, content = body.split(b"--" + boundary)[:3]
            name = (
                name
                or json.loads(about.split(b"\r\n\r\n" if b"\r\n\r\n" in about else b"\n\n", 1)[1])[
                    "name"
                ]
            )
            mark = b"\r\n\r\n" if b"\r\n\r\n" in content else b"\n\n"
            body = content.split(mark, 1)[1]
            body = body.removesuffix(b"\r\n") if mark == b"\r\n\r\n" else body.removesuffix(b"\n")
        name = name or json.loads(body)["name"]
        if kind == "resumable":
            return 200, {}, {"Location": self.storage.begin_upload(name)}
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != self.storage.generation(name):
            return 412, _error(412, "another generation")
        return 200, self.storage.put(name, body)

    def _object(self, command: str, name: str, rest: str, query: dict[str, str]) -> tuple:
        objects = self.storage.objects
        if name not in objects:
            return 404, _error(404, f"no such object: {name}")
        if match := re.fullmatch(r"/(?:rewriteTo|copyTo)/b/bucket/o/([^/]+)", rest):
            found = self.storage.put(urllib.parse.unquote(match[1]), objects[name])
            return 200, {"done": True, "resource": found}
        if match := re.fullmatch(r"/moveTo/o/([^/]+)", rest):
            return 200, self.storage.put(urllib.parse.unquote(match[1]), objects.pop(name))
        if rest:
            return 404, _error(404, f"no such thing: {rest}")
        if command == "DELETE":
            del objects[name]
            return (204,)
        if query.get("alt") != "media":
            return 200, self.storage.describe(name)
        data = objects[name]
        facts = {"x-goog-generation": str(self.storage.generation(name))}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first, last = int(match[1]), min(int(match[2] or len(data) - 1), len(data) - 1)
            if first >= len(data):
                return 416, _error(416, "out of range")
            facts["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            return 206, data[first : last + 1], facts
        return 200, data, facts

    def _batch(self, body: bytes) -> tuple:
        """Several deletions in one request."""
        boundary = self.headers["Content-Type"].split("boundary=")[1].strip("\"'")
        answers = []
        for number, path in enumerate(re.findall(rb"DELETE (\S+)", body), 1):
            path = urllib.parse.urlsplit(path.decode()).path
            code, *_ = self._route("DELETE", path, {}, b"")
            answers.append(
                f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <response-{number}>"
                f"\r\n\r\nHTTP/1.1 {code} OK\r\nContent-Length: 0\r\n\r\n\r\n"
            )
        text = "".join([*answers, f"--{boundary}--"]).encode()
        return 200, text, {"Content-Type": f"multipart/mixed; boundary={boundary}"}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "errors": [{"message": message}]}}
