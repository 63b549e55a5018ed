"""What doesn't depend on alpha is taken out of the loop, with the same values and effects."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from wiseft_jax.evaluation.invariant import hoist

W = np.random.default_rng(0).random((2, 4, 4), np.float32)
X = np.random.default_rng(1).random((3, 4), np.float32)


def model(alpha, params, data):
    hidden = jnp.tanh(data @ params["first"])
    cast = params["second"].astype(jnp.bfloat16).astype(jnp.float32)
    return {"y": hidden @ (alpha * cast), "hidden": hidden, "alpha": alpha}


def trace(function=model, params=None):
    params = {"first": W[0], "second": W[1]} if params is None else params

    def whole(alphas, params, data):
        return jax.lax.map(hoist(function, alphas[0], params, data), alphas)

    return jax.make_jaxpr(whole)(jnp.arange(3.0), params, X), whole


def primitives(jaxpr) -> list[str]:
    return [eqn.primitive.name for eqn in jaxpr.eqns]


def loop(jaxpr):
    (scan,) = [eqn for eqn in jaxpr.eqns if eqn.primitive.name == "scan"]
    return scan.params["jaxpr"].jaxpr


def test_products_of_the_data_alone_come_before_the_loop():
    closed, _ = trace()
    outside, inside = primitives(closed.jaxpr), primitives(loop(closed.jaxpr))
    assert (outside.count("dot_general"), outside.count("tanh")) == (1, 1)
    assert (inside.count("dot_general"), inside.count("tanh")) == (1, 0)


def test_what_is_made_of_parameters_alone_stays_where_it_is_used():
    closed, _ = trace()
    inside = primitives(loop(closed.jaxpr))
    assert inside.count("convert_element_type") == 2
    assert primitives(closed.jaxpr).count("convert_element_type") == 0


def test_casts_move_with_the_products_that_need_them():
    def cast_first(alpha, params, data):
        return data @ params["first"].astype(jnp.bfloat16).astype(jnp.float32) + alpha

    closed, _ = trace(cast_first)
    assert primitives(closed.jaxpr).count("convert_element_type") == 2
    assert "dot_general" not in primitives(loop(closed.jaxpr))


def test_values_are_those_of_the_function():
    _, whole = trace()
    params = {"first": W[0], "second": W[1]}
    found = jax.jit(whole)(jnp.arange(3.0), params, X)
    for index in range(3):
        wanted = jax.jit(model)(jnp.float32(index), params, X)
        for name, value in wanted.items():
            # Two programs: some processors' kernels sum in another order within a loop.
            np.testing.assert_allclose(found[name][index], value, rtol=1e-6)


def test_vmap_leaves_what_is_shared_without_an_axis():
    params = {"first": W[0], "second": W[1]}

    def whole(alphas):
        return jax.vmap(hoist(model, alphas[0], params, X))(alphas)

    names = primitives(jax.make_jaxpr(whole)(jnp.arange(3.0)).jaxpr)
    assert names.count("tanh") == 1
    np.testing.assert_allclose(whole(jnp.arange(3.0))["y"][2], model(2.0, params, X)["y"], 1e-6)


def test_effects_stay_in_the_loop():
    seen = []

    def telling(alpha, params, data):
        jax.debug.callback(seen.append, jnp.sum(data))
        return alpha + jnp.sum(data)

    _, whole = trace(telling)
    jax.block_until_ready(jax.jit(whole)(jnp.arange(3.0), {"first": W[0], "second": W[1]}, X))
    jax.effects_barrier()
    assert len(seen) == 3


def test_a_function_of_nothing_but_alpha_is_left_alone():
    closed, whole = trace(lambda alpha, params, data: alpha * 2)
    np.testing.assert_array_equal(whole(jnp.arange(3.0), {}, X), [0, 2, 4])
    assert "mul" in primitives(loop(closed.jaxpr))
