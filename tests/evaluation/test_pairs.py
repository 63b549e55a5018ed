"""Pairs come out once each, whatever waits, in batches of one alpha."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.evaluation.conftest import Tiny, dataset
from wiseft_jax.evaluation import pairs
from wiseft_jax.evaluation.engine import EngineConfig, compiled_step
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.evaluation.pairs import Found, PairQueue

ALPHAS = (0.0, 0.5, 1.0)


def images_of(data: Any) -> np.ndarray:
    return np.stack([np.asarray(data.source.read(index)) for index in range(len(data))])


@pytest.fixture(params=["roomy", "cramped"])
def queue(
    tiny: Tiny, request: Any, monkeypatch: pytest.MonkeyPatch
) -> tuple[PairQueue, list[Found]]:
    if request.param == "cramped":
        monkeypatch.setattr(pairs, "_WAITING_BYTES", 1)
    config = EngineConfig.resolve(tiny.theta_0, batch_size=16)
    ends = config.layout.place(tiny.theta_0), config.layout.place(tiny.theta_1)
    found: list[Found] = []
    step = compiled_step(tiny.classifier, config)
    size = tiny.classifier.preprocess.size
    return PairQueue(step, ends, ALPHAS, config, size, found.append), found


def test_each_pair_is_evaluated_once_as_the_sweep_would(
    tiny: Tiny, queue: tuple[PairQueue, list[Found]]
) -> None:
    waiting, found = queue
    data = dataset(40, "forty")
    images = images_of(data)
    rng = np.random.default_rng(0)
    asked = rng.random((3, 40)) < np.array([[0.9], [0.1], [0.4]])
    for start in range(0, 40, 16):
        index = np.arange(start, start + 16)
        index[index >= 40] = -1
        mask = index >= 0
        rows = np.zeros((16, *images.shape[1:]), np.uint8)
        rows[mask] = images[index[mask]]
        wanted = np.zeros((3, 16), bool)
        wanted[:, mask] = asked[:, index[mask]]
        waiting.add(rows, index, wanted)
    waiting.drain()
    seen = np.zeros((3, 40), int)
    for each in found:
        np.add.at(seen[each.alpha], each.positions, 1)
    np.testing.assert_array_equal(seen, asked)
    ends = {0: tiny.theta_0, 2: tiny.theta_1}
    for place, theta in ends.items():
        truth = evaluate(tiny.classifier, theta, data, batch_size=16)
        for each in found:
            if each.alpha == place:
                np.testing.assert_array_equal(each.top1, truth.top1[0, each.positions])
                np.testing.assert_allclose(each.margin, truth.margin[0, each.positions], atol=1e-3)
    assert waiting.held == 0


def test_small_batches_pad_little(tiny: Tiny) -> None:
    config = EngineConfig.resolve(tiny.theta_0, batch_size=64)
    ends = config.layout.place(tiny.theta_0), config.layout.place(tiny.theta_1)
    step, size = compiled_step(tiny.classifier, config), tiny.classifier.preprocess.size
    waiting = PairQueue(step, ends, ALPHAS, config, size, lambda found: None)
    images = np.zeros((64, size, size, 3), np.uint8)
    wanted = np.zeros((3, 64), bool)
    wanted[0, 0], wanted[1, :40] = True, True
    waiting.add(images, np.arange(64), wanted)
    assert waiting.rows == 0
    waiting.drain()
    assert waiting.rows == 8 + 64


def test_memory_is_counted_in_images_not_in_pairs(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each image waits for all three alphas, once in memory; as pairs they would be over."""
    images = images_of(dataset(5, "five"))
    monkeypatch.setattr(pairs, "_WAITING_BYTES", 5 * images[0].nbytes)
    config = EngineConfig.resolve(tiny.theta_0, batch_size=16)
    ends = config.layout.place(tiny.theta_0), config.layout.place(tiny.theta_1)
    found: list[Found] = []
    step = compiled_step(tiny.classifier, config)
    waiting = PairQueue(step, ends, ALPHAS, config, images.shape[1], found.append)
    waiting.add(images, np.arange(5), np.ones((3, 5), bool))
    assert (waiting.held, waiting.rows) == (5, 0)
    waiting.drain()
    assert (waiting.held, sum(len(each.positions) for each in found)) == (0, 15)
