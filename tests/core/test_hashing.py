from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.core import hashing


def test_hash_bytes_tells_where_chunks_end():
    assert hashing.hash_bytes(b"ab", b"c") != hashing.hash_bytes(b"a", b"bc")
    assert hashing.hash_bytes(b"abc") != hashing.hash_bytes(b"abc", b"")
    expected = hashlib.sha256(b"\3" + bytes(7) + b"abc").hexdigest()[:16]
    assert hashing.hash_bytes(b"abc") == expected


def test_hash_json_ignores_the_order_of_keys_and_nothing_else():
    value = {"a": 1, "b": [1, 2]}
    assert hashing.hash_json(value) == hashing.hash_json({"b": [1, 2], "a": 1})
    assert hashing.hash_json(value) != hashing.hash_json({"a": 1, "b": [2, 1]})
    assert hashing.hash_json({"a": 1}) != hashing.hash_json({"a": 1.5})
    assert hashing.hash_json({"path": Path("x")}) == hashing.hash_json({"path": "x"})


def test_hash_json_is_the_same_in_another_process():
    code = "from wiseft_jax.core.hashing import hash_json; print(hash_json({'b': 'x', 'a': [1]}))"
    command = [sys.executable, "-c", code]
    environment = {"PYTHONHASHSEED": "123", "PYTHONPATH": ":".join(sys.path)}
    other = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert other.stdout.strip() == hashing.hash_json({"a": [1], "b": "x"})


def test_hash_arrays_depends_on_content_alone():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = hashing.hash_arrays({"a": array, "b": np.int32(1)})
    assert first == hashing.hash_arrays({"b": np.int32(1), "a": np.asfortranarray(array)})
    assert first == hashing.hash_arrays(
        {"a": np.stack([array, array], -1)[..., 0], "b": np.int32(1)}
    )


@pytest.mark.parametrize(
    "other",
    [
        {"b": np.zeros((2, 3), np.float32)},
        {"a": np.zeros((3, 2), np.float32)},
        {"a": np.zeros((2, 3), np.int32)},
        {"a": np.full((2, 3), -0.0, np.float32)},
        {"a": np.zeros((2, 3), np.float32), "b": np.zeros(0, np.float32)},
    ],
    ids=["name", "shape", "dtype", "sign of zero", "one more"],
)
def test_hash_arrays_sees_every_difference(other: dict[str, np.ndarray]):
    assert hashing.hash_arrays(other) != hashing.hash_arrays({"a": np.zeros((2, 3), np.float32)})
