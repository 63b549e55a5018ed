"""Cheap checksums of arrays, whatever devices they lie on: notice a disk's faults.

Identity is ``hash_tree``'s concern. A checksum here is a sum over all elements, so that each device
adds up its own part and the way in which an array is split makes no difference.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped, UInt32

from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.core.typing import PyTree

_WORDS = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint32}


def checksums(tree: PyTree) -> dict[str, int]:
    """Return a 32-bit checksum of each leaf's dtype, shape and elements, by key path.

    With several processes, arrays that are spread over them make it a collective: all of them must
    call it with the same tree. Nothing large is copied to the host; arrays of the host are summed
    on the default device.

    Args:
      tree: NumPy or JAX arrays.
    """
    leaves = flatten_paths(tree)
    sums = jax.device_get({name: _sum(_words(leaf)) for name, leaf in leaves.items()})
    return {
        name: zlib.crc32(f"{leaf.dtype}|{leaf.shape}|{int(sums[name])}".encode())
        for name, leaf in leaves.items()
    }


def differing(found: Mapping[str, int], wanted: Mapping[str, int]) -> list[str]:
    """Return the names whose checksums differ, or that only one of the two has."""
    return sorted(
        name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)
    )


def _words(leaf: Any) -> Any:
    """Return an array that a device takes without changing it: 64 bits as two words."""
    if isinstance(leaf, jax.Array):
        return leaf
    array = np.asarray(leaf)
    if array.dtype.itemsize < 8:
        return array
    return np.ascontiguousarray(array)[..., None].view(np.uint32)


@jax.jit
def _sum(array: Shaped[Array, "*shape"]) -> UInt32[Array, ""]:
    """Return the sum of all words, each mixed with its position.

    For one position the mixing is a bijection of the word, so that a change of a single word always
    shows; several escape with a probability of 2^-32, as with a CRC. The multiplier and the shifts
    are those of https://nullprogram.com/blog/2018/07/31/ (the first round of ``lowbias32``).
    """
    if array.dtype == jnp.bool_:
        array = array.astype(jnp.uint8)
    words = jax.lax.bitcast_convert_type(array, _WORDS[array.dtype.itemsize]).astype(jnp.uint32)
    position = jnp.zeros(words.shape, jnp.uint32)
    for axis, length in enumerate(words.shape):
        along = jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis)
        position = position * np.uint32(length) + along
    mixed = words ^ position * np.uint32(0x9E3779B1)
    mixed = (mixed ^ mixed >> 16) * np.uint32(0x7FEB352D)
    return jnp.sum(mixed ^ mixed >> 15, dtype=jnp.uint32)
