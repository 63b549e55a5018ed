"""The compiled step's configuration, its summaries of logits, and the padding of alphas."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.softmax import softmax_entropy
from wiseft_jax.evaluation.engine import (
    BACKENDS,
    CAPACITY,
    EngineConfig,
    compiled_step,
    default_chunk,
    padded_alphas,
    summarise,
    top_margin,
)
from wiseft_jax.experiment import SweepConfig

SMALL = {"w": np.zeros((1000, 250), np.float32)}


def test_the_configuration_offers_exactly_the_backends():
    assert get_args(get_type_hints(SweepConfig)["backend"]) == BACKENDS


def test_default_sizes_on_a_cpu():
    config = EngineConfig.resolve(SMALL, num_alphas=11)
    assert (config.batch_size, config.chunk_size) == (64, 1)
    assert config.layout.mesh.size == 8


def test_batch_is_rounded_up_to_the_devices_and_that_is_said(caplog):
    with caplog.at_level(logging.INFO):
        assert EngineConfig.resolve(SMALL, batch_size=9).batch_size == 16
    assert "batch size 9 -> 16, a multiple of the devices that share it" in caplog.text
    assert EngineConfig.resolve(SMALL, batch_size=9, mesh=make_mesh(1)).batch_size == 9


def test_alphas_at_once_are_a_multiple_of_their_devices(caplog):
    mesh = MeshConfig(data=2, alpha=4)
    with caplog.at_level(logging.INFO):
        config = EngineConfig.resolve(SMALL, num_alphas=11, batch_size=3, mesh=mesh)
    assert (config.batch_size, config.chunk_size) == (4, 4)
    assert "4 alphas at once, a multiple of mesh.alpha 4" in caplog.text
    assert EngineConfig.resolve(SMALL, backend="vmap", num_alphas=11, mesh=mesh).chunk_size == 12


def test_vmap_takes_all_alphas_at_once():
    assert EngineConfig.resolve(SMALL, num_alphas=11, backend="vmap").chunk_size == 11
    with pytest.raises(InputError, match="no meaning with backend 'vmap'"):
        EngineConfig.resolve(SMALL, backend="vmap", chunk_size=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "pmap"}, "unknown backend 'pmap'"),
        ({"batch_size": 0}, "batch_size: expected at least 1, found 0"),
        ({"chunk_size": -1}, "chunk_size: expected at least 1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(InputError, match=message):
        EngineConfig.resolve(SMALL, **options)


def test_chunk_by_the_size_of_the_weights_on_accelerators():
    assert default_chunk(SMALL, "cpu") == 1
    assert default_chunk(SMALL, "gpu") == 8  # 1 MB
    assert default_chunk({"w": np.zeros((4, 2**20), np.float32)}, "tpu") == 4  # 16 MiB
    assert default_chunk({"w": np.broadcast_to(np.float32(0), (86, 10**6))}, "gpu") == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 2, width=32), min_size=1, max_size=80), st.integers(1, 50))
def test_padding_keeps_every_alpha_in_order(alphas, chunk):
    groups = padded_alphas(tuple(alphas), chunk)
    assert len({padded.shape for padded, _ in groups}) == 1
    assert groups[0][0].shape[1] == chunk
    assert groups[0][0].size >= min(CAPACITY, chunk)
    kept = [padded.reshape(-1)[:count] for padded, count in groups]
    np.testing.assert_array_equal(np.concatenate(kept), np.float32(alphas))


def test_one_shape_up_to_the_capacity():
    shapes = {padded_alphas((0.5,) * count, 1)[0][0].shape for count in range(1, CAPACITY + 1)}
    assert shapes == {(CAPACITY, 1)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 7))
def test_summary_agrees_with_a_sort(seed, classes):
    logits = np.random.default_rng(seed).standard_normal((5, classes)).astype(np.float32)
    found = summarise(jnp.asarray(logits), keep_logits=True)
    ordered = np.sort(logits, axis=1)
    np.testing.assert_array_equal(found["top1"], logits.argmax(axis=1))
    np.testing.assert_array_equal(found["margin"], ordered[:, -1] - ordered[:, -2])
    np.testing.assert_allclose(found["entropy"], softmax_entropy(logits), rtol=1e-5)
    np.testing.assert_array_equal(found["logits"], logits)
    assert found["top1"].dtype == np.int32
    assert "logits" not in summarise(jnp.asarray(logits), keep_logits=False)


def test_ties_take_the_first_class_and_have_no_margin():
    found = summarise(jnp.array([[1.0, 3.0, 3.0]]), keep_logits=False)
    assert (int(found["top1"][0]), float(found["margin"][0])) == (1, 0.0)


def test_margin_of_one_class():
    assert np.isinf(top_margin(jnp.array([[2.0]]))[0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_margin_where_a_logit_is_not_finite(value):
    assert np.isnan(top_margin(jnp.array([[value]]))[0])
    for place in range(3):
        row = jnp.array([[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]]).at[0, place].set(value)
        np.testing.assert_array_equal(top_margin(row), [np.nan, 3.0])


def test_the_size_of_the_weights_is_known_without_their_values():
    shape = jax.ShapeDtypeStruct((4, 2**20), jnp.bfloat16)  # 8 MiB
    assert default_chunk({"w": shape}, "gpu") == 8
    assert default_chunk({"w": shape, "v": shape}, "gpu") == 4


def test_an_old_classifier_is_let_go(tiny):
    config = EngineConfig.resolve(tiny.theta_0)
    classifier = tiny.fresh()
    old = weakref.ref(classifier)
    compiled_step(classifier, config)
    del classifier
    for _ in range(2):
        compiled_step(tiny.fresh(), config)
    gc.collect()
    assert old() is None
