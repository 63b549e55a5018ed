"""What the tests of learned coefficients share: two toy ends, and something to fit on."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.training.toy import toy_classifier, toy_dataset
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.training.learn_config import LearnAlphasConfig
from wiseft_jax.training.losses import cross_entropy

TOY = LearnAlphasConfig(granularity="tensor", epochs=4, learning_rate=0.05, batch_size=16)


def validation_set(**options: Any) -> Dataset:
    return dataclasses.replace(toy_dataset(**options), split="validation")


@functools.cache
def toy_ends() -> tuple[Any, Params, Params]:
    """An end whose first layer is better than the start's, and whose last is worse."""
    classifier, theta_0 = toy_classifier()
    dataset = toy_dataset(96, seed=5)
    images = np.stack([dataset.source.read(index) for index in range(96)])
    labels = jnp.asarray(dataset.labels)

    @jax.jit
    def descend(theta: Params) -> Params:
        slopes = jax.grad(lambda t: cross_entropy(classifier.logits(t, images), labels))(theta)
        return jax.tree_util.tree_map(lambda leaf, slope: leaf - 0.5 * slope, theta, slopes)

    trained = theta_0
    for _ in range(60):
        trained = descend(trained)
    trained = jax.tree_util.tree_map(np.asarray, trained)
    head = {"kernel": -trained["head"]["kernel"], "bias": trained["head"]["bias"]}
    return classifier, theta_0, {**trained, "head": head}
