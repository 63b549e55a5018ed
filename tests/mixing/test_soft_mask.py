"""SmoothMix against the paper's formulas: golden values, an oracle in NumPy, limits."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.mixing import smoothmix, smoothmix_mask
from wiseft_jax.mixing.soft_mask import Kind


@pytest.mark.parametrize(
    ("center", "sigma", "lam"),
    [
        ((16, 16), 8.0, 0.3575655316),
        ((16, 16), 16.0, 0.7317552288),
        ((0, 0), 8.0, 0.1081936360),
    ],
)
def test_golden_means_of_the_circle(center, sigma, lam):
    mask = smoothmix_mask(32, 32, center=center, sigma=(sigma, sigma), kind="circle")
    assert float(mask.mean()) == pytest.approx(lam, rel=1e-6)
    assert float(mask.max()) == 1.0


def test_golden_mean_of_the_square():
    mask = smoothmix_mask(32, 32, center=(16, 16), sigma=(16, 16), kind="square", k=0.2)
    assert float(mask.mean()) == pytest.approx((17.75 / 32) ** 2, rel=1e-7)


@pytest.mark.parametrize("kind", ["circle", "square"])
def test_equals_the_formula_on_an_image_that_is_not_square(kind):
    height, width, center, sigma, k = 20, 32, (7.0, 21.0), (6.0, 11.0), 0.3
    expected = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            value = 1.0
            for at, c, s in ((row, center[0], sigma[0]), (column, center[1], sigma[1])):
                if kind == "circle":
                    value *= math.exp(-((at - c) ** 2) / (2 * s**2))
                else:
                    value *= min(max(1 + (s / 2 - abs(at - c)) / (k * s / 2), 0.0), 1.0)
            expected[row, column] = value
    mask = smoothmix_mask(height, width, center=center, sigma=sigma, kind=kind, k=k)
    np.testing.assert_allclose(mask, expected, atol=1e-6)


def test_without_a_ramp_the_square_is_the_closed_box():
    mask = smoothmix_mask(16, 24, center=(8, 10), sigma=(6, 12), kind="square", k=0.0)
    rows, columns = np.abs(np.arange(16) - 8) <= 3, np.abs(np.arange(24) - 10) <= 6
    np.testing.assert_array_equal(mask, np.outer(rows, columns))


@pytest.mark.parametrize("kind", ["circle", "square"])
def test_towards_sigma_zero_only_the_centers_pixel_is_left(kind):
    for sigma in (0.0, 1e-9, 1e-3):
        mask = smoothmix_mask(8, 8, center=(3, 4), sigma=(sigma, sigma), kind=kind)
        assert np.isfinite(mask).all()
        assert float(mask[3, 4]) == 1.0
        assert float(mask.sum()) == pytest.approx(1.0, abs=1e-6)


def mean_lam(kind: Kind, size: int = 32) -> float:
    """Return the mean of lam over many draws, read off the target of the image itself."""
    count = 2048
    images = jnp.zeros((count, size, size, 1), jnp.float32)
    targets = jax.nn.one_hot(jnp.arange(count) % 2, 2)
    run = jax.jit(functools.partial(smoothmix, kind=kind))
    _, soft = run(jax.random.key(0), images, targets)
    return float(jnp.sum(soft * targets, axis=1).mean())


def test_the_partner_has_the_larger_share_of_circles():
    assert mean_lam("circle") == pytest.approx(0.429, abs=0.01)


def test_the_mean_share_of_squares_is_that_of_its_integral():
    rng = np.random.default_rng(0)
    size, lams = 32, []
    for _ in range(4000):
        share, center = rng.uniform(0, 1), rng.integers(0, size, 2)
        half = share * size / 2
        profiles = [
            np.clip(1 + (half - np.abs(np.arange(size) - c)) / max(0.2 * half, 1e-9), 0, 1)
            for c in center
        ]
        lams.append(profiles[0].mean() * profiles[1].mean())
    assert mean_lam("square") == pytest.approx(np.mean(lams), abs=0.01)


def test_sigma_scales_with_its_own_axis():
    """A mask on a wide image is that of a square one, stretched."""
    images = jnp.stack([jnp.zeros((40, 160, 1)), jnp.ones((40, 160, 1))])
    mixed, _ = smoothmix(jax.random.key(5), images, jnp.eye(2), sigma=(0.3, 0.3))
    mask = np.asarray(mixed[1, ..., 0])
    row, column = np.unravel_index(mask.argmax(), mask.shape)
    np.testing.assert_allclose(
        mask[:, column], np.exp(-((np.arange(40) - row) ** 2) / (2 * 12**2)), atol=1e-5
    )
    np.testing.assert_allclose(
        mask[row], np.exp(-((np.arange(160) - column) ** 2) / (2 * 48**2)), atol=1e-5
    )


@pytest.mark.usefixtures("no_type_checks")
def test_bad_options_are_refused():
    images, targets = jnp.zeros((2, 4, 4, 3)), jnp.eye(2)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"kind": "star"}, "kind: expected 'circle' or 'square', found 'star'"),
        ({"sigma": (0.5, 0.2)}, "sigma: expected finite 0 <= low <= high"),
        ({"sigma": (0.5, float("inf"))}, "sigma: expected finite 0 <= low <= high"),
        ({"k": -1.0}, "k: expected at least 0"),
        ({"pairing": "swap"}, "pairing: expected 'roll', 'flip' or 'permutation'"),
    ]
    for options, message in wrong:
        with pytest.raises(ValueError, match=message):
            smoothmix(jax.random.key(0), images, targets, **options)
