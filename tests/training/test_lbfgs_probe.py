"""Linear probes by L-BFGS against scikit-learn's logistic regression."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from wiseft_jax.core.errors import InputError
from wiseft_jax.training import lbfgs_probe
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
    reference = LogisticRegression(C=c, tol=1e-8, max_iter=10_000)
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


def test_a_probe_that_is_not_finite_is_never_chosen(
    digits: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
):
    features, labels = digits
    minimise = lbfgs_probe.minimise
    starts = []

    def breaks_at(broken: set[float]):
        def step(start, features, labels, strength, smoothing):
            starts.append(np.isfinite(start["kernel"]).all())
            found, *facts = minimise(start, features, labels, strength, smoothing)
            if round(1 / (float(strength) * len(features)), 3) in broken:
                found = {**found, "bias": found["bias"] * np.nan}
            return found, *facts

        monkeypatch.setattr(lbfgs_probe, "minimise", step)

    data = (features[:200], labels[:200], 10)
    breaks_at({0.1})
    probe = fit_probe(*data, [0.01, 0.1, 1.0], (features[200:400], labels[200:400]))
    assert [c for c, _ in probe.accuracies] == [0.01, 1.0]
    assert np.isfinite(probe.head["kernel"]).all()
    assert all(starts)  # the next one starts from the last that was finite
    breaks_at({0.01, 0.1})
    with pytest.raises(InputError, match=r"for no C .* stayed finite \(tried 0\.01, 0\.1\)"):
        fit_probe(*data, [0.01, 0.1], (features[200:400], labels[200:400]))
