"""The audit of a continuous curve whose error estimate is blind: a bump between the nodes."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax import LogitClassifier
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.evaluation import audit_draw, curve_pass
from wiseft_jax.evaluation.audit_draw import AuditDraw
from wiseft_jax.evaluation.batch_curve import AUDIT_FAILED
from wiseft_jax.evaluation.curve import curve
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.curve_result import Curve

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
    """A draw without one of 3 alphas of 98 where all is wrong: no bound below 3 % is true."""
    between = np.delete(np.arange(101), [0, 50, 100])
    places = {"images": 64, "passes": 2.0, "small": 8, "name": "test"}
    seed = next(
        seed
        for seed in range(100)
        if not AuditDraw.of(between, seed=seed, **places).pairs(0, 64, 101)[36:39].any()
    )
    each = audited(64, CurveConfig(max_nodes=5, points=3, audit=0.4, seed=seed), 64)
    assert each.audit.failed == ()
    assert each.audit.sampled > 3 * each.audit.alphas
    assert each.audit.upper > 3 / 98


def test_what_an_audit_found_is_not_forgotten_by_the_next_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bump escapes 9 nodes too, and the second draw is empty: the first one's find stays."""
    honest = numpy_stream

    def only_at_first(seed: int, name: str, step: int = 0) -> Any:
        return Nothing() if name == "audit/test/1" else honest(seed, name, step)

    class Nothing:
        def random(self, shape: tuple[int, ...]) -> np.ndarray:
            return np.ones(shape)

    monkeypatch.setattr(audit_draw, "numpy_stream", only_at_first)
    each = audited(64, CurveConfig(max_nodes=9, points=3, audit=1), 64)
    (first, second) = each.audit.failed
    assert first[1] > 0
    assert second == (first[1], first[1])
    assert each.note == AUDIT_FAILED
    assert each.direct.all()
    assert each.audit.sampled == 0


def test_a_mismatch_doubles_the_nodes_of_the_batch_that_had_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Batches that stopped at 9 nodes are next read at 17, not at 9 again."""
    honest, least = curve_pass.evaluate_batch, []

    def at_nine(job: Any, *args: Any) -> Any:
        least.append(job.least)
        return honest(dataclasses.replace(job, least=max(job.least, 9)), *args)

    monkeypatch.setattr(curve_pass, "evaluate_batch", at_nine)
    each = audited(64, CurveConfig(max_nodes=17, points=3, audit=1), 64)
    assert least[:2] == [5, 17]
    assert len(each.audit.failed) == len(least) - 1
