"""Which stored analyses are current: made of what the run holds now, and told the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wiseft_jax import __version__
from wiseft_jax.core.analysis_rows import (
    ANALYSES_DIR,
    AnalysisRow,
    read_analysis_rows,
)
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_bytes, hash_json
from wiseft_jax.core.run_directory import PREDICTIONS_DIR, RunDirectory
from wiseft_jax.core.writers import write_json

if TYPE_CHECKING:
    from wiseft_jax.analysis.options import AnalysisOptions
    from wiseft_jax.analysis.stored_run import StoredRun

MADE_FILE = "made.json"
"""In ``RUN/analyses``: of what each analysis was made, and its files."""
_OPTION_OF_NEED = {"baselines": "baselines", "override_alpha": "override"}
_FILES_OF_NEED = {
    "other_sets": "other_sets/**/*",
    "features": "features/*",
    "layers": f"{ANALYSES_DIR}/layers.json",
    "plane": f"{ANALYSES_DIR}/plane.npz",
}


def made_from(run: StoredRun, name: str, options: AnalysisOptions) -> str:
    """Return the hash of all that decides an analysis: results, options, version.

    Files count by size and time of writing, not by content: predictions may be large.

    Args:
      run: The run.
      name: A key of ``ANALYSES``.
      options: What the analysis is told; those that it doesn't read don't count.
    """
    from wiseft_jax.analysis.table import ANALYSES

    needs = ANALYSES[name].needs
    told: dict[str, Any] = dataclasses.asdict(options)
    for option, need in _OPTION_OF_NEED.items():
        if need not in needs:
            del told[option]
    if (file := told.get("baselines")) is not None:
        told["baselines"] = hash_bytes(file.read_bytes()) if file.is_file() else None
    directory = RunDirectory(run.path)
    files = [directory.results_file, directory.selection_file, directory.endpoints_file]
    files += run.path.glob(f"{PREDICTIONS_DIR}/*")
    for need in needs:
        if need in _FILES_OF_NEED:
            files += run.path.glob(_FILES_OF_NEED[need])
    there = {path for path in files if path.is_file()}
    facts = sorted(
        (path.relative_to(run.path).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in there
    )
    return hash_json([name, __version__, run.config_hash, told, facts])


def current_rows(
    run: StoredRun, name: str, options: AnalysisOptions, *, pictures: bool
) -> tuple[list[AnalysisRow], list[Path]] | None:
    """Return an analysis that is stored and current: rows, and files; None where there is none.

    Args:
      run: The run.
      name: A key of ``ANALYSES``.
      options: What the analysis is told.
      pictures: Whether its pictures must be there too.
    """
    known = _read(run.path).get(name)
    if not isinstance(known, dict) or known.get("made_from") != made_from(run, name, options):
        return None
    files = [run.path / ANALYSES_DIR / str(file) for file in known.get("files", ())]
    if (pictures and not known.get("pictures")) or not all(file.is_file() for file in files):
        return None
    try:
        return read_analysis_rows(run.path, name), files
    except InputError:  # damaged since: it is made again
        return None


def record_made(
    run: StoredRun, name: str, options: AnalysisOptions, files: Sequence[Path], *, pictures: bool
) -> None:
    """Record that an analysis is made and stored, after its files are.

    Args:
      run: The run.
      name: A key of ``ANALYSES``.
      options: What it was told.
      files: Its files, the rows first.
      pictures: Whether its pictures are among them, as far as it has any.
    """
    own = {
        "made_from": made_from(run, name, options),
        "files": [file.name for file in files],
        "pictures": pictures,
    }
    write_json(_file(run.path), _read(run.path) | {name: own})


def _file(run_dir: Path) -> Path:
    return run_dir / ANALYSES_DIR / MADE_FILE


def _read(run_dir: Path) -> dict[str, Any]:
    try:
        found = json.loads(_file(run_dir).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or damaged: all is made again
        return {}
    return found if isinstance(found, dict) else {}
