"""The audit of a continuous curve whose error estimate is blind: a bump between the nodes."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from wiseft_jax import LogitClassifier
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.evaluation.curve import curve
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.curve_result import Curve
from wiseft_jax.evaluation.sweep import sweep

SIZE = 2
GRID = tuple(step / 100 for step in range(101))
NAMES = ("a", "b", "c")


def logits_fn(params: Any, images: Any) -> Any:
    """Lines in alpha, and at alpha = 0.37 (+-0.015) a third class that wins everywhere."""
    pixels = images.reshape(len(images), -1).astype("float32") / 255 - 0.5
    bump = 60 * jnp.exp(-(((params["alpha"] - 0.37) / 0.008) ** 2))
    return (5 * pixels @ params["w"]).at[:, 2].add(bump)


MODEL = LogitClassifier(NAMES, Preprocess(size=SIZE, resize=SIZE), logits_fn=logits_fn)


def ends() -> list[Any]:
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 1, (3 * SIZE * SIZE, 3)).astype(np.float32)
    return [{"encoder": {"w": weights, "alpha": np.float32(alpha)}} for alpha in (0, 1)]


def data(count: int) -> Dataset:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
    return array_dataset(images, rng.integers(0, 3, count), NAMES, name="test")


def audited(count: int, config: CurveConfig, batch_size: int) -> Curve:
    found = curve(MODEL, *ends(), [data(count)], GRID, config=config, batch_size=batch_size)
    return found.curves["test"]


def test_mistakes_at_few_alphas_are_found_on_a_large_set() -> None:
    """3 of 98 alphas are wrong: of 8 that were drawn once for the set 3 in 4 draws have none."""
    each = audited(1600, CurveConfig(max_nodes=5, points=3), 1600)
    ((sampled, mismatches),) = each.audit.failed
    assert 300 < sampled < 500
    assert mismatches > 0


def test_the_bound_of_a_small_set_counts_alphas() -> None:
    """Each prediction at 3 alphas of 98 is wrong, so no bound that holds is below 3 %."""
    config = CurveConfig(max_nodes=5, points=3, audit=0.2)
    found = [audited(64, dataclasses.replace(config, seed=seed), 64) for seed in range(4)]
    accepted = [each.audit for each in found if not each.audit.failed]
    assert accepted
    for audit in accepted:
        assert audit.sampled > audit.alphas
        assert audit.upper > 3 / 98
    direct = sweep(MODEL, *ends(), [data(64)], GRID, batch_size=64).predictions["test"]
    for each in found:
        if each.audit.failed:
            np.testing.assert_array_equal(each.predictions.top1, direct.top1)
