"""Stable content hashes of bytes, JSON values and arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def hash_bytes(*chunks: bytes) -> str:
    """Return the first 16 hex digits of the SHA-256 of ``chunks``, lengths included."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(len(chunk).to_bytes(8, "little"))
        digest.update(chunk)
    return digest.hexdigest()[:16]


def hash_json(value: Any) -> str:
    """Return the hash of a JSON value; the order of keys doesn't matter."""
    return hash_bytes(json.dumps(value, sort_keys=True, default=str).encode())


def hash_arrays(arrays: Mapping[str, Any]) -> str:
    """Return the hash of named arrays: names, dtypes, shapes and bytes; any order of names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name}|{array.dtype}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
