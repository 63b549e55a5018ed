from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.core import trees
from wiseft_jax.core.errors import InputError


def small_tree() -> dict:
    return {
        "head": {"bias": np.zeros(2, np.float32), "kernel": np.ones((3, 2), np.float32)},
        "encoder": {"layers": {"0": {"scale": np.float32(1)}}},
    }


def test_flatten_paths_names_every_leaf_in_the_order_of_jax():
    flat = trees.flatten_paths(small_tree())
    assert list(flat) == ["encoder/layers/0/scale", "head/bias", "head/kernel"]
    leaves = jax.tree_util.tree_leaves(small_tree())
    assert [np.shape(leaf) for leaf in flat.values()] == [np.shape(leaf) for leaf in leaves]


def test_paths_of_sequences_and_attributes():
    assert list(trees.flatten_paths({"a": [1, (2, 3)]})) == ["a/0", "a/1/0", "a/1/1"]


def test_unflatten_is_the_inverse():
    tree = small_tree()
    again = trees.unflatten_paths(trees.flatten_paths(tree))
    assert jax.tree_util.tree_structure(again) == jax.tree_util.tree_structure(tree)
    assert again["head"]["kernel"] is tree["head"]["kernel"]


def test_the_same_structure_passes():
    trees.check_same_structure(small_tree(), jax.tree_util.tree_map(np.copy, small_tree()))


def test_missing_unknown_and_misshapen_leaves_are_all_named():
    found, expected = small_tree(), small_tree()
    del found["encoder"]
    found["extra"] = np.zeros(1)
    found["head"]["kernel"] = np.ones((2, 3), np.float32)
    with pytest.raises(InputError) as caught:
        trees.check_same_structure(found, expected, name="fine-tuned", expected_name="zero-shot")
    message = str(caught.value)
    assert "missing from fine-tuned: encoder/layers/0/scale" in message
    assert "not in zero-shot: extra" in message
    assert "head/kernel: fine-tuned has (2, 3), zero-shot has (3, 2)" in message
    assert "head/bias" not in message


def test_a_long_list_of_differences_is_cut_and_counted():
    expected = {f"leaf{i}": np.zeros(1) for i in range(8)}
    with pytest.raises(InputError, match=re.escape("leaf4 and 3 more")):
        trees.check_same_structure({}, expected)


def test_count_parameters():
    assert trees.count_parameters(small_tree()) == 1 + 2 + 6
    assert trees.count_parameters({}) == 0


def test_hash_tree_sees_values_and_paths():
    tree = small_tree()
    first = trees.hash_tree(tree)
    assert first == trees.hash_tree(jax.tree_util.tree_map(jnp.asarray, tree))
    tree["head"]["bias"] = np.array([0, 1e-30], np.float32)
    assert trees.hash_tree(tree) != first
    moved = {"head": {"bias": small_tree()["head"]["bias"]}, "kernel": 1}
    assert trees.hash_tree(moved) != trees.hash_tree({"head": {"kernel": 1}, "bias": 1})
