"""Parameter trees: key paths, structure checks, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_arrays
from wiseft_jax.core.typing import Params, PyTree

_LISTED = 5


def key_path(path: tuple[Any, ...]) -> str:
    """Return a JAX key path as ``"a/b/c"``."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def flatten_paths(tree: PyTree) -> dict[str, Any]:
    """Return the leaves of ``tree`` by their ``"a/b/c"`` key paths, in the tree's order."""
    return {key_path(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def unflatten_paths(leaves: Mapping[str, Any]) -> Params:
    """Return the nested dictionary of leaves that are named by ``"a/b/c"`` key paths."""
    tree: Params = {}
    for path, leaf in leaves.items():
        *parents, last = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return tree


def check_same_structure(
    tree: PyTree, expected: PyTree, *, name: str = "theta_1", expected_name: str = "theta_0"
) -> None:
    """Raise unless two trees have the same key paths and the same shapes.

    Raises:
      InputError: Names the first key paths that are missing, unknown, or of another shape.
    """
    found, wanted = flatten_paths(tree), flatten_paths(expected)
    problems = []
    for label, keys in (
        (f"missing from {name}", wanted.keys() - found.keys()),
        (f"not in {expected_name}", found.keys() - wanted.keys()),
    ):
        if keys:
            more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
            problems.append(f"{label}: {', '.join(sorted(keys)[:_LISTED])}{more}")
    shapes = [
        f"{path}: {name} has {np.shape(found[path])}, {expected_name} has {np.shape(leaf)}"
        for path, leaf in wanted.items()
        if path in found and np.shape(found[path]) != np.shape(leaf)
    ]
    problems += shapes[:_LISTED]
    if problems:
        raise InputError(
            f"{name} and {expected_name} are not trees of the same model: " + "; ".join(problems)
        )


def count_parameters(tree: PyTree) -> int:
    """Return the number of scalars in ``tree``."""
    return sum(int(np.prod(np.shape(leaf))) for leaf in jax.tree_util.tree_leaves(tree))


def hash_tree(tree: PyTree) -> str:
    """Return the content hash of a parameter tree (paths, dtypes, shapes, bytes)."""
    return hash_arrays(flatten_paths(tree))
