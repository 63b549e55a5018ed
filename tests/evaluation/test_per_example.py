"""Each image at its own alpha: the merged model's classes, and DaWin end to end."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.per_example import predictor, readable
from wiseft_jax.evaluation.rule_costs import benchmark_rules
from wiseft_jax.evaluation.sweep import sweep

ALPHAS = (0.0, 0.3, 0.7, 1.0)


@pytest.fixture(scope="module")
def swept(tiny):
    found = sweep(
        tiny.classifier,
        tiny.theta_0,
        tiny.theta_1,
        tiny.datasets,
        ALPHAS,
        batch_size=16,
        keep_logits=True,
    )
    return found.predictions


@pytest.fixture(scope="module")
def predict(tiny):
    return predictor(tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets[1], batch_size=8)


def test_each_image_gets_the_class_of_its_own_model(tiny, swept, predict):
    """Against the sweep's predictions at the same alphas, where rounding can't decide."""
    test = swept["test"]
    choice = np.random.default_rng(0).integers(0, len(ALPHAS), len(test))
    top1 = predict(np.array(ALPHAS)[choice])
    assert top1.dtype == np.int32
    clear = test.margin[choice, np.arange(len(test))] > 2e-4
    np.testing.assert_array_equal(top1[clear], test.top1[choice, np.arange(len(test))][clear])
    assert clear.mean() > 0.8


def test_dawin_runs_on_the_models(swept, predict):
    costs = benchmark_rules(swept, rules=["dawin"], targets=["test"], predict_at={"test": predict})
    assert costs[0].missing == ""
    assert costs[0].n == 23


def test_alphas_must_match_the_images(tiny, swept, predict):
    with pytest.raises(InputError, match="5 alphas for 23 images"):
        predict(np.zeros(5))
    some = dataclasses.replace(swept["test"], ids=swept["test"].ids[3:5])
    kept = readable(tiny.datasets[1], some)
    assert [kept.id(position) for position in range(len(kept))] == list(some.ids)
    with pytest.raises(InputError, match="no image 'x', which was predicted"):
        readable(tiny.datasets[1], dataclasses.replace(some, ids=("x",)))
