"""What is found under a directory: everything, once, and what isn't looked into."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from tests.helpers.stored_runs import write_run
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.found_runs import find_runs, held_directories
from wiseft_jax.core.run_lock import hold
from wiseft_jax.core.writers import write_json


def states(root: Path, depth: int = 3) -> dict[str, str]:
    return {each.path: each.state for each in find_runs(root, depth).summaries}


def test_everything_is_found_once(tmp_path: Path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "more" / "b")
    (tmp_path / "more" / "notes").mkdir()
    (tmp_path / "photos" / "2024" / "may").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "again").symlink_to(tmp_path / "a")
    (tmp_path / "more" / "up").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a" / "merged").mkdir()
    write_json(tmp_path / "a" / "merged" / "wiseft.json", {"alpha": 0.5})
    assert states(tmp_path) == {
        "a": "finished",
        "more/b": "finished",
        "more/notes": "foreign",
        "photos": "foreign",
    }


def test_a_study_and_its_runs_at_any_depth_and_a_run_itself(tmp_path: Path):
    base = {"name": "g", "training": {"recipe": "end_to_end"}}
    write_json(tmp_path / "grid" / "study.json", {"base": base, "fields": [], "data": {}})
    write_run(tmp_path / "grid" / "runs" / "000-x")
    assert states(tmp_path) == {"grid": "interrupted", "grid/runs/000-x": "finished"}
    assert states(tmp_path / "grid" / "runs" / "000-x") == {".": "finished"}


def test_what_lies_deeper_is_named(tmp_path: Path):
    write_run(tmp_path / "1" / "2" / "3" / "run")
    found = find_runs(tmp_path, 2)
    assert found.summaries == []
    assert found.deeper == ["1/2"]
    assert states(tmp_path, 4) == {"1/2/3/run": "finished"}


def test_a_run_at_work_is_told(tmp_path: Path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    with hold(tmp_path / "a"):
        if not held_directories():
            pytest.skip("this system doesn't list its locks in /proc/locks")
        assert states(tmp_path) == {"a": "running", "b": "finished"}


def test_no_directory(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="no such directory"):
        find_runs(tmp_path / "none")
    with pytest.raises(InputError, match="expected a directory with runs, found a file"):
        find_runs(tmp_path / "file")
    assert states(tmp_path) == {}


def test_names_that_no_text_can_hold_are_shown(tmp_path: Path):
    (tmp_path / os.fsdecode(b"a\xff")).mkdir()
    (tmp_path / "b\x1b[1m").mkdir()
    assert [*states(tmp_path)] == ["a\ufffd", "b\ufffd[1m"]


def test_directories_that_cannot_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_run(tmp_path / "a")
    (tmp_path / "barred").mkdir()
    scan = os.scandir

    def scandir(path: Path):
        if Path(path).name == "barred":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert states(tmp_path) == {"a": "finished", "barred": "damaged"}
    monkeypatch.setattr(Path, "stat", lambda *_, **__: scandir(tmp_path / "barred"))
    with pytest.raises(InputError, match=r"barred: can't be read \(Permission denied\)"):
        find_runs(tmp_path / "barred")


def test_a_thousand_runs_take_seconds(tmp_path: Path):
    run = write_run(tmp_path / "0")
    files = ("config.json", "results.jsonl", "selection.json")
    contents = {name: (run.path / name).read_bytes() for name in files}
    for index in range(1, 1000):
        (tmp_path / f"{index}").mkdir()
        for name, content in contents.items():
            (tmp_path / f"{index}" / name).write_bytes(content)
    start = time.process_time()
    assert len(find_runs(tmp_path).summaries) == 1000
    assert time.process_time() - start < 10
