"""Laws of the random interpolation: its ends, its expectation, nesting, and what a draw is of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.rng import stream
from wiseft_jax.weights import bernoulli_mix, lerp

KEY = jax.random.key(0)
SPECIAL = np.array([-0.0, 0.0, np.nan, np.inf, -np.inf, 1.5, -2.5], np.float32)


def trees(size: int = 2000) -> tuple[dict, dict]:
    rng = np.random.default_rng(1)
    made = [
        {"a": {"w": rng.normal(size=(size, 3)).astype(np.float32)}, "b": rng.normal(size=size)}
        for _ in "01"
    ]
    return made[0], made[1]


def share(theta: dict, ends: tuple[dict, dict]) -> float:
    """Return the share of numbers that are theta_1's; checks that all are of one end."""
    first, second = (np.asarray(end["a"]["w"]) for end in ends)
    found = np.asarray(theta["a"]["w"])
    assert ((found == first) | (found == second)).all()
    return float(np.mean(found == second))


def test_ends_are_returned_bit_for_bit():
    ends = {"w": SPECIAL}, {"w": SPECIAL[::-1].copy()}
    for place, alpha in enumerate((0, 1)):
        for mixed in (
            bernoulli_mix(*ends, alpha, KEY),
            jax.jit(bernoulli_mix)(*ends, float(alpha), KEY),
        ):
            assert np.asarray(mixed["w"]).tobytes() == ends[place]["w"].tobytes()


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.8])
def test_each_number_is_one_of_the_ends_with_the_probability_alpha(alpha: float):
    ends = trees()
    n = ends[0]["a"]["w"].size
    found = share(bernoulli_mix(*ends, alpha, KEY), ends)
    assert abs(found - alpha) < 4.5 * np.sqrt(alpha * (1 - alpha) / n)


def test_the_expectation_is_the_lerp():
    ends, alpha, draws = trees(20), 0.3, 2000
    keys = jax.vmap(lambda step: stream(KEY, "bernoulli", step))(jnp.arange(draws))
    many = jax.vmap(bernoulli_mix, (None, None, None, 0))(*ends, alpha, keys)
    wanted = np.asarray(lerp(*ends, alpha)["a"]["w"])
    spread = np.abs(ends[1]["a"]["w"] - ends[0]["a"]["w"]) * np.sqrt(alpha * (1 - alpha) / draws)
    assert (np.abs(np.asarray(many["a"]["w"]).mean(0) - wanted) <= 5 * spread + 1e-6).all()


def test_draws_of_one_key_are_nested_and_draws_of_others_differ():
    zeros, ones = ({"w": np.full(500, value, np.float32)} for value in (0, 1))
    draws = [np.asarray(bernoulli_mix(zeros, ones, a, KEY)["w"]) for a in (0.2, 0.4, 0.9)]
    assert (draws[0] <= draws[1]).all()
    assert (draws[1] <= draws[2]).all()
    other = np.asarray(bernoulli_mix(zeros, ones, 0.4, stream(KEY, "bernoulli", 1))["w"])
    assert 0.3 < np.mean(other != draws[1]) < 0.66  # 2 * 0.4 * 0.6 of independent draws


def test_the_draw_of_a_leaf_depends_on_its_path_and_not_on_its_neighbours():
    zeros = {name: np.zeros(400, np.float32) for name in "ab"}
    ones = {name: np.ones(400, np.float32) for name in "ab"}
    both = bernoulli_mix(zeros, ones, 0.5, KEY)
    alone = bernoulli_mix({"b": zeros["b"]}, {"b": ones["b"]}, 0.5, KEY)
    assert np.array_equal(both["b"], alone["b"])
    assert not np.array_equal(both["a"], both["b"])


def test_integers_are_never_mixed_and_dtypes_stay():
    ends = ({"n": np.arange(5), "h": np.zeros(5, np.float16)},) * 2
    ends = (ends[0], {"n": np.arange(5) + 7, "h": np.ones(5, np.float32)})
    half = bernoulli_mix(*ends, 0.5, KEY)
    assert np.array_equal(half["n"], ends[0]["n"])
    assert half["h"].dtype == np.float16
    assert np.array_equal(bernoulli_mix(*ends, 1.0, KEY)["n"], ends[1]["n"])


@pytest.mark.parametrize(
    ("alpha", "message"),
    [(1.5, "probability in"), (float("nan"), "probability in"), ([0.5], "one")],
)
def test_what_is_no_probability_is_refused(alpha: object, message: str):
    ends = trees(2)
    with pytest.raises(InputError, match=f"alpha: expected .*{message}"):
        bernoulli_mix(*ends, alpha, KEY)


def test_other_structures_are_refused_by_key_path():
    with pytest.raises(InputError, match="w"):
        bernoulli_mix({"w": np.zeros(2)}, {"w": np.zeros(3)}, 0.5, KEY)
