from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from wiseft_jax.core import writers
from wiseft_jax.core.errors import InputError


def test_a_write_creates_folders_and_leaves_nothing_else(tmp_path: Path):
    path = tmp_path / "a" / "b.txt"
    writers.write_text(path, "né\n")
    assert path.read_bytes() == "né\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail_halfway() -> None:
        with writers.atomic_open(path) as file:
            file.write(b"half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail_halfway()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_appears_only_at_the_end(tmp_path: Path):
    path = tmp_path / "file"
    with writers.atomic_open(path) as file:
        file.write(b"data")
        assert not path.exists()
    assert path.read_bytes() == b"data"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_the_mode_follows_the_umask(tmp_path: Path, umask: int, mode: int):
    old = os.umask(umask)
    try:
        writers.write_bytes(tmp_path / "file", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_json_ends_with_a_newline(tmp_path: Path):
    writers.write_json(tmp_path / "x.json", {"a": [1, 2]})
    text = (tmp_path / "x.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text) == {"a": [1, 2]}


def test_jsonl_appends_and_every_line_is_on_disk_at_once(tmp_path: Path):
    path = tmp_path / "logs" / "train.jsonl"
    with writers.JsonlWriter(path) as log:
        log.write({"step": 1})
        assert path.read_text() == '{"step": 1}\n'
    with writers.JsonlWriter(path) as log:
        log.write({"step": 2})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2]


def test_jsonl_refuses_writes_after_the_end(tmp_path: Path):
    with writers.JsonlWriter(tmp_path / "log.jsonl") as log:
        pass
    with pytest.raises(ValueError, match="closed"):
        log.write({})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_does_not_have_is_not_written(tmp_path: Path, value: float):
    path = tmp_path / "x.json"
    writers.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        writers.write_json(path, {"a": value})
    assert json.loads(path.read_text()) == {"a": 1}
    with writers.JsonlWriter(tmp_path / "log.jsonl") as log:
        with pytest.raises(ValueError, match="not JSON compliant"):
            log.write({"a": 1, "loss": value})
        log.write({"step": 1})
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1}\n'


def test_a_place_to_write_to_is_tried_and_left_as_it_was(tmp_path: Path):
    writers.check_writable(tmp_path)
    writers.check_writable(tmp_path / "not" / "yet" / "there")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_refuses_is_named_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"link/a: can't write there: .*link is a link to nothing"):
        writers.check_writable(tmp_path / "link" / "a")
    with pytest.raises(InputError, match=r"file/a: can't write there: .*file is a file"):
        writers.check_writable(tmp_path / "file" / "a")

    def refuse(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writers.tempfile, "TemporaryFile", refuse)
    with pytest.raises(InputError, match=r"can't write there .No space left on device.; make room"):
        writers.check_writable(tmp_path)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="Linux's /proc")
def test_a_file_system_without_room_for_files_is_refused():
    with pytest.raises(InputError, match="/proc/x: can't write there"):
        writers.check_writable("/proc/x")


def test_a_links_target_is_replaced_and_a_pipe_written_into(tmp_path: Path):
    target, link = tmp_path / "deep" / "real", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    writers.write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writers.write_text(pipe, "into the pipe")
    assert os.read(reader, 100) == b"into the pipe"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_what_a_file_system_refuses_names_the_path(tmp_path: Path):
    def full() -> None:
        with writers.atomic_open(tmp_path / "file"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as raised:
        full()
    assert raised.value.filename == str(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
