from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.clip.architectures import ARCHITECTURES
from wiseft_jax.clip.canonical import canonical_template
from wiseft_jax.clip.load import published_config
from wiseft_jax.clip.stacking import stack_layers, unstack_layers
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths


def encoder(layers: int, width: int, hidden: int, seed: int = 0) -> dict[str, Any]:
    """An encoder of numbered numbers: no two leaves share a value."""
    rng = np.random.default_rng(seed)

    def linear(rows: int, columns: int) -> dict[str, np.ndarray]:
        kernel = rng.standard_normal((rows, columns)).astype(np.float32)
        return {"kernel": kernel, "bias": rng.standard_normal(columns).astype(np.float32)}

    def norm() -> dict[str, np.ndarray]:
        return {name: rng.standard_normal(width).astype(np.float32) for name in ("scale", "bias")}

    attention = ("q_proj", "k_proj", "v_proj", "out_proj")
    return {
        "layers": {
            str(index): {
                "layer_norm1": norm(),
                "layer_norm2": norm(),
                "mlp": {"fc1": linear(width, hidden), "fc2": linear(hidden, width)},
                "self_attn": {name: linear(width, width) for name in attention},
            }
            for index in range(layers)
        }
    }


def tree(layers: int = 3) -> dict[str, Any]:
    return {
        "vision_model": {"encoder": encoder(layers, 4, 6), "class_embedding": np.ones(4)},
        "text_model": {"encoder": encoder(2, 2, 4, seed=1)},
        "logit_scale": np.float32(2.0),
    }


def assert_equal(found: Any, expected: Any) -> None:
    found, expected = flatten_paths(found), flatten_paths(expected)
    assert list(found) == list(expected)
    for path, leaf in expected.items():
        np.testing.assert_array_equal(found[path], leaf, err_msg=path)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 7))
def test_stacking_is_a_bijection_bit_for_bit(layers: int, width: int, hidden: int):
    canonical = {"encoder": {"vision_model": {"encoder": encoder(layers, width, hidden)}}}
    stacked = stack_layers(canonical)
    assert_equal(unstack_layers(stacked), canonical)
    assert_equal(stack_layers(unstack_layers(stacked)), stacked)


def test_layers_keep_their_order_beyond_nine():
    canonical = {"encoder": encoder(12, 2, 2)}
    bias = stack_layers(canonical)["encoder"]["layers"]["mlp"]["fc2"]["bias"]
    for index in range(12):
        expected = canonical["encoder"]["layers"][str(index)]["mlp"]["fc2"]["bias"]
        np.testing.assert_array_equal(bias[index], expected)


def test_the_three_projections_lie_side_by_side():
    canonical = encoder(2, 3, 3)
    fused = stack_layers({"encoder": canonical})["encoder"]["layers"]["self_attn"]["qkv"]
    attention = canonical["layers"]["1"]["self_attn"]
    for number, name in enumerate(("q_proj", "k_proj", "v_proj")):
        part = slice(3 * number, 3 * number + 3)
        np.testing.assert_array_equal(fused["kernel"][1][:, part], attention[name]["kernel"])
        np.testing.assert_array_equal(fused["bias"][1][part], attention[name]["bias"])


def test_what_is_outside_of_the_layers_is_passed_through():
    canonical = tree()
    stacked = stack_layers(canonical)
    assert stacked["logit_scale"] is canonical["logit_scale"]
    assert (
        stacked["vision_model"]["class_embedding"] is canonical["vision_model"]["class_embedding"]
    )


def test_host_arrays_stay_on_the_host_and_device_arrays_on_the_device():
    for kind, values in ((np.ndarray, tree()), (jax.Array, jax.device_put(tree()))):
        for converted in (stack_layers(values), unstack_layers(stack_layers(values))):
            leaves = jax.tree_util.tree_leaves(converted["vision_model"]["encoder"])
            assert all(isinstance(leaf, kind) for leaf in leaves)


def test_an_optimizers_state_is_converted_with_its_moments():
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))
    canonical = jax.tree_util.tree_map(jnp.asarray, tree())
    moved = jax.tree_util.tree_map(lambda leaf: leaf + 1, optimizer.init(canonical))
    stacked = stack_layers(moved)
    structure = jax.tree_util.tree_structure(optimizer.init(stack_layers(canonical)))
    assert jax.tree_util.tree_structure(stacked) == structure
    assert_equal(unstack_layers(stacked), moved)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_shapes_are_stacked_as_arrays_are(name: str):
    template = canonical_template(published_config(name))
    stacked = stack_layers(template)
    config = published_config(name).vision_config
    kernel = stacked["vision_model"]["encoder"]["layers"]["self_attn"]["qkv"]["kernel"]
    width = config.hidden_size
    assert kernel.shape == (config.num_hidden_layers, width, 3 * width)
    assert flatten_paths(unstack_layers(stacked)) == flatten_paths(template)


def test_both_directions_can_be_compiled_and_differentiated():
    canonical = {"encoder": encoder(3, 4, 4)}
    there_and_back = jax.jit(lambda values: unstack_layers(stack_layers(values)))
    assert_equal(there_and_back(canonical), canonical)

    def total(stacked: Any) -> Any:
        return sum(leaf.sum() for leaf in jax.tree_util.tree_leaves(unstack_layers(stacked)))

    gradient = jax.grad(total)(stack_layers(canonical))
    assert all((leaf == 1).all() for leaf in jax.tree_util.tree_leaves(gradient))


def test_missing_layers_are_reported():
    canonical = encoder(3, 2, 2)
    del canonical["layers"]["1"]
    with pytest.raises(InputError, match=r"the keys 0, 2; expected the layers' numbers, 0 to 1"):
        stack_layers({"encoder": canonical})
