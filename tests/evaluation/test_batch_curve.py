"""When nodes are added to a batch, when not, and when it isn't believed."""

from __future__ import annotations

import dataclasses
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.evaluation.conftest import Tiny
from wiseft_jax.evaluation.batch_curve import (
    BARRIER,
    CHEAPER,
    NOISE,
    TIES,
    TOO_FEW,
    CurveJob,
    Sureness,
    evaluate_batch,
    verdict,
)
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.engine import EngineConfig

STATE = Sureness


def job(tiny: Tiny, num_alphas: int = 21, dtype: str = "float32", **options: Any) -> CurveJob:
    classifier = tiny.fresh()
    object.__setattr__(classifier, "tower", classifier.tower.with_dtype(dtype))  # type: ignore[arg-type]
    return CurveJob(
        classifier=classifier,
        engine=EngineConfig.resolve(tiny.theta_0),
        ends=(tiny.theta_0, tiny.theta_1),
        grid=np.linspace(0, 1, num_alphas),
        asked=np.arange(num_alphas),
        config=CurveConfig(**options),
        least=5,
        scale=100.0,
    )


@pytest.mark.parametrize(
    ("options", "state", "expected"),
    [
        ({}, STATE(5, 0.005, 0.1, None), (True, "")),
        # 21 alphas, 5 % of them uncertain: 1.05 passes, less than the 4 that 9 nodes add.
        ({}, STATE(5, 0.05, 0.1, None), (True, CHEAPER)),
        ({}, STATE(5, 0.3, 0.1, None), None),
        ({}, STATE(9, 0.5, 0.1, 0.1), None),
        ({}, STATE(9, 0.5, 0.1, 0.8), (False, BARRIER)),
        ({"tol": 0.01}, STATE(5, 0.05, 0.1, None), None),
        ({"tol": 0.01}, STATE(9, 0.05, 0.1, 0.1), None),
        ({"tol": 0.01}, STATE(9, 0.05, 0.1, 0.8), (False, BARRIER)),
        ({"tol": 0.01}, STATE(9, 0.05, 0.1, float("nan")), (False, BARRIER)),
        ({"tol": 0.1}, STATE(5, 0.05, 0.1, None), (True, "")),
        # 21 alphas, 10 % of them uncertain: 2.1 passes, less than the 4 that 9 nodes add.
        ({"exact": True}, STATE(5, 0.1, 0.1, None), (True, "")),
        ({"exact": True}, STATE(5, 0.3, 0.1, None), None),
        ({"exact": True}, STATE(9, 0.3, 0.1, 0.2), (True, "")),
        ({"exact": True, "tol": 0.01}, STATE(5, 0.1, 0.1, None), None),
    ],
)
def test_verdicts(tiny: Tiny, options: Any, state: Any, expected: Any) -> None:
    assert verdict(job(tiny, **options), state, last=False) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.1, (True, "")), (0.3, (False, BARRIER))])
def test_the_last_level_is_believed_unless_much_is_uncertain(
    tiny: Tiny, share: float, expected: Any
) -> None:
    state = STATE(17, share, 0.1, 0.3)
    assert verdict(job(tiny, tol=0.01), state, last=True) == expected


def test_a_first_level_that_is_the_last_tells_of_no_barrier(tiny: Tiny) -> None:
    assert verdict(job(tiny, tol=0.01), STATE(5, 0.3, 0.1, None), last=True) == (False, TOO_FEW)


@pytest.mark.parametrize(("bad", "trusted"), [(1, True), (6, False)])
def test_an_image_that_is_not_finite_is_not_a_whole_batch(
    tiny: Tiny, bad: int, trusted: bool
) -> None:
    images = jnp.asarray(tiny.datasets[0].source.images[:8], jnp.float32)
    made = job(tiny, tol=0.5)
    whole = evaluate_batch(made, images, np.ones(8, bool))
    broken = evaluate_batch(made, images.at[:bad].set(jnp.nan), np.ones(8, bool))
    assert whole.trusted
    assert broken.trusted == trusted
    assert not broken.certain[:, :bad].any()
    if trusted:
        np.testing.assert_array_equal(broken.certain[:, bad:], whole.certain[:, bad:])


def test_bfloat16_stops_at_its_noise(tiny: Tiny) -> None:
    state = STATE(5, 0.3, 0.4, None)  # the noise of logits as large as 100 is 0.5
    assert verdict(job(tiny, dtype="bfloat16"), state, last=False) == (True, NOISE)
    assert verdict(job(tiny), state, last=False) is None


def test_ties_within_rounding_are_no_barrier(tiny: Tiny) -> None:
    state = STATE(9, 0.3, 1e-4, 1.0)
    assert verdict(job(tiny), state, last=False) == (True, TIES)


def test_no_level_is_taken_that_costs_as_much_as_the_grid(tiny: Tiny) -> None:
    state = STATE(5, 0.9, 1.0, None)
    assert verdict(job(tiny, 9), state, last=False) == (True, CHEAPER)
    assert verdict(job(tiny, 9, tol=0.01), state, last=False) is None


def test_a_short_grid_tells_a_barrier_too(tiny: Tiny) -> None:
    """Two levels have been seen, and so much is in doubt that no further one is taken."""
    for options in ({}, {"exact": True}):
        made = job(tiny, 11, **options)
        assert verdict(made, STATE(9, 0.9, 1.0, 0.8), last=False) == (False, BARRIER)
        assert verdict(made, STATE(9, 0.9, 1.0, 0.4), last=False) == (False, BARRIER)


def test_exact_goes_to_no_level_that_costs_as_much_as_the_grid(tiny: Tiny) -> None:
    state = STATE(5, 0.9, 1.0, None)
    assert verdict(job(tiny, 9, exact=True), state, last=False) == (True, "")
    assert verdict(job(tiny, 21, exact=True), state, last=False) is None


def test_nodes_span_the_grid(tiny: Tiny) -> None:
    made = job(tiny)
    assert (made.low, made.high, made.plan.levels) == (0.0, 1.0, (3, 5, 9, 17))


class Elsewhere:
    """Stands for devices of another platform."""

    def __init__(self, platform: str) -> None:
        device = types.SimpleNamespace(platform=platform)
        self.layout = types.SimpleNamespace(mesh=types.SimpleNamespace(devices=np.array([device])))


@pytest.mark.usefixtures("no_type_checks")
def test_float32_is_coarse_on_accelerators_unless_products_are_asked_to_be_exact(
    tiny: Tiny,
) -> None:
    here = job(tiny)
    assert not here.low_precision
    assert job(tiny, dtype="bfloat16").low_precision
    for platform in ("gpu", "tpu"):
        there = dataclasses.replace(here, engine=Elsewhere(platform))  # type: ignore[arg-type]
        assert there.low_precision
        assert verdict(there, STATE(9, 0.5, 0.4, 0.9), last=False) == (True, NOISE)
        with jax.default_matmul_precision("highest"):
            assert not there.low_precision
            assert verdict(there, STATE(9, 0.5, 0.4, 0.9), last=False) == (False, BARRIER)
