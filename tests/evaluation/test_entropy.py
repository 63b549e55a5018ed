"""The entropy of a softmax: by hand, in two ways, within bounds, for very sure predictions."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wiseft_jax.core.softmax import softmax_entropy
from wiseft_jax.evaluation.entropy import entropy_of_logits

LOGITS = hnp.arrays(
    np.float32,
    st.tuples(st.just(4), st.integers(1, 6)),
    elements=st.floats(-100, 100, width=32),
)


def compiled(logits: np.ndarray) -> np.ndarray:
    return np.asarray(jax.jit(entropy_of_logits)(jnp.asarray(logits)))


@pytest.mark.parametrize("entropy", [compiled, softmax_entropy])
def test_by_hand(entropy):
    z = np.array([[0.0, 0.0], [100.0, 0.0], [np.log(3), 0.0]], np.float32)
    by_hand = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    np.testing.assert_allclose(entropy(z), [math.log(2), 0, by_hand], atol=1e-7)
    assert (entropy(np.ones((2, 1), np.float32)) == 0).all()


@given(LOGITS)
def test_both_agree_with_a_sum_over_classes(logits):
    """Relative to the entropy itself, however small: nothing cancels in the compiled one."""
    z = logits.astype(np.float64)
    behind = z.max(axis=1, keepdims=True) - z
    total = np.exp(-behind).sum(axis=1, keepdims=True)
    p = np.exp(-behind) / total
    # log1p of what the others add: log(total) loses them below 1e-16.
    rest = np.where(np.arange(z.shape[1])[None] == z.argmax(1)[:, None], 0, np.exp(-behind))
    expected = np.log1p(rest.sum(axis=1)) + (p * behind).sum(axis=1)
    found = compiled(logits)
    assert found.dtype == np.float32
    # exp(-x) of float32 is off by x roundings. Where it is subnormal it may become 0, and with it
    # its part of the sum, which is up to 1 + x times as much; x is at most 88 there.
    flushed = np.finfo(np.float32).tiny * (1 + 88) * (logits.shape[1] - 1)
    np.testing.assert_allclose(found, expected, rtol=3e-5, atol=flushed)
    np.testing.assert_allclose(softmax_entropy(logits), expected, rtol=1e-9, atol=1e-13)
    assert (found >= 0).all()
    assert (found <= math.log(logits.shape[1]) + 1e-6).all()


@given(LOGITS, st.integers(-50, 50))
def test_a_constant_added_changes_nothing(logits, constant):
    whole = np.round(logits)  # so that the sum is exact
    np.testing.assert_array_equal(compiled(whole + np.float32(constant)), compiled(whole))


def test_very_sure_predictions_differ():
    found = compiled(np.array([[30.0, 0.0], [31.0, 0.0]], np.float32))
    assert found[0] > 2 * found[1] > 0


@pytest.mark.parametrize("entropy", [compiled, softmax_entropy])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_is_known_where_a_logit_is_not_finite(entropy, value):
    z = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], np.float32)
    z[0, 1] = value
    found = entropy(z)
    assert found[0] == pytest.approx(math.log(3))
    assert found[1] < 0.9
