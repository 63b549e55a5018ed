"""Between the PyTorch layout of a CLIP checkpoint and Flax's, without PyTorch; strict, float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.core.typing import Params, PyTree

_FLAX_LEAVES = ("kernel", "scale", "embedding")
_IGNORED = ("position_ids",)  # buffers of old exports: arange(n)
_LISTED = 40


def from_hf(
    tensors: Mapping[str, np.ndarray], template: PyTree, source: str = "the checkpoint"
) -> Params:
    """Return a checkpoint's tensors as the parameter tree that ``template`` describes.

    Linear weights are transposed (out, in) -> (in, out), convolutions OIHW -> HWIO; a tensor that
    already has Flax names (``kernel``, ``scale``, ``embedding``) is taken as it is. float16 and
    bfloat16 are upcast. ``position_ids`` are ignored.

    Args:
      tensors: Name -> array, from ``core.tensors.read_tensors``.
      template: A tree of shapes, from ``jax.eval_shape``.
      source: What to call the checkpoint in an error.

    Returns:
      The tree, float32 host arrays.

    Raises:
      InputError: Lists every key that is missing, unknown, misshapen, not floating or not finite.
    """
    flax_layout = any(name.replace(".", "/").rsplit("/", 1)[-1] == "kernel" for name in tensors)
    remaining = {
        name.replace("/", "."): tensor
        for name, tensor in tensors.items()
        if not name.endswith(_IGNORED)
    }
    leaves: dict[str, np.ndarray] = {}
    problems: dict[str, list[str]] = {
        "missing": [],
        "unknown": [],
        "of another shape": [],
        "not floating point": [],
        "not finite": [],
    }
    for path, leaf in flatten_paths(template).items():
        name = path.replace("/", ".") if flax_layout else hf_name(path)
        if name not in remaining:
            problems["missing"].append(name)
            continue
        tensor = remaining.pop(name)
        value = tensor if flax_layout or not path.endswith("kernel") else _to_flax_kernel(tensor)
        if value.shape != leaf.shape:
            expected = leaf.shape if flax_layout else _hf_shape(path, leaf.shape)
            problems["of another shape"].append(
                f"{name} (expected {expected}, found {tensor.shape})"
            )
        elif not jnp.issubdtype(value.dtype, jnp.floating):
            problems["not floating point"].append(f"{name} ({value.dtype})")
        else:
            leaves[path] = np.array(value, np.float32, order="C")
            if not np.isfinite(leaves[path]).all():
                problems["not finite"].append(name)
    problems["unknown"] = sorted(remaining)
    faults = [f"{kind}: {_listed(names)}" for kind, names in problems.items() if names]
    if faults:
        raise InputError(
            f"{source}: the tensors don't fit the model that config.json describes. "
            + "; ".join(faults)
            + ". Check that weights and config.json belong together."
        )
    return unflatten_paths(leaves)


def to_hf(params: Params) -> dict[str, np.ndarray]:
    """Return a parameter tree under PyTorch's names and in its layout; the inverse of ``from_hf``.

    Args:
      params: A tree of arrays, a whole CLIP or a part of one.

    Returns:
      Name -> C-contiguous host array in the leaf's own dtype.
    """
    tensors = {}
    for path, leaf in flatten_paths(params).items():
        value = np.asarray(leaf)
        tensors[hf_name(path)] = np.array(
            _from_flax_kernel(value) if path.endswith("kernel") else value, order="C"
        )
    return tensors


def hf_name(path: str) -> str:
    """Return PyTorch's name of the Flax parameter at the key path ``path`` (``"a/b/kernel"``)."""
    *parents, last = path.split("/")
    return ".".join([*parents, "weight" if last in _FLAX_LEAVES else last])


def _to_flax_kernel(tensor: np.ndarray) -> np.ndarray:
    return tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.T


def _from_flax_kernel(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T


def _hf_shape(path: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if not path.endswith("kernel"):
        return shape
    return tuple(shape[axis] for axis in (3, 2, 0, 1)) if len(shape) == 4 else shape[::-1]


def _listed(names: list[Any]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
