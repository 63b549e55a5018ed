"""What one directory is, how far it came, and its key numbers: from its files, without jax."""

from __future__ import annotations

import dataclasses
import datetime
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.core.last_sweep import last_sweep, sweep_command
from wiseft_jax.core.results import RESULTS_FILE, Row, mean_over_shifts, read_rows
from wiseft_jax.core.run_directory import EXPORT_FACTS_FILE, RunDirectory

Kind: TypeAlias = Literal["run", "study", "model", "other"]
State: TypeAlias = Literal[
    "finished", "trained", "interrupted", "running", "failed", "damaged", "foreign"
]

STUDY_FILE = "study.json"
_RUN_PARTS = {"model", "data", "training", "sweep"}
_SUMMARIES = ("grid.json", "summary.json", "matrix.json")
_TAIL_BYTES = 65_536


@dataclasses.dataclass(frozen=True)
class Summary:
    """One directory in a list of runs.

    Attributes:
      path: Relative to where the list begins, with slashes.
      kind: A run, a study of many models, an exported model, or something else.
      state: ``finished``: it has results; ``trained``: no results yet; ``interrupted``;
        ``running``: a program of this host holds it; ``failed``: the loss wasn't finite;
        ``damaged``; ``foreign``: not of this program.
      why: What there is to say about the state; empty where nothing.
      name: What the configuration calls it.
      recipe: Of the fine-tuning.
      config_hash: That of the results, or of the configuration without them.
      date: When its results (without them: its configuration) were written, UTC.
      alpha: The chosen one.
      n: Images of the reference test set.
      shifts: How many shifted sets there are.
      reference: ``zero_shot``, ``chosen``, ``fine_tuned`` -> accuracy on the reference, a fraction.
      mean_of_shifts: The same of the unweighted mean of the shifts.
    """

    path: str
    kind: Kind
    state: State
    why: str = ""
    name: str | None = None
    recipe: str | None = None
    config_hash: str | None = None
    date: str | None = None
    alpha: float | None = None
    n: int | None = None
    shifts: int = 0
    reference: Mapping[str, float] = dataclasses.field(default_factory=dict)
    mean_of_shifts: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return dataclasses.asdict(self)


def is_ours(path: Path) -> bool:
    """Return whether a directory looks like one that this program writes, whole or damaged."""
    files = (STUDY_FILE, "config.json", EXPORT_FACTS_FILE, RESULTS_FILE)
    return any((path / name).is_file() for name in files)


def summarise(path: Path, shown: str, *, held: bool = False) -> Summary:
    """Return what a directory is.

    Args:
      path: The directory; ``is_ours``.
      shown: What the list calls it.
      held: Whether a program is at work in it.
    """
    try:
        if (path / EXPORT_FACTS_FILE).is_file():
            return _model(path, shown)
        if (path / STUDY_FILE).is_file():
            return _grid(path, shown, held)
        return _run_or_study(RunDirectory(path), shown, held)
    except (InputError, OSError, UnicodeDecodeError, *_WRONG) as error:
        text = str(error).removeprefix(f"{path}/").removeprefix(f"{path}: ")
        why = text if isinstance(error, InputError | OSError) else f"unexpected content: {text}"
        kind: Kind = "study" if (path / STUDY_FILE).is_file() else "run"
        return Summary(shown, kind, "damaged", why)


_WRONG = (KeyError, TypeError, ValueError, AttributeError)
"""What JSON of another shape than expected raises."""


def _model(path: Path, shown: str) -> Summary:
    facts = read_json(path / EXPORT_FACTS_FILE)
    hashes = facts.get("hashes") or {}
    return Summary(
        shown,
        "model",
        "finished",
        "an exported model",
        name=facts.get("source"),
        config_hash=hashes.get("config"),
        date=_date(path / EXPORT_FACTS_FILE),
        alpha=float(facts["alpha"]),
    )


def _grid(path: Path, shown: str, held: bool) -> Summary:
    facts = read_json(path / STUDY_FILE)
    rows_file = path / "runs.jsonl"
    lines = rows_file.read_text(encoding="utf-8").splitlines() if rows_file.is_file() else []
    rows = [json.loads(line) for line in lines]
    failed = sum("failed" in row for row in rows)
    said = f"{counted(len(rows) - failed, 'run')} finished"
    said += f", {failed} failed" if failed else ""
    done = (path / "grid.json").is_file()
    return Summary(
        shown,
        "study",
        "running" if held else "finished" if done else "interrupted",
        f"{said}; varied: {', '.join(facts['fields'])}",
        name=facts["base"]["name"],
        recipe=facts["base"]["training"]["recipe"],
        date=_date(rows_file if rows_file.is_file() else path / STUDY_FILE),
    )


def _run_or_study(directory: RunDirectory, shown: str, held: bool) -> Summary:
    if not directory.config_file.is_file():
        return Summary(shown, "other", "damaged", f"{RESULTS_FILE} without config.json")
    stored = read_json(directory.config_file)
    if not isinstance(stored, dict) or not {"config", "config_hash"} <= stored.keys():
        return Summary(shown, "other", "foreign", "config.json isn't the configuration of a run")
    config = stored["config"]
    facts: dict[str, Any] = {
        "name": config.get("name"),
        "config_hash": stored["config_hash"],
        "date": _date(directory.config_file),
    }
    if not config.keys() >= _RUN_PARTS:
        done = any((directory.path / name).is_file() for name in _SUMMARIES)
        state: State = "running" if held else "finished" if done else "interrupted"
        return Summary(shown, "study", state, "of patches or backgrounds", **facts)
    facts["recipe"] = config["training"]["recipe"]
    if directory.results_file.is_file() and directory.selection_file.is_file():
        return _with_results(directory, shown, held, facts)
    if held:
        return Summary(shown, "run", "running", _progress(directory), **facts)
    return Summary(shown, "run", *_unfinished(directory), **facts)


def _with_results(
    directory: RunDirectory, shown: str, held: bool, facts: dict[str, Any]
) -> Summary:
    rows = read_rows(directory.path)
    selection = read_json(directory.selection_file)
    hashes = sorted({row["config_hash"] for row in rows})
    agree = hashes == [selection.get("config_hash", hashes[0])]
    state, why = _state_of_results(directory, rows, hashes)
    facts |= {
        "config_hash": ", ".join(hashes),
        "date": _date(directory.results_file),
        **(key_numbers(rows, selection) if agree else {}),
    }
    return Summary(shown, "run", "running" if held else state, why, **facts)


def _state_of_results(
    directory: RunDirectory, rows: Sequence[Row], hashes: Sequence[str]
) -> tuple[State, str]:
    last = last_sweep(directory, rows)
    if not last.finished:
        what = "the last sweep isn't finished" if last.agree else "its results are of two sweeps"
        state: State = "interrupted" if last.begun else "damaged"
        return state, f"{what} ({last.said}): {last.command}"
    files = (directory.config_file, directory.sweep_config_file)
    known = {read_json(file).get("config_hash") for file in files if file.is_file()}
    if hashes[0] not in known:
        return "interrupted", "its results are of an earlier configuration"
    return "finished", ""


def key_numbers(rows: Sequence[Row], selection: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``alpha``, ``n``, ``shifts``, ``reference`` and ``mean_of_shifts`` of a ``Summary``.

    Args:
      rows: The run's.
      selection: ``Selection.facts()``.
    """
    alpha = float(selection["alpha"])
    ends = {"zero_shot": 0.0, "chosen": alpha, "fine_tuned": 1.0}
    top1 = [row for row in rows if row["metric"] == "top1"]
    tests = [row for row in top1 if row["role"] == "reference"]
    tests.sort(key=lambda row: ("test", "validation", "train").index(row["split"]))
    name = tests[0]["dataset"] if tests else None
    reference = {row["alpha"]: row["value"] for row in tests if row["dataset"] == name}
    means = mean_over_shifts(rows)
    return {
        "alpha": alpha,
        "n": tests[0]["n"] if tests else None,
        "shifts": len({r["dataset"] for r in top1 if (r["role"], r["split"]) == ("shift", "test")}),
        "reference": {end: reference[at] for end, at in ends.items() if at in reference},
        "mean_of_shifts": {end: means[at] for end, at in ends.items() if at in means},
    }


def _unfinished(directory: RunDirectory) -> tuple[State, str]:
    last = _last_record(directory.train_log_file)
    if last.get("finite") is False:
        return "failed", f"step {last.get('step')}: the loss isn't finite"
    if directory.results_file.is_file():
        return "interrupted", "while its results were written"
    if directory.endpoints_file.is_file():
        return "trained", "no results yet: wiseft sweep"
    return "interrupted", _progress(directory)


def without_results(directory: RunDirectory) -> InputError | None:
    """Return the error for a run that has no results yet; None of what has some, or is no run.

    Args:
      directory: What was given.

    Returns:
      How far the run came, as ``report --list`` has it, and the command that goes on.
    """
    if directory.results_file.is_file() or not is_ours(directory.path):
        return None
    found = summarise(directory.path, str(directory.path))
    if found.kind != "run":
        return None
    said = f"{directory.path}: there are no results to report"
    if found.state == "trained":
        return InputError(f"{said}: the run is trained; make them: {sweep_command(directory)}")
    if found.state == "damaged":
        return InputError(f"{said}, and the run is damaged: {found.why}")
    config, out = shlex.quote(str(directory.config_file)), directory.quoted
    on = f"wiseft run {config} --out {out} --resume"
    return InputError(f"{said}: the run {found.state} {found.why}; go on: {on}")


def _progress(directory: RunDirectory) -> str:
    step = _last_record(directory.train_log_file).get("step")
    return "before the first step" if step is None else f"after step {step}"


def _last_record(path: Path) -> dict[str, Any]:
    """Return the last whole record of ``train.jsonl``; empty without one."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    for line in reversed(lines):
        try:
            record = json.loads(line)
        except json.JSONDecodeError:  # torn by a kill, or the tail begins in it
            continue
        if isinstance(record, dict):
            return record
    return {}


def _date(path: Path) -> str:
    written = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    return written.strftime("%Y-%m-%d %H:%M")
