"""The directory of a study of hyper-parameters: what it is of, its runs, one row for each.

``study.json`` says which configuration is varied and which fields vary; ``runs.jsonl`` has a row
for each finished run, whose directory lies under ``runs/``. No path in it is absolute, so it can be
moved.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from wiseft_jax.core.config_io import flat, read_json, to_dict
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory, versions
from wiseft_jax.core.writers import write_json, write_text
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.studies.grid_config import Variation, decides

SCHEMA_VERSION = 1


class RunRow(TypedDict):
    """One run of a study.

    ``key`` is the hash of what decides its result, ``config_hash`` that of its whole configuration;
    ``varied`` has the dotted fields of the study with their values; ``run`` is its directory,
    relative to the study's. ``selection`` is ``Selection.facts()``. ``sets`` has for each dataset
    ``dataset``, ``split``, ``role``, ``n``, and by name (``zero_shot``, ``constant`` (0.5),
    ``chosen``, ``fine_tuned``, ``best``) ``alpha``, ``value`` and its 95 % interval, as far as they
    are on the grid; ``best`` is the best there, an oracle. ``wall_secs`` is of the last call, for a
    run that was ``resumed`` of the rest alone. A run whose loss became infinite has ``failed``, the
    reason, and neither ``selection`` nor ``sets``.
    """

    schema: int
    index: int
    key: str
    config_hash: str
    varied: dict[str, Any]
    run: str
    wall_secs: float
    resumed: bool
    selection: NotRequired[dict[str, Any]]
    sets: NotRequired[list[dict[str, Any]]]
    failed: NotRequired[str]


_REQUIRED = ("schema", "index", "key", "config_hash", "varied", "run")


@dataclasses.dataclass(frozen=True)
class StudyDirectory:
    """The files of one study.

    Attributes:
      path: The directory.
    """

    path: Path

    @property
    def study_file(self) -> Path:
        """Which configuration is varied, which fields vary, on which data, by which calls."""
        return self.path / "study.json"

    @property
    def rows_file(self) -> Path:
        """A row for each finished run."""
        return self.path / "runs.jsonl"

    @property
    def runs_path(self) -> Path:
        """Where the run directories are."""
        return self.path / "runs"

    @property
    def table_file(self) -> Path:
        """The tables in Markdown."""
        return self.path / "grid.md"

    @property
    def facts_file(self) -> Path:
        """The same numbers, and more, as JSON."""
        return self.path / "grid.json"

    @property
    def picture_file(self) -> Path:
        """The picture (PNG; the SVG lies beside it)."""
        return self.path / "grid.png"

    def check(self, base: ExperimentConfig, fields: Sequence[str], *, resume: bool) -> None:
        """Refuse what can't be a study here, and change nothing.

        Args:
          base: The configuration that is varied.
          fields: Dotted names of the fields that vary.
          resume: Whether a study that is here may go on, with more values if there are.

        Raises:
          InputError: If the directory holds something else, a study without ``resume``, or a study
            of another configuration (what differs is named).
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: expected a directory, found a file; give another --out")
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return
        if not self.study_file.is_file():
            raise InputError(
                f"{self.path}: the directory isn't empty and holds no study (there is no"
                f" {self.study_file.name}); give another --out"
            )
        if not resume:
            raise InputError(
                f"{self.path}: there is a study; continue it, or extend it with other values, with"
                " --resume, or give another --out"
            )
        self._check_same(base, fields)

    def _check_same(self, base: ExperimentConfig, fields: Sequence[str]) -> None:
        stored = self.read_study()
        old, new = flat(stored["base"]), flat(to_dict(base))
        varied = {*stored["fields"], *fields}
        differing = [
            f"{name} ({old.get(name)!r} -> {new.get(name)!r})"
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name) and name not in varied and decides(name)
        ]
        if differing:
            raise InputError(
                f"{self.path}: the study there is of another configuration; these differ:"
                f" {', '.join(differing)}. Give the same options (to compare their values, name"
                " them in --vary), or another --out"
            )

    def prepare(
        self,
        base: ExperimentConfig,
        fields: Sequence[str],
        identity: Mapping[str, Any],
        command: str = "",
    ) -> None:
        """Write what the study is of; fields and commands of earlier calls stay among them.

        Args:
          base: The configuration that is varied.
          fields: Dotted names of the fields that vary.
          identity: What tells its data from others.
          command: The call, for the page.

        Raises:
          InputError: If the data aren't those of the study that is there; no room.
        """
        known = dict.fromkeys(fields)
        commands = dict.fromkeys([command] if command else [])
        if self.study_file.is_file():
            stored = self.read_study()
            self._check_same_data(stored["data"], identity)
            known = dict.fromkeys([*stored["fields"], *fields])
            commands = dict.fromkeys([*stored.get("commands", []), *commands])
        facts = {
            "schema": SCHEMA_VERSION,
            "base": to_dict(base),
            "fields": list(known),
            "data": dict(identity),
            "commands": list(commands),
            "versions": versions(),
        }
        try:
            self.runs_path.mkdir(parents=True, exist_ok=True)
            write_json(self.study_file, facts)
        except OSError as error:
            raise InputError(f"{self.path}: can't write there ({error.strerror})") from None

    def _check_same_data(self, stored: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
        if json.loads(json.dumps(identity)) == stored:
            return
        old, new = flat(dict(stored)), flat(dict(identity))
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        raise InputError(
            f"{self.path}: the data are not those of the study there ({', '.join(changed)} differ);"
            " all its models must be compared on the same images. Start another study"
        )

    def read_study(self) -> dict[str, Any]:
        """Return the content of ``study.json``.

        Raises:
          InputError: If it isn't there, is damaged, or of a newer version.
        """
        stored = read_json(self.study_file)
        if not isinstance(stored, dict) or not {"base", "fields", "data"} <= stored.keys():
            raise InputError(f"{self.study_file}: not the description of a study")
        if stored.get("schema", 0) > SCHEMA_VERSION:
            raise InputError(f"{self.study_file}: of a newer version; upgrade wiseft-jax")
        return stored

    def read_rows(self) -> list[RunRow]:
        """Return the rows, in the order of their indices; none where there is no file.

        Raises:
          InputError: If a line isn't a row, or of a newer version.
        """
        if not self.rows_file.is_file():
            return []
        rows = []
        text = self.rows_file.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{self.rows_file}:{number}"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{where}: not a JSON object ({error})") from None
            if not isinstance(row, dict) or not row.keys() >= {*_REQUIRED}:
                raise InputError(f"{where}: not a row of a study")
            if row["schema"] > SCHEMA_VERSION:
                raise InputError(f"{where}: of a newer version; upgrade wiseft-jax")
            rows.append(cast(RunRow, row))
        return sorted(rows, key=lambda row: row["index"])

    def write_rows(self, rows: Sequence[RunRow]) -> None:
        """Write all rows, atomically."""
        ordered = sorted(rows, key=lambda row: row["index"])
        lines = [json.dumps(row, allow_nan=False) + "\n" for row in ordered]
        write_text(self.rows_file, "".join(lines))

    def run_of(self, row: RunRow) -> RunDirectory:
        """Return the run directory of a row."""
        return RunDirectory(self.path / row["run"])

    def run_directory(self, variation: Variation) -> RunDirectory:
        """Return ``runs/<index>-<key>``: the one that a configuration has, or the next free one."""
        taken = [path for path in self.runs_path.glob("*-*") if path.is_dir()]
        for path in taken:
            if path.name.partition("-")[2] == variation.key:
                return RunDirectory(path)
        following = 1 + max((index_of(path) for path in taken), default=-1)
        return RunDirectory(self.runs_path / f"{following:03d}-{variation.key}")


def index_of(path: Path) -> int:
    """Return the index in the name of a run directory of a study; -1 if it has none."""
    number = path.name.partition("-")[0]
    return int(number) if number.isdigit() else -1
