"""Whether the last sweep of a run is finished, and of which sweep its files are; loads no jax."""

from __future__ import annotations

import dataclasses
import json
import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.config_io import config_hash, flat, read_json, to_dict
from wiseft_jax.core.curve_rows import CURVES_FILE, read_curve_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import RESULTS_FILE, Row, of_two_sweeps
from wiseft_jax.core.run_directory import EXPORT_FACTS_FILE, PREDICTIONS_DIR, RunDirectory
from wiseft_jax.core.writers import write_json

logger = logging.getLogger(__name__)

UNFINISHED_FILE = "unfinished_sweep.json"
"""In a run directory while a sweep replaces what is there: which one."""


@dataclasses.dataclass(frozen=True)
class LastSweep:
    """What is known of the last sweep of a run.

    Attributes:
      begun: Whether a sweep says that it began and isn't finished.
      finished: Whether all of its files are there, as far as files tell.
      agree: Whether rows, predictions, curves and the chosen alpha are of one sweep.
      said: Of an unfinished one, which files are of the sweep before; of those that don't agree,
        which configuration each is of.
      command: What makes all of its files again.
    """

    begun: bool
    finished: bool
    agree: bool
    said: str
    command: str


def begin_sweep(directory: RunDirectory, config: Any) -> None:
    """Record that a sweep is about to replace results, and remove the reports on them.

    Args:
      directory: The run.
      config: The configuration of the sweep.
    """
    stored = directory.read_config() if directory.config_file.is_file() else to_dict(config)
    options = sweep_options(stored, to_dict(config))
    own = {"config_hash": config_hash(config), "options": options}
    write_json(directory.path / UNFINISHED_FILE, own)
    pictures = [
        path.with_suffix(suffix)
        for path in (directory.curve_file, directory.flips_file)
        for suffix in (".png", ".svg")
    ]
    for path in (directory.report_file, directory.page_file, *pictures):
        path.unlink(missing_ok=True)


def end_sweep(directory: RunDirectory) -> None:
    """Record that all of a sweep is written."""
    (directory.path / UNFINISHED_FILE).unlink(missing_ok=True)


def last_sweep(directory: RunDirectory, rows: Sequence[Row]) -> LastSweep:
    """Return what the files of a run tell of its last sweep.

    Args:
      directory: The run.
      rows: Its result rows.

    Raises:
      InputError: If a file is damaged, with the command that makes it again.
    """
    begun = _begun(directory)
    command = sweep_command(directory)
    hashes = _hashes(directory, rows, command)
    merged = _stored(directory.merged_dir / EXPORT_FACTS_FILE, command).get("hashes")
    agree = len({*hashes.values()}) <= 1
    if begun is None:
        listed = "; ".join(f"{name}: {of}" for name, of in hashes.items())
        return LastSweep(False, agree, agree, "" if agree else listed, command)
    own = begun.get("config_hash")
    if isinstance(merged, Mapping):
        hashes["merged/"] = str(merged.get("config"))
    before = [name for name, of in hashes.items() if of != own]
    said = f"of the sweep before: {', '.join(before)}; " if before else ""
    now = [name for name in hashes if name not in before]
    said += f"of the last one: {', '.join(now) or 'none'}; its report isn't written"
    return LastSweep(True, False, agree, said, command)


def check_last_sweep(directory: RunDirectory, rows: Sequence[Row]) -> None:
    """Warn of a last sweep that isn't finished, while the results that are there agree.

    Args:
      directory: The run.
      rows: Its result rows.

    Raises:
      InputError: If they are of two sweeps: nothing that holds can be said of both.
    """
    found = last_sweep(directory, rows)
    if not found.agree:
        raise of_two_sweeps(directory.path, "the results", found.said, found.command)
    if not found.finished:
        logger.warning(
            "%s: the last sweep isn't finished (%s); finish it: %s",
            directory.path, found.said, found.command,
        )  # fmt: skip


def sweep_command(directory: RunDirectory) -> str:
    """Return the ``wiseft sweep`` that makes the results of a run's last sweep again."""
    begun = _begun(directory)
    options: Any = begun.get("options") if begun is not None else None
    if options is None and directory.sweep_config_file.is_file():
        try:
            swept = read_json(directory.sweep_config_file)["config"]
            options = sweep_options(directory.read_config(), swept)
        except (InputError, KeyError, TypeError):  # damaged: it is made again without
            options = None
    known = [str(each) for each in options] if isinstance(options, list) else []
    return " ".join(["wiseft sweep", directory.quoted, *map(shlex.quote, known)])


def sweep_options(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return the options that make one configuration of another.

    Args:
      stored: The run's, as plain values.
      wanted: The sweep's.

    Example:
      >>> sweep_options({"sweep": {"alphas": [0.0]}}, {"sweep": {"alphas": [0.0, 1.0]}})
      ['--sweep.alphas', '0.0', '1.0']
    """
    before, words = flat(dict(stored)), []
    for name, value in flat(dict(wanted)).items():
        if name in before and before[name] == value:
            continue
        option = name.replace("_", "-")
        if isinstance(value, bool):
            group, dot, last = option.rpartition(".")
            words.append(f"--{option}" if value else f"--{group}{dot}no-{last}")
        else:
            values = value if isinstance(value, list) else [value]
            words += [f"--{option}", *map(str, values)]
    return words


def _begun(directory: RunDirectory) -> dict[str, Any] | None:
    """Return what is recorded of a sweep that isn't finished; {} of a damaged record."""
    file = directory.path / UNFINISHED_FILE
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _hashes(directory: RunDirectory, rows: Sequence[Row], command: str) -> dict[str, str]:
    """Return file -> the hash of the configuration that it is of, where it says one."""
    curve_rows = read_curve_rows(directory.path)
    selected = _stored(directory.selection_file, command).get("config_hash")
    found = {
        f"{PREDICTIONS_DIR}/": {_stored(directory.sweep_facts_file, command).get("config_hash")},
        RESULTS_FILE: {row["config_hash"] for row in rows},
        CURVES_FILE: {row["config_hash"] for row in curve_rows},
        directory.selection_file.name: {selected},
    }
    known = {name: sorted(str(each) for each in of if each) for name, of in found.items()}
    return {name: ", ".join(of) for name, of in known.items() if of}


def _stored(file: Path, command: str) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        found = read_json(file)
    except InputError as error:
        raise InputError(f"{error}; make it again: {command}") from None
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise InputError(f"{file}: expected a JSON object, found {kind}; make it again: {command}")
    return found
