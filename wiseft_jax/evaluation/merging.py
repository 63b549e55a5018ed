"""The merged model inside the step: leaves that both ends share aren't merged, layers one by one.

The one lerp is ``weights.interpolate``'s; here is only where it is applied. Of stacked layers each
is merged as the scan comes to it, so that beside the two ends one layer is in memory and not a
third model, and the first layers, where they are shared, stand apart from those that are merged.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from wiseft_jax.clip.scan_tower import ScanTower
from wiseft_jax.clip.stacking import LayerStack
from wiseft_jax.clip.towers import Tower
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.weights.interpolate import lerp

LAYERS = "encoder/vision_model/encoder/layers"
_BLOCK_BYTES = 2**22


@dataclasses.dataclass(frozen=True)
class Shared:
    """What is the same, bit for bit, at both ends.

    Attributes:
      leaves: Key paths of whole leaves, in the tower's own layout.
      layers: How many of the first layers of a stacked encoder; 0 where layers aren't stacked.
      canonical: As ``leaves``, in Hugging Face's layout; only the back-end ``delta`` reads it.
    """

    leaves: frozenset[str] = frozenset()
    layers: int = 0
    canonical: frozenset[str] = frozenset()


NOTHING_SHARED = Shared()


def find_shared(theta_0: Params, theta_1: Params) -> Shared:
    """Compare two trees of one structure, a block of bytes at a time, up to the first difference.

    Args:
      theta_0: Host or device arrays; of the latter one leaf at a time is copied to the host.
      theta_1: The same shapes.
    """
    leaves, others = flatten_paths(theta_0), flatten_paths(theta_1)
    shared, rows = set(), []
    for path, leaf in leaves.items():
        equal = _equal_bytes(leaf, others[path])
        whole = equal is None
        if whole:
            shared.add(path)
        if _is_stacked(path):
            host = np.asarray(leaf)
            rows.append(len(host) if whole else (equal or 0) // max(host[0].nbytes, 1))
    return Shared(frozenset(shared), min(rows, default=0))


def shared_under(theta: Params, prefix: str) -> Shared:
    """Return what two ends share that have all leaves under a key path in common, and no other.

    What ``find_shared`` finds in such ends, without their values.

    Args:
      theta: One end; arrays or ``jax.ShapeDtypeStruct``.
      prefix: ``"encoder/"``, for example.
    """
    leaves = flatten_paths(theta)
    shared = frozenset(path for path in leaves if path.startswith(prefix))
    rows = [leaf.shape[0] * (path in shared) for path, leaf in leaves.items() if _is_stacked(path)]
    return Shared(shared, min(rows, default=0))


def _equal_bytes(leaf: Any, other: Any) -> int | None:
    """Return how many leading bytes are known to agree; None: all, and the dtypes too."""
    if leaf is other:
        return None
    a, b = np.asarray(leaf), np.asarray(other)
    if a.dtype != b.dtype:
        return 0
    left, right = (np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in (a, b))
    for start in range(0, len(left), _BLOCK_BYTES):
        block = slice(start, start + _BLOCK_BYTES)
        different = left[block] != right[block]
        if different.any():
            return start + int(different.argmax())
    return None


def _is_stacked(path: str) -> bool:
    rest = path.removeprefix(f"{LAYERS}/")
    return rest != path and not rest.split("/")[0].isdigit()


def place_rest(layout: Layout, placed: Params, theta_1: Params, shared: Shared) -> Params:
    """Return ``theta_1`` on the devices, with the shared leaves of ``placed``: one copy of each.

    Args:
      layout: The devices.
      placed: ``theta_0``, on the devices.
      theta_1: The other end, not yet there.
      shared: What both share.
    """
    leaves = flatten_paths(placed)
    rest = {path: x for path, x in flatten_paths(theta_1).items() if path not in shared.leaves}
    leaves |= layout.place(rest)
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(placed), leaves.values())


def merged(
    theta_0: Params, theta_1: Params, alpha: Any, shared: Shared, tower: Tower, layout: Layout
) -> Params:
    """Return the model at ``alpha``, laid out as the layout says; inside a traced function.

    Args:
      theta_0: The end at alpha = 0.
      theta_1: The end at alpha = 1.
      alpha: A scalar.
      shared: What isn't merged.
      tower: The model's; a ``ScanTower`` gets its layers as ``LayerStack``s.
      layout: The devices.
    """
    ends = flatten_paths(theta_0), flatten_paths(theta_1)
    specs = {path: tuple(layout.spec(path, leaf)) for path, leaf in ends[0].items()}
    stacked = [path for path in ends[0] if isinstance(tower, ScanTower) and _is_stacked(path)]
    if any(specs[path][:1] not in ((), (None,)) for path in stacked):
        stacked = []  # layers that lie on different devices come together first
    alone = [path for path in ends[0] if path not in shared.leaves and path not in stacked]
    start, end = ({path: each[path] for path in alone} for each in ends)
    moved = lerp(start, end, alpha)
    constrained = _constrained({**ends[0], **moved}, specs, layout)
    theta = jax.tree_util.tree_unflatten(
        jax.tree_util.tree_structure(theta_0), [constrained[path] for path in ends[0]]
    )
    if stacked:  # in place of the whole leaves, which nothing reads then
        parts = [{path.removeprefix(LAYERS): end[path] for path in stacked} for end in ends]
        inner = {path.removeprefix(LAYERS): specs[path][1:] for path in stacked}
        same = {path.removeprefix(LAYERS) for path in stacked if path in shared.leaves}
        make = functools.partial(_layer, alpha=alpha, specs=inner, layout=layout)
        theta["encoder"]["vision_model"]["encoder"]["layers"] = _stacks(
            parts[0], parts[1], same, shared.layers, make
        )
    return theta


def _stacks(
    first: dict[str, Any],
    second: dict[str, Any],
    same: set[str],
    count: int,
    make: Callable[..., Params],
) -> tuple[LayerStack, ...]:
    """Return the first layers as they are, and the rest as pairs of slices to merge."""
    second = {name: leaf for name, leaf in second.items() if name not in same}
    frozen = LayerStack(({name: leaf[:count] for name, leaf in first.items()}, {}), make)
    if all(len(leaf) == count for leaf in first.values()):
        return (frozen,)
    rest = jax.tree_util.tree_map(lambda leaf: leaf[count:] if count else leaf, (first, second))
    return (frozen, LayerStack(rest, make)) if count else (LayerStack(rest, make),)


def _layer(
    slices: tuple[dict[str, Any], dict[str, Any]],
    *,
    alpha: Any,
    specs: dict[str, tuple[Any, ...]],
    layout: Layout,
) -> Params:
    """Return the parameters of one layer from its slices of both ends, the second's if it moves."""
    first, second = slices
    moved = lerp({name: first[name] for name in second}, second, alpha) if second else {}
    one = _constrained({**first, **moved}, specs, layout)
    return unflatten_paths({name.lstrip("/"): leaf for name, leaf in one.items()})


def _constrained(
    leaves: dict[str, Any], specs: dict[str, tuple[Any, ...]], layout: Layout
) -> dict[str, Any]:
    shardings = {path: NamedSharding(layout.mesh, PartitionSpec(*specs[path])) for path in leaves}
    return jax.lax.with_sharding_constraint(leaves, shardings)
