"""Laws of the lerp (hypothesis), a NumPy oracle, traps at the ends, and where it runs."""

from __future__ import annotations

import logging

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import DATA_AXIS, Layout, make_mesh
from wiseft_jax.weights import lerp

SPECIAL = np.array([-0.0, 0.0, np.nan, np.inf, -np.inf, 1.5, -2.5, 3.4e38], np.float32)
DTYPES = (np.float32, np.float16, ml_dtypes.bfloat16)
ALPHAS = st.floats(0, 1, width=32, allow_subnormal=False)
NUMBERS = st.floats(-1e3, 1e3, width=32, allow_subnormal=False)
SETTINGS = settings(max_examples=40, deadline=None)


def arrays(elements=NUMBERS):
    return hnp.arrays(np.float32, (7,), elements=elements)


def bits(leaf) -> bytes:
    return np.asarray(leaf).tobytes()


def special_trees(dtype) -> tuple[dict, dict]:
    pairs = np.stack(np.meshgrid(SPECIAL, SPECIAL)).reshape(2, -1)
    with np.errstate(over="ignore"):
        first, second = pairs.astype(dtype)
    return {"a": {"w": first}}, {"a": {"w": second}}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", ["eager", "jit", "vmap", "map"])
def test_ends_are_returned_bit_for_bit(dtype, how):
    ends = special_trees(dtype)
    alphas = jnp.array([0.0, 1.0])
    many = {
        "eager": lambda: [lerp(*ends, 0), lerp(*ends, 1)],
        "jit": lambda: [jax.jit(lerp)(*ends, alpha) for alpha in alphas],
        "vmap": lambda: jax.vmap(lerp, (None, None, 0))(*ends, alphas),
        "map": lambda: jax.jit(lambda a: jax.lax.map(lambda alpha: lerp(*ends, alpha), a))(alphas),
    }[how]()
    for index, end in enumerate(ends):
        found = many[index] if how in ("eager", "jit") else {"a": {"w": many["a"]["w"][index]}}
        assert found["a"]["w"].dtype == dtype
        assert bits(found["a"]["w"]) == bits(end["a"]["w"])


def test_minus_zero_alpha_is_the_zero_shot_end():
    ends = special_trees(np.float32)
    assert bits(lerp(*ends, -0.0)["a"]["w"]) == bits(ends[0]["a"]["w"])


@SETTINGS
@given(arrays(), arrays(), st.floats(-1, 2, width=32, allow_subnormal=False))
def test_agrees_with_numpy_in_double_precision(a, b, alpha):
    expected = (1 - np.float64(alpha)) * a.astype(np.float64) + np.float64(alpha) * b
    scale = np.abs(a) + np.abs(b) + 1e-30
    error = np.abs(np.asarray(lerp({"w": a}, {"w": b}, alpha)["w"]) - expected) / scale
    assert error.max() <= 4 * np.finfo(np.float32).eps


@SETTINGS
@given(arrays(), arrays(), ALPHAS)
def test_swapping_the_ends_mirrors_alpha(a, b, alpha):
    mirrored = np.float32(1) - np.float32(alpha)
    left, right = lerp({"w": a}, {"w": b}, alpha), lerp({"w": b}, {"w": a}, mirrored)
    np.testing.assert_allclose(left["w"], right["w"], rtol=1e-5, atol=2e-4)


@SETTINGS
@given(arrays(), arrays(), ALPHAS)
def test_lies_between_the_ends(a, b, alpha):
    found = np.asarray(lerp({"w": a}, {"w": b}, alpha)["w"])
    # XLA's CPU programs flush subnormal products to zero.
    slack = 1e-6 * (np.abs(a) + np.abs(b)) + 2 * np.finfo(np.float32).tiny
    assert (found >= np.minimum(a, b) - slack).all()
    assert (found <= np.maximum(a, b) + slack).all()


@SETTINGS
@given(arrays(), ALPHAS)
def test_equal_ends_stay(a, alpha):
    found = np.asarray(lerp({"w": a}, {"w": a.copy()}, alpha)["w"])
    np.testing.assert_allclose(found, a, rtol=3e-7, atol=2 * float(np.finfo(np.float32).tiny))


def test_ema_identity():
    """An EMA from theta_0 is WiSE-FT with alpha = 1 - b^T towards the debiased EMA."""
    rng, decay, steps = np.random.default_rng(0), 0.9, 12
    theta_0 = rng.standard_normal(50)
    mu, debiased = theta_0, np.zeros(50)
    for _ in range(steps):
        theta = rng.standard_normal(50)
        mu = decay * mu + (1 - decay) * theta
        debiased = decay * debiased + (1 - decay) * theta
    alpha = 1 - decay**steps
    ends = {"w": theta_0.astype(np.float32)}, {"w": (debiased / alpha).astype(np.float32)}
    np.testing.assert_allclose(lerp(*ends, alpha)["w"], mu, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_eager_jit_vmap_and_eight_devices_agree(dtype, size):
    """To one rounding: XLA fuses multiply and add in one loop and not in another."""
    rng = np.random.default_rng(size)
    ends = [
        {"w": rng.standard_normal((8, size)).astype(dtype), "b": np.ones(1, dtype)} for _ in "01"
    ]
    sharding = jax.sharding.NamedSharding(make_mesh(), jax.sharding.PartitionSpec(DATA_AXIS))
    sharded = [
        {"w": jax.device_put(e["w"], sharding), **Layout(make_mesh()).place({"b": e["b"]})}
        for e in ends
    ]
    for alpha in (0.1, 0.37, 0.5, 1.3, -0.2):
        eager = lerp(*ends, alpha)
        stacked = jax.vmap(lerp, (None, None, 0))(*ends, jnp.array([0.9, alpha]))
        on_eight = jax.jit(lerp)(*sharded, alpha)
        assert on_eight["w"].sharding.is_equivalent_to(sharding, 2)
        assert lerp(*sharded, alpha)["w"].sharding.is_equivalent_to(sharding, 2)
        for other in (
            jax.jit(lerp)(*ends, alpha),
            {name: leaf[1] for name, leaf in stacked.items()},
            on_eight,
            lerp(*sharded, alpha),
        ):
            for name in ("w", "b"):
                scale = sum(np.abs(end[name].astype(np.float32)) for end in ends)
                found, wanted = (np.asarray(x[name], np.float32) for x in (other, eager))
                bound = float(jnp.finfo(dtype).eps) * scale * max(1, abs(alpha))
                assert (np.abs(found - wanted) <= bound).all()


def test_low_precision_is_mixed_in_float32():
    a, b = np.array([256.0], ml_dtypes.bfloat16), np.array([258.0], ml_dtypes.bfloat16)
    third = (1 - np.float32(1 / 3)) * a.astype(np.float32) + np.float32(1 / 3) * b.astype(
        np.float32
    )
    found = lerp({"w": a}, {"w": b}, 1 / 3)["w"]
    assert found.dtype == jnp.bfloat16
    assert bits(found) == bits(third.astype(ml_dtypes.bfloat16))


def test_result_has_the_dtype_of_theta_0():
    a, b = np.ones(3, ml_dtypes.bfloat16), np.full(3, 1.001, np.float32)
    assert lerp({"w": a}, {"w": b}, 0.5)["w"].dtype == jnp.bfloat16
    assert bits(lerp({"w": a}, {"w": b}, 1)["w"]) == bits(b.astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_derivative_by_alpha_is_the_difference_even_at_the_ends(alpha):
    a, b = np.array([1.0, 2.0], np.float32), np.array([4.0, -1.0], np.float32)

    def total(x):
        return jnp.sum(lerp({"w": a}, {"w": b}, x)["w"])

    assert float(jax.grad(total)(alpha)) == pytest.approx(0.0 + (4 - 1) + (-1 - 2))
    grads = jax.grad(lambda x, y: jnp.sum(lerp(x, y, alpha)["w"]), (0, 1))({"w": a}, {"w": b})
    np.testing.assert_allclose(grads[0]["w"], np.full(2, 1 - alpha), rtol=1e-6)
    np.testing.assert_allclose(grads[1]["w"], np.full(2, alpha), rtol=1e-6)


def test_integers_and_booleans_are_copied(caplog):
    a = {"i": np.array([1, 2]), "flag": np.array([True]), "w": np.zeros(2, np.float32)}
    b = {"i": np.array([1, 5]), "flag": np.array([True]), "w": np.ones(2, np.float32)}
    with caplog.at_level(logging.WARNING):
        half = lerp(a, b, 0.5)
    assert "i: int" in caplog.text
    assert "flag" not in caplog.text
    assert half["i"].tolist() == [1, 2]
    assert half["flag"].dtype == bool
    assert lerp(a, b, 1)["i"].tolist() == [1, 5]
    assert jax.jit(lerp)(a, b, 0.5)["i"].tolist() == [1, 2]


def test_keeps_structure_and_scalars():
    tree = {"a": [np.float32(1), {}], "b": (np.zeros((2, 3), np.float32),)}
    found = lerp(tree, tree, 0.25)
    assert jax.tree_util.tree_structure(found) == jax.tree_util.tree_structure(tree)
    assert found["a"][0].shape == ()
    assert lerp({}, {}, 0.5) == {}


def test_other_structure_or_shape_names_key_path_and_shapes():
    a = {"encoder": {"kernel": np.zeros((2, 3), np.float32)}}
    with pytest.raises(ValueError, match=r"encoder/kernel.*\(3, 2\).*\(2, 3\)"):
        lerp(a, {"encoder": {"kernel": np.zeros((3, 2), np.float32)}}, 0.5)
    with pytest.raises(InputError, match="missing from theta_1: encoder/kernel"):
        lerp(a, {"encoder": {"bias": np.zeros(3, np.float32)}}, 0.5)


@pytest.mark.parametrize("alpha", [float("nan"), float("inf"), np.float32("-inf")])
def test_refuses_an_alpha_that_is_not_finite(alpha):
    with pytest.raises(InputError, match="finite"):
        lerp({"w": np.zeros(2)}, {"w": np.zeros(2)}, alpha)


def test_refuses_several_alphas_and_complex_leaves():
    with pytest.raises(InputError, match=r"shape \(2,\).*vmap"):
        lerp({"w": np.zeros(2)}, {"w": np.zeros(2)}, np.zeros(2))
    with pytest.raises(InputError, match="layer/w: expected real numbers, found complex64"):
        lerp({"layer": {"w": np.zeros(2, complex)}}, {"layer": {"w": np.zeros(2, complex)}}, 0.5)


def test_extrapolates():
    found = lerp({"w": np.array([1.0])}, {"w": np.array([3.0])}, 1.5)["w"]
    np.testing.assert_allclose(found, [4.0])
