"""Which stored analyses are current: made of what the run holds now, and told the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

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

FileFact: TypeAlias = tuple[str, int, int]
"""A file's path in the run, its size in bytes, when it was written, in nanoseconds."""

MADE_FILE = "made.json"
"""In ``RUN/analyses``: of what each analysis was made, and its files."""
_OPTION_OF_NEED = {"baselines": "baselines", "override_alpha": "override"}
_FILES_OF_NEED = {
    "other_sets": "other_sets/**/*",
    "features": "features/*",
    "layers": f"{ANALYSES_DIR}/layers.json",
    "plane": f"{ANALYSES_DIR}/plane.npz",
}


def results_facts(run_dir: Path | str) -> list[FileFact]:
    """Return size and time of writing of what ``StoredRun.load`` reads.

    Taken before it loads: what a sweep writes later isn't what the analyses are made of.

    Args:
      run_dir: The run directory.
    """
    directory = RunDirectory(Path(run_dir))
    files = [directory.results_file, directory.selection_file, directory.endpoints_file]
    return _facts(directory.path, [*files, *directory.path.glob(f"{PREDICTIONS_DIR}/*")])


def made_from(
    run: StoredRun, name: str, options: AnalysisOptions, results: Sequence[FileFact]
) -> str:
    """Return the hash of all that decides an analysis: results, options, version.

    Files count by size and time of writing, not by content: predictions may be large. Taken before
    the analysis, so that what changes meanwhile makes it out of date.

    Args:
      run: The run.
      name: A key of ``ANALYSES``.
      options: What the analysis is told; those that it doesn't read don't count.
      results: ``results_facts`` of before the run was loaded.
    """
    from wiseft_jax.analysis.table import ANALYSES

    needs = ANALYSES[name].needs
    told: dict[str, Any] = dataclasses.asdict(options)
    for option, need in _OPTION_OF_NEED.items():
        if need not in needs:
            del told[option]
    if (file := told.get("baselines")) is not None:
        told["baselines"] = hash_bytes(file.read_bytes()) if file.is_file() else None
    patterns = [_FILES_OF_NEED[need] for need in needs if need in _FILES_OF_NEED]
    others = [path for pattern in patterns for path in run.path.glob(pattern)]
    facts = sorted({*results, *_facts(run.path, others)})
    return hash_json([name, __version__, run.config_hash, told, facts])


def _facts(run_dir: Path, files: Iterable[Path]) -> list[FileFact]:
    found = [(file, file.stat()) for file in files if file.is_file()]
    return [
        (file.relative_to(run_dir).as_posix(), stat.st_size, stat.st_mtime_ns)
        for file, stat in found
    ]


def current_rows(
    run_dir: Path, name: str, origin: str, *, pictures: bool
) -> tuple[list[AnalysisRow], list[Path]] | None:
    """Return an analysis that is stored and current: rows, and files; None where there is none.

    Args:
      run_dir: The run directory.
      name: A key of ``ANALYSES``.
      origin: ``made_from`` of it now.
      pictures: Whether its pictures must be there too.
    """
    known = _read(run_dir).get(name)
    if not isinstance(known, dict) or known.get("made_from") != origin:
        return None
    files = [run_dir / ANALYSES_DIR / str(file) for file in known.get("files", ())]
    if (pictures and not known.get("pictures")) or not all(file.is_file() for file in files):
        return None
    try:
        return read_analysis_rows(run_dir, name), files
    except InputError:  # damaged since: it is made again
        return None


def forget_made(run_dir: Path, name: str) -> None:
    """Take an analysis out of the record, before its files are written.

    Until it is recorded again nothing vouches for them, wherever an interruption falls.

    Args:
      run_dir: The run directory.
      name: A key of ``ANALYSES``.
    """
    known = _read(run_dir)
    if known.pop(name, None) is not None:
        write_json(_file(run_dir), known)


def record_made(
    run_dir: Path, name: str, origin: str, files: Sequence[Path], *, pictures: bool
) -> None:
    """Record that an analysis is made and stored, after its files are.

    Args:
      run_dir: The run directory.
      name: A key of ``ANALYSES``.
      origin: ``made_from`` of before it was made.
      files: Its files, the rows first.
      pictures: Whether its pictures are among them, as far as it has any.
    """
    own = {"made_from": origin, "files": [file.name for file in files], "pictures": pictures}
    write_json(_file(run_dir), _read(run_dir) | {name: own})


def _file(run_dir: Path) -> Path:
    return run_dir / ANALYSES_DIR / MADE_FILE


def _read(run_dir: Path) -> dict[str, Any]:
    try:
        found = json.loads(_file(run_dir).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or damaged: all is made again
        return {}
    return found if isinstance(found, dict) else {}
