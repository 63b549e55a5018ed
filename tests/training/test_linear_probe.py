"""The linear classifier is a convex problem: it must reach its optimum."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from tests.training.toy import toy_classifier, toy_config, toy_dataset
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.data.source import Dataset
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.training.linear_probe import padded_batches, shuffled_batches


def loss_of(head: dict[str, Any], features: np.ndarray, labels: np.ndarray, s: float) -> float:
    logits = features @ np.asarray(head["kernel"], np.float64) + head["bias"]
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    nll = -log_p[np.arange(len(labels)), labels]
    return float(np.mean((1 - s) * nll - s * log_p.mean(1)))


def test_it_reaches_the_convex_optimum():
    classifier, theta_0 = toy_classifier()
    train, smoothing = toy_dataset(48), 0.2
    config = toy_config(
        recipe="linear_probe",
        batch_size=48,
        epochs=400.0,
        learning_rate=0.2,
        weight_decay=0.0,
        label_smoothing=smoothing,
        clip_norm=None,
    )
    theta_1 = fine_tune(classifier, theta_0, train, None, config, mesh=make_mesh(1))
    images = np.stack([train.source.read(index) for index in range(48)])
    features = np.asarray(classifier.features(theta_0, images), np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True)

    def objective(flat: np.ndarray) -> float:
        head = {"kernel": flat[:12].reshape(4, 3), "bias": flat[12:]}
        return loss_of(head, features, train.labels, smoothing)

    best = minimize(objective, np.zeros(15), method="BFGS").fun
    start = loss_of(theta_0["head"], features, train.labels, smoothing)
    reached = loss_of(theta_1["head"], features, train.labels, smoothing)
    assert best < start - 0.1
    assert reached - best < 0.02 * (start - best)


def arrays(count: int) -> dict[str, np.ndarray]:
    return {
        "features": np.arange(count, dtype=np.float32)[:, None],
        "label": np.arange(count, dtype=np.int32),
        "index": np.arange(count, dtype=np.int64),
    }


def test_a_batch_larger_than_the_rest_of_the_epoch_runs_on():
    batches = list(itertools.islice(shuffled_batches(arrays(5), 3, 0, 0), 5))
    index = np.concatenate([batch["index"] for batch in batches])
    for epoch in range(3):
        assert sorted(index[5 * epoch : 5 * epoch + 5]) == [0, 1, 2, 3, 4]
    for batch in batches:
        np.testing.assert_array_equal(batch["features"][:, 0], batch["index"])


@pytest.mark.parametrize(("count", "batch_size"), [(6, 3), (7, 3), (2, 8)])
def test_padding_is_masked(count: int, batch_size: int):
    batches = list(padded_batches(arrays(count), batch_size))
    assert all(batch["label"].shape == (batch_size,) for batch in batches)
    counted = np.concatenate([batch["index"][batch["mask"]] for batch in batches])
    np.testing.assert_array_equal(counted, np.arange(count))


def test_a_set_without_a_readable_image_is_refused():
    class Source:
        name, class_names = "broken", ("red", "green", "blue")
        ids = ("a", "b", "c")
        labels = np.arange(3, dtype=np.int32)

        def __len__(self) -> int:
            return 3

        def read(self, index: int) -> bytes:
            return b"no image"

        def fingerprint(self) -> str:
            return "broken"

    classifier, theta_0 = toy_classifier()
    source = Source()
    train = Dataset("broken", source, source.labels, on_bad_image="skip")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="broken: no image could be read"):
        fine_tune(classifier, theta_0, train, None, toy_config(recipe="linear_probe"))
