"""Linear probes by L-BFGS against scikit-learn's logistic regression."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from wiseft_jax.core.errors import InputError, NonFiniteLossError
from wiseft_jax.training.lbfgs_probe import fit_probe


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    features, labels = load_digits(return_X_y=True)
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), labels.astype(np.int32)


def centred(logits: np.ndarray) -> np.ndarray:
    """A softmax doesn't see what is added to all logits."""
    return logits - logits.mean(axis=1, keepdims=True)


@pytest.mark.parametrize(("c", "atol"), [(0.01, 0.005), (1.0, 0.1)])
def test_it_is_scikit_learns_minimum(digits: tuple[np.ndarray, np.ndarray], c: float, atol: float):
    features, labels = digits[0][:600], digits[1][:600]
    head = fit_probe(features, labels, 10, [c]).head
    mean, deviation = features.mean(0), features.std(0)
    deviation = np.where(deviation > 0, deviation, 1)
    reference = LogisticRegression(C=c, tol=1e-8, max_iter=10_000, solver="newton-cholesky")
    reference.fit((features - mean) / deviation, labels)
    kernel = reference.coef_.T / deviation[:, None]
    expected = digits[0] @ kernel + reference.intercept_ - mean @ kernel
    found = digits[0] @ head["kernel"] + head["bias"]
    assert np.abs(centred(found)).max() > 5
    np.testing.assert_allclose(centred(found), centred(expected), rtol=0, atol=atol)


def test_validation_chooses_and_of_equals_the_smallest_wins(
    digits: tuple[np.ndarray, np.ndarray], caplog: pytest.LogCaptureFixture
):
    features, labels = digits
    validation = features[600:], labels[600:]
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        probe = fit_probe(features[:600], labels[:600], 10, [1.0, 1e-4], validation)
    accuracies = dict(probe.accuracies)
    assert list(accuracies) == [1e-4, 1.0]
    assert probe.c == max(accuracies, key=lambda c: (accuracies[c], -c)) == 1.0
    assert "linear probe, C = 1: " in caplog.text
    own = features[:50], labels[:50]
    perfect = fit_probe(*own, 10, [1e3, 1e4], own)
    assert [accuracy for _, accuracy in perfect.accuracies] == [1.0, 1.0]
    assert perfect.c == 1e3


def test_a_constant_feature_and_an_absent_class_do_no_harm():
    random = np.random.default_rng(0)
    features = random.normal(size=(40, 3)).astype(np.float32)
    features[:, 1] = 0.25
    labels = (features[:, 0] > 0).astype(np.int32)
    head = fit_probe(features, labels, 3, [10.0]).head
    logits = features @ head["kernel"] + head["bias"]
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(logits.argmax(1), labels)


def test_several_penalties_need_something_to_choose_on():
    with pytest.raises(InputError, match=r"probe_c: several values need validation images"):
        fit_probe(np.zeros((4, 2), np.float32), np.zeros(4, np.int32), 2, [1.0, 2.0])


TOO_SMALL = 1e-45
"""Its penalty 1 / (C N) is infinite in float32, so the loss is NaN."""


def test_a_probe_that_is_not_finite_is_never_chosen(
    digits: tuple[np.ndarray, np.ndarray], caplog: pytest.LogCaptureFixture
):
    features, labels = digits[0][:60], digits[1][:60]
    validation = features, np.zeros_like(labels)  # what NaN answers, so that it would be right
    with caplog.at_level(logging.WARNING, "wiseft_jax"):
        probe = fit_probe(features, labels, 10, [TOO_SMALL, 0.01], validation)
    alone = fit_probe(features, labels, 10, [0.01])
    assert probe.c == 0.01
    assert [c for c, _ in probe.accuracies] == [0.01]
    np.testing.assert_array_equal(probe.head["kernel"], alone.head["kernel"])
    assert "C = 1e-45: not finite" in caplog.text


def test_no_finite_probe_is_an_error(digits: tuple[np.ndarray, np.ndarray]):
    features, labels = digits[0][:60], digits[1][:60]
    with pytest.raises(NonFiniteLossError, match=r"probe_c: expected a linear probe .* C = 1e-45"):
        fit_probe(features, labels, 10, [TOO_SMALL])
