"""Between Hugging Face's tree of parameters and one whose layers are stacked; a bijection.

The canonical tree has a subtree for each layer, ``encoder/layers/0 ... L-1``, with separate
``q_proj``, ``k_proj`` and ``v_proj``. In the stacked one ``encoder/layers`` holds each parameter
once, with a leading axis of layers, and the three projections side by side in ``qkv``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.typing import Params, PyTree

_PARTS, _FUSED = ("q_proj", "k_proj", "v_proj"), "qkv"


@dataclasses.dataclass(frozen=True)
class LayerStack:
    """Some layers that follow each other, and how the parameters of one come from what is stacked.

    Inside a traced function a tuple of these may stand where a stacked tree has ``layers``: a scan
    then makes the parameters of a layer as it comes to it, and never has those of all.

    Attributes:
      stacked: A tree whose leaves have a leading axis of layers.
      layer: From the slice of one layer to its parameters.
    """

    stacked: PyTree
    layer: Callable[[PyTree], Params] = lambda params: params


def stack_layers(tree: PyTree) -> PyTree:
    """Return a tree with its layers stacked.

    Args:
      tree: Any tree that holds canonical encoders: a CLIP, a tower of it, a classifier's theta, an
        optimizer's state; of arrays or ``jax.ShapeDtypeStruct``. What lies outside of
        ``encoder/layers`` is passed through.

    Raises:
      InputError: If the layers of an encoder are not those of a CLIP.
    """
    return _map_layers(tree, _stack)


def unstack_layers(tree: PyTree) -> PyTree:
    """Return a tree with its layers apart, as Hugging Face has it; inverse of ``stack_layers``."""
    return _map_layers(tree, _unstack)


def _map_layers(tree: PyTree, change: Callable[[Any], Any]) -> PyTree:
    def convert(node: Any) -> Any:
        if not isinstance(node, Mapping):
            return node
        if "layers" in node:
            return {**node, "layers": _run(change, node["layers"])}
        return {key: _map_layers(child, change) for key, child in node.items()}

    return jax.tree_util.tree_map(convert, tree, is_leaf=lambda node: isinstance(node, Mapping))


def _run(change: Callable[[Any], Any], layers: Any) -> Any:
    leaves = jax.tree_util.tree_leaves(layers)
    shapes = any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)
    return jax.eval_shape(change, layers) if shapes else change(layers)


def _stack(layers: Mapping[str, Any]) -> Any:
    names = [str(index) for index in range(len(layers))]
    if set(names) != set(layers):
        raise InputError(
            f"encoder/layers has the keys {', '.join(sorted(layers)[:5])}; expected the layers' "
            f"numbers, 0 to {len(layers) - 1}."
        )
    numpy = _numpy_of(layers)

    def stacked(*leaves: Any) -> Any:
        return numpy.stack(leaves)

    return jax.tree_util.tree_map(stacked, *(_fused(layers[name], numpy) for name in names))


def _fused(layer: Mapping[str, Any], numpy: Any) -> Any:
    attention = dict(layer["self_attn"])
    parts = [attention.pop(name) for name in _PARTS]
    fused = {leaf: numpy.concatenate([part[leaf] for part in parts], -1) for leaf in parts[0]}
    return {**layer, "self_attn": {**attention, _FUSED: fused}}


def _unstack(layers: Mapping[str, Any]) -> Any:
    count = len(jax.tree_util.tree_leaves(layers)[0])
    return {str(index): _separated(layers, index) for index in range(count)}


def _separated(layers: Mapping[str, Any], index: int) -> Any:
    layer = jax.tree_util.tree_map(lambda leaf: leaf[index], layers)
    attention = dict(layer["self_attn"])
    fused = attention.pop(_FUSED)
    for number, name in enumerate(_PARTS):
        attention[name] = {
            leaf: _numpy_of(value).split(value, len(_PARTS), -1)[number]
            for leaf, value in fused.items()
        }
    return {**layer, "self_attn": attention}


def _numpy_of(tree: Any) -> Any:
    """NumPy for host arrays, so that they stay on the host; else JAX's."""
    leaves = jax.tree_util.tree_leaves(tree)
    return np if all(isinstance(leaf, np.ndarray) for leaf in leaves) else jnp
