"""The directory of an attack: what it is of, and the blocks of its matrix that are there.

A block is some rows of the matrix, with how many of its columns are settled; each is replaced as a
whole, so that a run that is killed leaves blocks that fit together.
"""

from __future__ import annotations

import dataclasses
import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer

from wiseft_jax.backgrounds.challenge import UNTRIED
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import versions
from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.core.writers import write_bytes, write_json

_SCHEMA = 1


@dataclasses.dataclass
class Block:
    """Some rows of the matrix.

    Attributes:
      start: The first row.
      predictions: int[R, B]; ``UNTRIED`` where nothing was.
      columns: How many columns are settled, from the first.
    """

    start: int
    predictions: Integer[np.ndarray, "R B"]
    columns: int = 0

    def settled(self, fg_class: Integer[np.ndarray, " R"], early_exit: bool) -> int:
        """Return how many pairs need no forward pass any more.

        Args:
          fg_class: Of the block's rows.
          early_exit: Whether a foreground with a wrong answer is done.
        """
        count, width = self.predictions.shape
        broken = int(self.broken(fg_class).sum()) if early_exit else 0
        return broken * width + (count - broken) * self.columns

    def broken(self, fg_class: Integer[np.ndarray, " R"]) -> np.ndarray:
        """Return which rows have a wrong answer."""
        tried = self.predictions != UNTRIED
        return (tried & (self.predictions != fg_class[:, None])).any(axis=1)


@dataclasses.dataclass(frozen=True)
class AttackFiles:
    """The files of one attack.

    Attributes:
      path: The directory.
    """

    path: Path

    @property
    def attack_file(self) -> Path:
        """Which model, images and options it is of."""
        return self.path / "attack.json"

    @property
    def summary_file(self) -> Path:
        """What the matrix says."""
        return self.path / "summary.json"

    @property
    def table_file(self) -> Path:
        """The tables in Markdown."""
        return self.path / "table.md"

    @property
    def picture_file(self) -> Path:
        """The strongest backgrounds."""
        return self.path / "strongest.png"

    @property
    def backgrounds_file(self) -> Path:
        """A row a background, with its success rate."""
        return self.path / "backgrounds.csv"

    @property
    def matrix_file(self) -> Path:
        """The whole matrix, int[F, B], once it is complete."""
        return self.path / "predictions.npy"

    @property
    def images_file(self) -> Path:
        """Ids and classes of rows and columns."""
        return self.path / "images.json"

    @property
    def blocks_path(self) -> Path:
        """Where the blocks are."""
        return self.path / "blocks"

    def prepare(self, identity: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Make the directory, or check that what is there is of the same attack.

        Args:
          identity: JSON values that decide the matrix: ``model``, ``images``, ``options``.
          overwrite: Replace the attack that is there.

        Raises:
          InputError: If there is another attack (what differs is named), or something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: expected a directory, found a file; give another --out")
        there = self.path.is_dir() and any(self.path.iterdir())
        if there and not self._is_attack():
            raise InputError(
                f"{self.path}: isn't empty, and no attack is there (no {self.attack_file.name});"
                " give another --out"
            )
        if there and overwrite:
            shutil.rmtree(self.path)
        elif there:
            self._check_same(identity)
            return
        try:
            self.blocks_path.mkdir(parents=True, exist_ok=True)
            facts = {"schema": _SCHEMA, **identity, "versions": versions()}
            write_json(self.attack_file, facts)
        except OSError as error:
            raise InputError(f"{self.path}: can't write there ({error.strerror})") from None

    def _is_attack(self) -> bool:
        if not self.attack_file.is_file():
            return False
        stored = read_json(self.attack_file)
        return isinstance(stored, dict) and {"model", "images", "options"} <= stored.keys()

    def _check_same(self, identity: Mapping[str, Any]) -> None:
        stored = read_json(self.attack_file)
        differing = [
            f"{part}.{name} ({old.get(name)!r} -> {new.get(name)!r})"
            for part in ("model", "images", "options")
            for old, new in [(stored[part], identity[part])]
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
        if differing:
            raise InputError(
                f"{self.path}: the attack there is another; these differ: {', '.join(differing)}."
                " Give the same options, --overwrite, or another --out"
            )

    def read_block(self, start: int, rows: int, width: int) -> Block | None:
        """Return a block that is there, or None.

        Args:
          start: Its first row.
          rows: How many it has.
          width: Columns of the matrix.

        Raises:
          InputError: If it is damaged, or of another shape.
        """
        path = self._block_file(start)
        if not path.is_file():
            return None
        found = read_tensors(path)
        predictions = found.get("predictions")
        if predictions is None or predictions.shape != (rows, width) or "columns" not in found:
            shape = None if predictions is None else predictions.shape
            raise InputError(
                f"{path}: expected predictions of {rows} x {width}, found {shape}; remove the file"
                " to make it again"
            )
        return Block(start, predictions.copy(), int(found["columns"]))

    def write_block(self, block: Block) -> None:
        """Write a block, atomically, in the place of what was there."""
        tensors = {"predictions": block.predictions, "columns": np.int64(block.columns)}
        write_tensors(self._block_file(block.start), tensors)

    def write_matrix(self, predictions: Integer[np.ndarray, "F B"]) -> None:
        """Write the whole matrix as ``.npy``, atomically."""
        encoded = io.BytesIO()
        np.save(encoded, predictions, allow_pickle=False)
        write_bytes(self.matrix_file, encoded.getvalue())

    def _block_file(self, start: int) -> Path:
        return self.blocks_path / f"rows-{start:06d}.safetensors"
