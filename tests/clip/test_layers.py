from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.clip.layers import ACTIVATIONS, activation, layer_norm
from wiseft_jax.core.errors import InputError


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_layer_norm_equals_the_oracle(offset: float):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((2, 3, 64)) + offset).astype(np.float32)
    scale, bias = rng.standard_normal((2, 64)).astype(np.float32)
    exact = x.astype(np.float64)
    centred = exact - exact.mean(-1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * scale + bias
    found = layer_norm(jnp.asarray(x), jnp.asarray(scale), jnp.asarray(bias), 1e-5)
    # x has a spacing of 8e-6 at 100; the mean of squares would lose 4 digits there.
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1.0, offset / 10))


def test_layer_norm_of_bfloat16_is_rounded_once_at_the_end():
    x = jax.random.normal(jax.random.key(0), (4, 256)).astype(jnp.bfloat16)
    one, zero = jnp.ones(256), jnp.zeros(256)
    found = layer_norm(x, one, zero, 1e-5)
    assert found.dtype == jnp.bfloat16
    wide = layer_norm(x.astype(jnp.float32), one, zero, 1e-5)
    np.testing.assert_array_equal(found, wide.astype(jnp.bfloat16))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_that_of_transformers(name: str):
    from transformers.modeling_flax_utils import ACT2FN

    x = jnp.linspace(-6, 6, 241)
    np.testing.assert_allclose(activation(name)(x), ACT2FN[name](x), rtol=2e-6, atol=1e-6)


def test_every_activation_of_transformers_is_known():
    from transformers.modeling_flax_utils import ACT2FN

    assert ACT2FN.keys() == ACTIVATIONS.keys()


def test_an_unknown_activation_gets_a_suggestion():
    with pytest.raises(InputError, match=r"unknown hidden_act 'gelo'\. Did you mean 'gelu'"):
        activation("gelo")


def test_gelus_differ_where_they_should():
    x: Any = jnp.asarray([2.0])
    values = {name: float(activation(name)(x)[0]) for name in ("gelu", "gelu_new", "quick_gelu")}
    assert len({round(value, 4) for value in values.values()}) == 3
