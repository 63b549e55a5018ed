"""Studies of many models that go on from what is there: their directory, and its rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory


def prepare_study(
    directory: RunDirectory, config: Any, *, overwrite: bool, may_change: Sequence[str]
) -> None:
    """Make a study's directory, or check that what is there is of the same study.

    Args:
      directory: The study's.
      config: The study's configuration.
      overwrite: Replace the study that is there.
      may_change: Fields of ``config`` that a study which goes on may have otherwise.

    Raises:
      InputError: If there is another study, or something else; names what differs.
    """
    goes_on = directory.config_file.is_file() and not overwrite
    there = directory.path.is_dir() and any(directory.path.iterdir())
    if there and not goes_on and not overwrite:
        raise InputError(
            f"{directory.path}: isn't empty, and no study is there; give another --out"
        )
    directory.prepare(config, resume=goes_on, overwrite=overwrite, neutral=tuple(may_change))


def read_model_rows(path: Path, again: str) -> list[dict[str, Any]]:
    """Return the rows of the models that a study has, one JSON object a line.

    Args:
      path: The file.
      again: What removing it leads to, for the message: ``"test"`` or ``"measure"``.

    Raises:
      InputError: If a line isn't JSON.
    """
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except ValueError as error:
        raise InputError(f"{path}: not JSON lines ({error}); remove it to {again} again") from None
