"""The layout of a run directory; it holds no absolute path, so it can be moved."""

from __future__ import annotations

import dataclasses
import logging
import shlex
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from wiseft_jax.core.config_io import config_hash, read_json, to_dict
from wiseft_jax.core.errors import InputError, missing_path
from wiseft_jax.core.results import RESULTS_FILE
from wiseft_jax.core.writers import write_json

logger = logging.getLogger(__name__)

CONFIG_FILE = "config.json"
TRAIN_LOG = "train.jsonl"
PREDICTIONS_DIR = "predictions"
SWEEP_FACTS_FILE = "backend.json"
"""In the directory of predictions: the back-end, and the hash of the configuration."""
EXPORT_FACTS_FILE = "wiseft.json"
"""What tells an exported model from a run."""
_LISTED = 10
PACKAGES = (
    "wiseft-jax",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "transformers",
    "orbax-checkpoint",
    "grain",
    "numpy",
    "pillow",
)


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """The files of one run.

    Attributes:
      path: The directory.
    """

    path: Path

    @property
    def quoted(self) -> str:
        """The directory as a shell takes it, for commands in messages."""
        return shlex.quote(str(self.path))

    @property
    def config_file(self) -> Path:
        """The resolved configuration, its hash, and the versions of the packages."""
        return self.path / CONFIG_FILE

    @property
    def train_log_file(self) -> Path:
        """What each step of training measured."""
        return self.path / TRAIN_LOG

    @property
    def results_file(self) -> Path:
        """The rows."""
        return self.path / RESULTS_FILE

    @property
    def sweep_facts_file(self) -> Path:
        """What a sweep recorded beside its predictions."""
        return self.path / PREDICTIONS_DIR / SWEEP_FACTS_FILE

    @property
    def curve_file(self) -> Path:
        """The main picture (PNG; the SVG lies beside it)."""
        return self.path / "curve.png"

    @property
    def flips_file(self) -> Path:
        """Where predictions flip along alpha, of a continuous curve (PNG, SVG beside it)."""
        return self.path / "flips.png"

    @property
    def report_file(self) -> Path:
        """The report in Markdown."""
        return self.path / "report.md"

    @property
    def page_file(self) -> Path:
        """The report as one HTML file."""
        return self.path / "report.html"

    @property
    def endpoints_file(self) -> Path:
        """Classes and hashes of both ends; there once fine-tuning is complete."""
        return self.path / "endpoints.json"

    @property
    def probe_file(self) -> Path:
        """Which linear probe by L-BFGS was chosen, where the recipe makes one."""
        return self.path / "probe.json"

    @property
    def selection_file(self) -> Path:
        """The chosen alpha, the rule and its cost."""
        return self.path / "selection.json"

    @property
    def sweep_config_file(self) -> Path:
        """The configuration that ``wiseft sweep`` ran with, where it made the results."""
        return self.path / "sweep_config.json"

    @property
    def merged_dir(self) -> Path:
        """The exported merged model."""
        return self.path / "merged"

    def prepare(
        self, config: Any, *, resume: bool, overwrite: bool, neutral: Sequence[str] = ()
    ) -> None:
        """Create the directory for ``config``, or check that it may be continued.

        Args:
          config: The resolved configuration.
          resume: Continue the run that is there.
          overwrite: Replace it.
          neutral: Dotted names of fields (or groups) that a continued run may change, because they
            don't decide the weights.

        Raises:
          InputError: If it exists with content and neither ``resume`` nor ``overwrite`` is given;
            if it should be resumed and holds another configuration; if both are given.
        """
        self.check(config, resume=resume, overwrite=overwrite, neutral=neutral)
        if overwrite and self._occupied():
            shutil.rmtree(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self.config_file, describe(config))
        except OSError as error:
            raise InputError(f"{self.path}: can't write there ({error.strerror})") from None

    def check(
        self, config: Any, *, resume: bool, overwrite: bool, neutral: Sequence[str] = ()
    ) -> None:
        """Check what ``prepare`` would refuse, and change nothing."""
        if resume and overwrite:
            raise InputError("--resume and --overwrite exclude each other: give one of them")
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: expected a directory, found a file; give another --out")
        if resume and not self._occupied():
            logger.warning("%s: no run to resume there; starting a new one", self.path)
        elif resume:
            self._check_same(config, neutral)
        elif overwrite:
            self._check_removable()
        elif self._occupied():
            raise InputError(
                f"{self.path}: the run directory exists and isn't empty; continue it with --resume,"
                " replace it with --overwrite, or give another --out"
            )

    def _occupied(self) -> bool:
        """Return whether there is more than the configuration of a run that never began."""
        if not self.path.is_dir():
            return False
        names = {entry.name for entry in self.path.iterdir()}
        return bool(names - {CONFIG_FILE}) or (bool(names) and not self.is_run())

    def is_run(self) -> bool:
        """Return whether the directory holds the configuration of a run."""
        try:
            stored = read_json(self.config_file)
        except InputError:
            return False
        return isinstance(stored, dict) and {"config", "config_hash"} <= stored.keys()

    def _check_removable(self) -> None:
        """Refuse to delete what isn't a run directory of this program."""
        if self._occupied() and not self.is_run():
            raise InputError(
                f"{self.path}: --overwrite replaces run directories, and this isn't one (there is"
                f" no {CONFIG_FILE} of a run); remove it by hand or give another --out"
            )

    def _check_same(self, config: Any, neutral: Sequence[str]) -> None:
        if not self.config_file.is_file():
            raise InputError(f"{self.path}: nothing to resume: there is no {CONFIG_FILE}")
        differences = _differences(self.read_config(), to_dict(config))
        fixed = [text for text in differences if not text.startswith(tuple(neutral))]
        if fixed:
            raise InputError(
                f"{self.path}: can't resume with another configuration; these differ:"
                f" {', '.join(fixed)}."
                " Give the same options, or another --out"
            )

    def read_config(self) -> dict[str, Any]:
        """Return the stored configuration as plain values.

        Raises:
          InputError: If the directory or its configuration isn't there, or is damaged.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: expected a run directory, found a file")
        if not self.path.exists():
            raise missing_path(self.path, "run directory", _runs_in(self.path.parent))
        if (self.path / EXPORT_FACTS_FILE).is_file():
            raise InputError(self._is_export())
        if not self.config_file.is_file():
            near = _runs_in(self.path)
            raise InputError(f"{self.path}: not a run directory, there is no {CONFIG_FILE}. {near}")
        stored = read_json(self.config_file)
        if not isinstance(stored, dict) or "config" not in stored:
            raise InputError(f"{self.config_file}: not the configuration of a run")
        return stored["config"]

    def instead_of_model(self) -> str:
        """Return what to say where a run is given and a model is expected."""
        given = f"{self.path}: this is a run directory, not a model;"
        if (self.merged_dir / EXPORT_FACTS_FILE).is_file():
            return f"{given} its merged model is {self.merged_dir}"
        export = f"wiseft export {shlex.quote(str(self.path))} --alpha ALPHA --out DIR"
        return f"{given} it has no merged model, and {export} writes one"

    def _is_export(self) -> str:
        """Return what to say where an exported model is given and a run is expected."""
        above = RunDirectory(self.path.absolute().parent)
        run = f"; the run that it lies in is {above.path}" if above.is_run() else ""
        return (
            f"{self.path}: expected a run directory, found an exported model, which has one alpha"
            f" and no ends{run}. wiseft evaluate, predict and explain take it by --model"
        )


def model_name(directory: Path) -> str:
    """Return what an exported model is called after: its directory, or the run that it lies in.

    Example:
      >>> model_name(Path("runs/photos/merged"))
      'photos'
    """
    directory = directory.resolve()
    run = RunDirectory(directory.parent)
    return run.path.name if directory == run.merged_dir and run.is_run() else directory.name


def versions() -> dict[str, str]:
    """Return the installed versions of what decides a result."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def describe(config: Any) -> dict[str, Any]:
    """Return the content of ``config.json``: configuration, hash, versions."""
    return {
        "schema": 1,
        "config": to_dict(config),
        "config_hash": config_hash(config),
        "python": sys.version.split()[0],
        "versions": versions(),
    }


def _runs_in(parent: Path) -> str:
    """Return a sentence about the run directories in ``parent``, the newest first."""
    files = sorted(parent.glob(f"*/{CONFIG_FILE}"), key=_modified, reverse=True)
    runs = [str(file.parent) for file in files if RunDirectory(file.parent).is_run()]
    if not runs:
        return f"There is no run in {parent.absolute()}; wiseft run and train make one (--out)."
    more = f" and {len(runs) - _LISTED} more" if len(runs) > _LISTED else ""
    return f"Runs in {parent.absolute()}, the newest first: {', '.join(runs[:_LISTED])}{more}."


def _modified(file: Path) -> float:
    return file.lstat().st_mtime  # of a link itself: what it leads to may be gone


def _differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [
            name
            for key in keys
            for name in _differences(old.get(key), new.get(key), f"{prefix}{key}.")
        ]
    return [] if old == new else [f"{prefix.rstrip('.')} ({old!r} -> {new!r})"]
