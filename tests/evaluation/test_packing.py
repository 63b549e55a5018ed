"""Batches of fixed sizes: every wanted pair once, and the padding that is told."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.evaluation.packing import Packing


@given(
    st.integers(0, 2**16),
    st.integers(0, 6),
    st.integers(0, 70),
    st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    st.sampled_from([(1,), (32, 8, 2), (64,)]),
    st.integers(1, 3),
)
def test_every_wanted_pair_is_evaluated_once(seed, rows, columns, share, sizes, chunk):
    wanted = np.random.default_rng(seed).random((rows, columns)) < share
    packing = Packing(sizes, chunk)
    evaluated, forwards = np.zeros(wanted.shape, int), 0
    for call in packing.calls(wanted):
        assert call.size in sizes
        assert 0 < len(call.columns) <= call.size
        evaluated[np.ix_(call.rows, call.columns)] += 1
        forwards += -(-len(call.rows) // chunk) * chunk * call.size
    np.testing.assert_array_equal(evaluated, wanted)
    assert packing.forwards(wanted) == forwards
    padding = wanted.any(axis=1).sum() * (sizes[-1] - 1)
    if chunk == 1:
        assert wanted.sum() <= forwards <= wanted.sum() + padding


def test_a_large_number_is_cut_into_few_batches():
    calls = list(Packing((64, 8, 2)).calls(np.ones((3, 83), bool)))
    assert [call.size for call in calls] == [64, 8, 8, 2, 2]
    assert all(call.rows.tolist() == [0, 1, 2] for call in calls)


def test_candidates_are_padded_to_whole_chunks():
    wanted = np.ones((3, 8), bool)
    assert Packing((8,), 1).forwards(wanted) == 3 * 8
    assert Packing((8,), 4).forwards(wanted) == 4 * 8
    wanted[1, 0] = False  # other images: another call, with a chunk of its own
    assert Packing((8,), 4).forwards(wanted) == 8 * 8


def test_sizes_are_multiples_of_the_devices():
    assert Packing.of(64, make_mesh(1)).sizes == (64, 8, 2)
    assert Packing.of(64, make_mesh(8)).sizes == (64, 32, 8)
    assert Packing.of(5, make_mesh(1)).sizes == (6, 2)
    assert Packing.of(1, make_mesh(1)).sizes == (1,)
