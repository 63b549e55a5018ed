"""The platform that a program is traced for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from wiseft_jax.clip.matmul import dense
from wiseft_jax.core.platform import compiling_for, target_platform


def test_it_is_the_default_backend_unless_said_otherwise():
    assert target_platform() == jax.default_backend() == "cpu"
    with compiling_for("tpu"):
        assert target_platform() == "tpu"
        with compiling_for("gpu"):
            assert target_platform() == "gpu"
        assert target_platform() == "tpu"
    assert target_platform() == "cpu"


def test_an_error_ends_it_too():
    with pytest.raises(KeyError), compiling_for("tpu"):
        raise KeyError
    assert target_platform() == "cpu"


def test_products_are_traced_for_the_target():
    x = jax.ShapeDtypeStruct((4, 8), jnp.bfloat16)
    kernel = jax.ShapeDtypeStruct((8, 2), jnp.float32)

    def product_dtype() -> str:
        jaxpr = jax.make_jaxpr(lambda x, kernel: dense(x, kernel, None, "bfloat16"))(x, kernel)
        text = str(jaxpr)
        line = next(line for line in text.splitlines() if "dot_general" in line)
        return line.split(":")[1].split("[")[0]

    assert product_dtype() == "f32"
    with compiling_for("tpu"):
        assert product_dtype() == "bf16"
