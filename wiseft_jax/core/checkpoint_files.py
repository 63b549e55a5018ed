"""Where checkpoints lie, and what is known of one before its arrays are read.

The facts (what the run said, metrics, and of every array the shape, type and checksum) are one JSON
file with a checksum of its own: what they say is believed, and the rest is held against them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import logging
import math
import shlex
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.checkpoint_errors import (
    DamagedCheckpointError,
    first_line,
    is_of_files,
    patiently,
)
from wiseft_jax.core.checksum import checksums, differing
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import check_same_structure, flatten_paths, unflatten_paths
from wiseft_jax.core.typing import PyTree
from wiseft_jax.core.writers import write_text

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
"""The directory of a run that holds its checkpoints, unless another is configured."""

RANKING = "validation_accuracy"
"""The metric that ranks checkpoints; larger is better."""

_FACTS = "meta/metadata"
_REMOTE = "gs://"
_SHOWN = 3

Arrays = dict[str, list[Any]]
"""``[dtype, shape, checksum]`` of each array, by key path."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is stored beside the arrays.

    Attributes:
      meta: JSON values of the caller's.
      metrics: Numbers by name; ``RANKING`` is among them if the checkpoint has a rank.
      arrays: What ``describe_arrays`` returns, by item (``"params"``, ``"opt"``).
    """

    meta: dict[str, Any]
    metrics: dict[str, float]
    arrays: dict[str, Arrays]

    def seal(self) -> dict[str, Any]:
        """Return JSON values with a checksum."""
        values = json.loads(json.dumps(dataclasses.asdict(self)))
        return {"values": values, "checksum": _crc(values)}

    @property
    def rank(self) -> float | None:
        """The metric that ranks, if there is one."""
        rank = self.metrics.get(RANKING)
        return rank if rank is not None and math.isfinite(rank) else None


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What ``Checkpoints.restore`` returns.

    Attributes:
      step: The number of complete steps.
      params: The trained parameters.
      opt: The optimizer's state.
      meta: What was given to ``save``.
      metrics: What was given to ``save``.
    """

    step: int
    params: PyTree
    opt: PyTree
    meta: dict[str, Any]
    metrics: dict[str, float]


def find_directory(run_dir: Path, config: CheckpointConfig) -> epath.Path:
    """Return the directory of a run's checkpoints, absolute; it need not exist.

    Raises:
      InputError: If it is remote, and of a kind that isn't known or whose package is missing.
    """
    given = config.directory
    if given is None:
        return epath.Path(Path(run_dir).absolute() / CHECKPOINTS)
    if "://" not in given:
        return epath.Path(Path(given).expanduser().absolute())
    if not given.startswith(_REMOTE) or not given.removeprefix(_REMOTE).strip("/"):
        raise InputError(
            f"checkpoints.directory: expected a local directory or gs://BUCKET/DIR, found {given!r}"
        )
    if importlib.util.find_spec("gcsfs") is None:
        raise InputError(
            f"checkpoints.directory: {given} needs the package gcsfs, which isn't installed;"
            " pip install 'wiseft-jax[gcs]'"
        )
    return epath.Path(given)


def is_remote(directory: epath.Path) -> bool:
    """Return whether a directory is in a bucket."""
    return str(directory).startswith(_REMOTE)


def describe_arrays(tree: PyTree) -> Arrays:
    """Return the type, shape and checksum of each array; a collective if arrays are spread out."""
    leaves = flatten_paths(tree)
    return {
        name: [str(leaves[name].dtype), list(leaves[name].shape), checksum]
        for name, checksum in checksums(tree).items()
    }


def empty_arrays(arrays: Arrays) -> PyTree:
    """Return host arrays of the types and shapes described, in nested dictionaries."""
    return unflatten_paths(
        {name: np.empty(shape, jnp.dtype(dtype)) for name, (dtype, shape, _) in arrays.items()}
    )


def restore_targets(tree: PyTree) -> PyTree:
    """Return what Orbax shall restore to: shapes with shardings, or host arrays without one."""

    def describe(leaf: Any) -> Any:
        sharding = getattr(leaf, "sharding", None)
        if sharding is None:
            return np.empty(leaf.shape, leaf.dtype)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    return jax.tree_util.tree_map(describe, tree)


def check_structure(path: epath.Path, arrays: Arrays, target: PyTree) -> None:
    """Raise unless the described arrays have the paths and shapes of ``target``.

    Raises:
      InputError: Names those that differ.
    """
    described = unflatten_paths(
        {
            name: jax.ShapeDtypeStruct(tuple(shape), jnp.dtype(dtype))
            for name, (dtype, shape, _) in arrays.items()
        }
    )
    check_same_structure(
        described, target, name=f"the checkpoint {path}", expected_name="the model"
    )


def check_arrays(item: str, tree: PyTree, wanted: Arrays) -> None:
    """Raise unless the arrays are those described; a collective if they are spread out.

    Raises:
      DamagedCheckpointError: Names the arrays that aren't.
    """
    found = checksums(tree)
    wrong = differing(found, {name: checksum for name, (_, _, checksum) in wanted.items()})
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DamagedCheckpointError(
            f"{item}: the checksum is wrong of {', '.join(wrong[:_SHOWN])}{more}"
        )


def read_facts(step_dir: epath.Path) -> Facts:
    """Return the facts of a checkpoint.

    Raises:
      DamagedCheckpointError: If they are missing, or aren't what was written.
      InputError: If they can't be read now.
    """
    file = step_dir / _FACTS
    stored = _read_json(file)
    try:
        values, wanted = stored["values"], stored["checksum"]
        if _crc(values) != wanted:
            raise DamagedCheckpointError(f"meta/{file.name}: the checksum is wrong")
        return Facts(**values)
    except (KeyError, TypeError):
        raise DamagedCheckpointError(f"meta/{file.name}: not of this version's format") from None


def has_facts(step_dir: epath.Path) -> bool:
    """Return whether a local checkpoint has facts, whatever they say."""
    return _mode(step_dir / _FACTS) is not None


def rank_of(step_dir: epath.Path) -> float:
    """Return the metric that ranks a checkpoint; minus infinity without one."""
    try:
        rank = read_facts(step_dir).rank
    except DamagedCheckpointError:
        rank = None
    return float("-inf") if rank is None else rank


def write_facts(step_dir: epath.Path, facts: Facts) -> None:
    """Replace the facts of a complete checkpoint, and what Orbax ranks by; the arrays stay."""
    file = step_dir / _FACTS
    text = json.dumps(facts.seal())
    if is_remote(step_dir):
        file.write_text(text, encoding="utf-8")
    else:
        write_text(Path(file), text)
    mend_ranking(step_dir, facts, log_level=logging.DEBUG)


def mend_ranking(step_dir: epath.Path, facts: Facts, log_level: int = logging.WARNING) -> None:
    """Write the file that Orbax ranks by again, should it not say what the facts say."""
    file = step_dir / "metrics" / "metrics"
    wanted = {} if facts.rank is None else {RANKING: facts.rank}
    try:
        found = _read_json(file) if file.exists() else {}
    except DamagedCheckpointError as error:
        found = str(error)
    if found != wanted:
        logger.log(log_level, "%s: damaged (%s); written again", file, found)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(wanted), encoding="utf-8")


def name_aside(directory: epath.Path, step: int) -> str:
    """Return the name that a damaged checkpoint shall get: one that isn't there yet."""
    names = {path.name for path in directory.iterdir()}
    aside = f"damaged-{step}"
    more = (f"{aside}-{n}" for n in range(2, len(names) + 3))
    return next(name for name in (aside, *more) if name not in names)


def has_damaged(directory: epath.Path) -> bool:
    """Return whether a checkpoint was set aside there."""
    return is_directory(directory) and any(
        path.name.startswith("damaged-") for path in directory.iterdir()
    )


@contextlib.contextmanager
def reaching(directory: epath.Path) -> Iterator[None]:
    """Turn what a file system raises, or the libraries of a remote one, into one line."""
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError) or not (is_remote(directory) or is_of_files(error)):
            raise
        raise InputError(
            f"{directory}: can't be reached ({type(error).__name__}: {first_line(error)})"
        ) from None


def begin_anew(directory: epath.Path, config: CheckpointConfig) -> str:
    """Return what to do about a directory's checkpoints in order to start without them.

    ``--overwrite`` replaces the run directory with all that is in it. Another directory may serve
    other runs too, so nothing there is removed but by its owner.
    """
    if config.directory is None:
        return "start again with --overwrite, or with another run directory"
    remove = "gcloud storage rm --recursive" if is_remote(directory) else "rm -r"
    return (
        "to start again, remove them by hand, as --overwrite touches the run directory alone"
        f" ({remove} {shlex.quote(str(directory))}), or give another --checkpoints.directory"
    )


def not_shared(directory: epath.Path) -> str:
    """Return what to say when processes see different files."""
    return (
        f"{directory}: the processes don't see the same files there; several hosts need a directory"
        " that all of them share: give one as --out, or gs://BUCKET/DIR as checkpoints.directory"
    )


def is_directory(path: epath.Path) -> bool:
    """Return whether there is a directory; ``epath`` would take an I/O error for an absence."""
    if is_remote(path):
        return path.is_dir()
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def _mode(path: epath.Path) -> int | None:
    """Return the type and permissions of a local file; None if it isn't there."""
    try:
        return Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read_json(file: epath.Path) -> Any:
    def read() -> Any:
        return json.loads(file.read_bytes().decode("utf-8"))

    return patiently(read, file, f"{file.parent.name}/{file.name}")


def _crc(values: Any) -> int:
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())
