"""The directory of an attack: the same attack goes on, others are refused by name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wiseft_jax.backgrounds.attack_files import AttackFiles, Block
from wiseft_jax.backgrounds.challenge import UNTRIED
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError

IDENTITY: dict[str, Any] = {
    "model": {"name": "glyphclip", "weights": "abc"},
    "images": {"fingerprint": "f0"},
    "options": {"seed": 0, "early_exit": False},
}


@pytest.fixture
def files(tmp_path: Path) -> AttackFiles:
    files = AttackFiles(tmp_path / "attack")
    files.prepare(IDENTITY)
    return files


def test_the_same_attack_goes_on(files: AttackFiles):
    block = Block(64, np.asarray([[1, 0, UNTRIED]], np.int8), 2)
    files.write_block(block)
    files.prepare(copy.deepcopy(IDENTITY))
    again = files.read_block(64, 1, 3)
    assert again is not None
    np.testing.assert_array_equal(again.predictions, block.predictions)
    assert (again.start, again.columns, again.predictions.dtype) == (64, 2, np.int8)
    assert files.read_block(0, 64, 3) is None
    assert read_json(files.attack_file)["versions"]["jax"]


@pytest.mark.parametrize(
    ("part", "name", "value", "said"),
    [
        ("model", "weights", "xyz", r"model.weights \('abc' -> 'xyz'\)"),
        ("images", "fingerprint", "f1", r"images.fingerprint \('f0' -> 'f1'\)"),
        ("options", "early_exit", True, r"options.early_exit \(False -> True\)"),
    ],
)
def test_another_attack_is_refused(
    files: AttackFiles, part: str, name: str, value: object, said: str
):
    other = copy.deepcopy(IDENTITY)
    other[part][name] = value
    with pytest.raises(InputError, match=said):
        files.prepare(other)
    files.write_block(Block(0, np.zeros((1, 1), np.int8), 1))
    files.prepare(other, overwrite=True)
    assert files.read_block(0, 1, 1) is None


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_directory_is_left_alone(overwrite: bool, tmp_path: Path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(InputError, match="isn't empty, and no attack is there"):
        AttackFiles(tmp_path).prepare(IDENTITY, overwrite=overwrite)
    assert (tmp_path / "letters.txt").read_text() == "dear"
    with pytest.raises(InputError, match="expected a directory, found a file"):
        AttackFiles(tmp_path / "letters.txt").prepare(IDENTITY)


def test_a_block_of_another_shape_is_refused(files: AttackFiles):
    files.write_block(Block(0, np.zeros((2, 3), np.int8)))
    with pytest.raises(InputError, match=r"expected predictions of 2 x 4, found \(2, 3\)"):
        files.read_block(0, 2, 4)
    next(files.blocks_path.iterdir()).write_bytes(b"broken")
    with pytest.raises(InputError, match="not a readable safetensors file"):
        files.read_block(0, 2, 3)


def test_what_is_settled():
    block = Block(0, np.asarray([[0, 1, UNTRIED], [1, 1, UNTRIED]], np.int8), 2)
    labels = np.asarray([0, 1], np.int32)
    assert block.broken(labels).tolist() == [True, False]
    assert block.settled(labels, early_exit=False) == 4
    assert block.settled(labels, early_exit=True) == 5


def test_the_matrix_is_a_plain_array(files: AttackFiles):
    matrix = np.arange(6, dtype=np.int8).reshape(2, 3)
    files.write_matrix(matrix)
    np.testing.assert_array_equal(np.load(files.matrix_file, allow_pickle=False), matrix)
