"""Randomness by name and step: one root seed, a stable hash, never Python's ``hash``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # drawing on the host loads no JAX
    import jax


def stable_hash(name: str) -> int:
    """Return a 31-bit hash of ``name`` that is the same on every machine and in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little") & 0x7FFFFFFF


def stream(root: jax.Array, name: str, step: int | jax.Array = 0) -> jax.Array:
    """Return the key of the stream ``name`` at ``step``.

    Args:
      root: A key, for example ``jax.random.key(seed)``.
      name: What the randomness is for, for example ``"mixup"``.
      step: The step; may be traced.

    Returns:
      A key that depends on nothing but the three arguments.
    """
    import jax

    return jax.random.fold_in(jax.random.fold_in(root, stable_hash(name)), step)


def numpy_stream(seed: int, name: str, step: int = 0) -> np.random.Generator:
    """Return the host-side generator of the stream ``name`` at ``step``."""
    return np.random.default_rng([seed, stable_hash(name), step])
