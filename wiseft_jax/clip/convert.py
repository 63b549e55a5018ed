"""Between the layout of a CLIP checkpoint and Flax's, without PyTorch; strict, float32."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from wiseft_jax.clip.reading import (
    AS_STORED,
    Reading,
    neutral_value,
    option_text,
    state_filled,
    state_left_out,
)
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.core.typing import Params, PyTree

_FLAX_LEAVES = ("kernel", "scale", "embedding")
_IGNORED = ("position_ids",)  # buffers of old exports: arange(n)
_LISTED = 40


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a parameter lies in a file.

    Attributes:
      name: The tensor's.
      layout: ``same`` as ours; or PyTorch's ``kernel``: (out, in) for our (in, out), OIHW for HWIO.
      third: Which third of the tensor it is, along its first axis; None for all of it.
    """

    name: str
    layout: Literal["same", "kernel"] = "same"
    third: int | None = None


def from_hf(
    tensors: Mapping[str, np.ndarray],
    template: PyTree,
    source: str = "the checkpoint",
    reading: Reading | None = None,
) -> Params:
    """Return a checkpoint's tensors as the parameter tree that ``template`` describes.

    Linear weights are transposed (out, in) -> (in, out), convolutions OIHW -> HWIO; a tensor that
    already has Flax names (``kernel``, ``scale``, ``embedding``) is taken as it is. float16 and
    bfloat16 are upcast. ``position_ids`` are ignored.

    Args:
      tensors: Name -> array, from ``core.tensors.read_tensors``.
      template: A tree of shapes, from ``jax.eval_shape``.
      source: What to call the checkpoint in an error.
      reading: What may be missing or in excess; None where nothing may, and no option says so.

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

    def flax_place(path: str) -> Place:
        return Place(path.replace("/", "."))

    return from_places(
        remaining, template, flax_place if flax_layout else hf_place, source, reading
    )


def from_places(
    tensors: Mapping[str, np.ndarray],
    template: PyTree,
    place_of: Callable[[str], Place],
    source: str,
    reading: Reading | None = None,
    described_by: str | None = "config.json",
) -> Params:
    """Return the tree that ``template`` describes from where its leaves lie; see ``from_hf``.

    Args:
      tensors: Name -> array.
      template: A tree of shapes.
      place_of: From a key path of the template to its place.
      source: What to call the checkpoint in an error.
      reading: What may be missing or in excess. A missing bias becomes 0, a missing scale 1, said
        in a line; other tensors have no neutral value and are never made up. None where nothing
        may, and no option says so.
      described_by: The file that ``template`` is from, for an error; None where it is from the
        shapes of the tensors.

    Raises:
      InputError: Lists every fault, by the file's names.
    """
    allows = (reading or AS_STORED).allows
    leaves: dict[str, np.ndarray] = {}
    filled: list[str] = []
    kinds = ("missing", "unknown", "of another shape", "not floating point", "not finite")
    problems: dict[str, dict[str, str]] = {kind: {} for kind in kinds}
    used: set[str] = set()
    escapable: set[str] = set()
    for path, leaf in flatten_paths(template).items():
        place = place_of(path)
        name = place.name
        used.add(name)
        if name not in tensors:
            neutral = neutral_value(path)
            if not allows(name) or neutral is None:
                problems["missing"][name] = name
                escapable |= {name} if neutral is not None else set()
                continue
            leaves[path] = np.full(leaf.shape, neutral, np.float32)
            filled += [name] if name not in filled else []
            continue
        tensor, expected = tensors[name], _stored_shape(place, leaf.shape)
        if tensor.shape != expected:
            described = f"{name} (expected {expected}, found {tensor.shape})"
            problems["of another shape"][name] = described
        elif not jnp.issubdtype(tensor.dtype, jnp.floating):
            problems["not floating point"][name] = f"{name} ({tensor.dtype})"
        else:
            leaves[path] = np.array(_taken(place, tensor), np.float32, order="C")
            if not np.isfinite(leaves[path]).all():
                problems["not finite"][name] = name
    extra = sorted(tensors.keys() - used)
    problems["unknown"] = {name: name for name in extra if not allows(name)}
    if any(problems.values()):
        escapable |= problems["unknown"].keys()
        escape = _escape(escapable) if reading else ""
        not_made_up = _not_made_up([name for name in problems["missing"] if allows(name)])
        raise InputError(_misfit(source, described_by, problems) + not_made_up + escape)
    state_left_out(source, [name for name in extra if allows(name)])
    state_filled(source, filled)
    return unflatten_paths(leaves)


def to_hf(params: Params) -> dict[str, np.ndarray]:
    """Return a parameter tree under PyTorch's names and in its layout; the inverse of ``from_hf``.

    Args:
      params: A tree of arrays, a whole CLIP or a part of one.

    Returns:
      Name -> C-contiguous host array in the leaf's own dtype.
    """
    return to_places(params, hf_place)


def to_places(params: Params, place_of: Callable[[str], Place]) -> dict[str, np.ndarray]:
    """Return a tree's leaves as they lie in a file; the inverse of ``from_places``.

    Args:
      params: A tree of arrays.
      place_of: From a key path to its place; of thirds, all three are in ``params``.

    Returns:
      Name -> C-contiguous host array in the leaf's own dtype.
    """
    tensors: dict[str, np.ndarray] = {}
    thirds: dict[str, dict[int, np.ndarray]] = {}
    for path, leaf in flatten_paths(params).items():
        place, value = place_of(path), np.asarray(leaf)
        stored = _from_flax_kernel(value) if place.layout == "kernel" else value
        if place.third is None:
            tensors[place.name] = np.array(stored, order="C")
        else:
            thirds.setdefault(place.name, {})[place.third] = stored
    for name, parts in thirds.items():
        whole = np.concatenate([parts[index] for index in range(3)])
        tensors[name] = np.array(whole, order="C")
    return tensors


def hf_place(path: str) -> Place:
    """Return where the Flax parameter at the key path ``path`` lies in transformers' files."""
    return Place(hf_name(path), "kernel" if path.endswith("kernel") else "same")


def hf_name(path: str) -> str:
    """Return PyTorch's name of the Flax parameter at the key path ``path`` (``"a/b/kernel"``)."""
    *parents, last = path.split("/")
    return ".".join([*parents, "weight" if last in _FLAX_LEAVES else last])


def _taken(place: Place, tensor: np.ndarray) -> np.ndarray:
    if place.third is not None:
        tensor = np.split(tensor, 3)[place.third]
    if place.layout == "same":
        return tensor
    return tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.T


def _from_flax_kernel(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T


def _stored_shape(place: Place, shape: tuple[int, ...]) -> tuple[int, ...]:
    if place.layout == "kernel":
        shape = tuple(shape[axis] for axis in (3, 2, 0, 1)) if len(shape) == 4 else shape[::-1]
    return shape if place.third is None else (3 * shape[0], *shape[1:])


def _misfit(
    source: str, described_by: str | None, problems: Mapping[str, Mapping[str, str]]
) -> str:
    faults = [f"{kind}: {_listed(list(of.values()))}" for kind, of in problems.items() if of]
    told_by = f"{described_by} describes" if described_by else "their shapes tell"
    belong = f" Check that weights and {described_by} belong together." if described_by else ""
    return f"{source}: the tensors don't fit the model that {told_by}. {'; '.join(faults)}.{belong}"


def _not_made_up(names: list[str]) -> str:
    """Say of missing tensors that are allowed to be, and have no neutral value, what remains."""
    if not names:
        return ""
    return (
        f" Missing weights are never made up, allowed or not ({_listed(names[:5])}); a text side"
        f" can be taken from another CLIP ({option_text('base')})."
    )


def _escape(names: set[str]) -> str:
    """Say how tensors that are unknown, or missing but with a neutral value, can be allowed."""
    if not names:
        return ""
    return (
        " Unknown tensors can be left out, and missing biases and scales be taken as 0 and 1: name"
        f" them or a pattern of them ({option_text('allow_missing')})."
    )


def _listed(names: list[Any]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
