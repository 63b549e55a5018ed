"""The runs and studies under a directory, and what else is there: nothing is passed over."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path

from wiseft_jax.core.errors import InputError, missing_path
from wiseft_jax.core.run_summary import STUDY_FILE, Summary, is_ours, summarise

_LOCKS = Path("/proc/locks")
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"
"""In place of what would break a line, a terminal, or an encoding."""
_PLACE = re.compile(r" ([0-9a-f]+):([0-9a-f]+):([0-9]+) ")


@dataclasses.dataclass(frozen=True)
class Found:
    """What is under a directory.

    Attributes:
      summaries: One for each directory, by path.
      deeper: Directories that weren't looked into, as they lie deeper than asked for.
    """

    summaries: list[Summary]
    deeper: list[str]


def find_runs(root: Path, depth: int = 3) -> Found:
    """Return the runs, studies and exported models in a directory.

    What lies inside a run or a model is part of it. A study is listed, and then its runs. A
    directory in which nothing of this program is found is listed too, as foreign, once: not those
    within it. Each directory counts once, however many links lead to it; names that begin with a
    dot don't count.

    Args:
      root: Where to look; it may be a run itself.
      depth: How many levels below it to look at.

    Raises:
      InputError: If there is no such directory, or it can't be read.
    """
    search = _Search(root)
    try:
        if not root.exists():
            raise missing_path(root, "directory")
        if not root.is_dir():
            raise InputError(f"{root}: expected a directory with runs, found a file")
        found = search.look(root, depth)
    except OSError as error:
        raise InputError(f"{root}: can't be read ({error.strerror}); see its permissions") from None
    return Found(sorted(found, key=lambda each: each.path), sorted(search.deeper))


class _Search:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._held = held_directories()
        self._seen: set[tuple[int, int]] = set()
        self.deeper: list[str] = []

    def look(self, path: Path, depth: int) -> list[Summary]:
        """Return what is at and under a directory."""
        status = path.stat()
        place = (status.st_dev, status.st_ino)
        if place in self._seen:
            return []
        self._seen.add(place)
        if is_ours(path):
            own = summarise(path, self._shown(path), held=place in self._held)
            below = path / "runs"
            is_study = (path / STUDY_FILE).is_file() and below.is_dir()
            return [own, *(self._inside(below, depth) if is_study else ())]
        before = len(self.deeper)
        found = list(self._inside(path, depth))
        nothing = found and all(each.state == "foreign" for each in found)
        if nothing and len(self.deeper) == before and path != self._root:
            return [Summary(self._shown(path), "other", "foreign", "nothing of this program in it")]
        return found

    def _inside(self, path: Path, depth: int) -> Iterator[Summary]:
        try:
            names = sorted(entry.name for entry in os.scandir(path) if _is_directory(entry))
        except OSError as error:
            yield Summary(self._shown(path), "other", "damaged", f"can't be read: {error.strerror}")
            return
        if not names and path != self._root:
            yield Summary(self._shown(path), "other", "foreign", "no run: no config.json in it")
        if names and depth == 0:
            self.deeper.append(self._shown(path))
            return
        for name in names:
            try:
                yield from self.look(path / name, depth - 1)
            except OSError as error:
                why = f"can't be read: {error.strerror}"
                yield Summary(self._shown(path / name), "other", "damaged", why)

    def _shown(self, path: Path) -> str:
        text = path.relative_to(self._root).as_posix()
        return "".join(each if each.isprintable() else _UNPRINTABLE for each in text)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and not entry.name.startswith(".")
    except OSError:
        return True  # it is told why it can't be read


def held_directories() -> set[tuple[int, int]]:
    """Return ``(device, inode)`` of what programs of this host hold by ``flock``; Linux only.

    Runs that another host is at work on aren't among them.
    """
    try:
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return set()
    places = [_PLACE.search(line) for line in lines if " FLOCK " in line]
    return {
        (os.makedev(int(place[1], 16), int(place[2], 16)), int(place[3]))
        for place in places
        if place
    }
