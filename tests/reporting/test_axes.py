"""The logit scale and its ticks in percent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import norm

from wiseft_jax.reporting.axes import (
    expit,
    logit,
    normal_share,
    percent,
    percent_ticks,
    probit,
    set_logit_scale,
)


@given(st.floats(1e-4, 1 - 1e-4))
def test_logit_and_expit_are_inverse(p):
    assert float(expit(logit(p))) == pytest.approx(p, rel=1e-9)


def test_logit_of_the_ends_is_finite_and_symmetric():
    low, middle, high = logit([0.0, 0.5, 1.0])
    assert np.isfinite([low, high]).all()
    assert low == pytest.approx(-high, rel=1e-6)
    assert middle == 0


@pytest.mark.parametrize(
    ("value", "text"), [(0.9, "90 %"), (0.995, "99.5 %"), (1.0, "100 %"), (0.0001, "0.01 %")]
)
def test_percent(value, text):
    assert percent(value) == text


@settings(max_examples=200, deadline=None)
@given(st.floats(0.001, 0.998), st.floats(0.001, 0.998))
def test_ticks_are_round_few_inside_and_apart(a, b):
    low, high = min(a, b), max(a, b) + 1e-3
    ticks = percent_ticks(low, high)
    assert len(ticks) <= 11
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
    assert ticks == sorted(set(ticks))
    assert all(abs(tick * 1000 - round(tick * 1000)) < 1e-6 for tick in ticks)
    gaps = np.diff(logit(ticks))
    assert (gaps > (logit(high) - logit(low)) / 40).all()


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.695, 0.825, [0.7, 0.72, 0.74, 0.76, 0.78, 0.8, 0.82]),
        (0.77, 0.975, [0.8, 0.85, 0.9, 0.95]),
        (0.932, 0.979, [0.94, 0.95, 0.96, 0.97]),
        (0.5, 0.995, [0.5, 0.7, 0.9, 0.95, 0.98, 0.99, 0.995]),
    ],
)
def test_ticks_of_common_ranges(low, high, ticks):
    assert percent_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize("which", ["x", "y"])
def test_axis_shows_everything_with_equal_steps_in_logit(which):
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    set_logit_scale(axes, which, [0.6, 0.97])
    figure.canvas.draw()
    low, high = getattr(axes, f"get_{which}lim")()
    assert 0 < low < 0.6 < 0.97 < high < 1
    index = "xy".index(which)
    pixels = axes.transData.transform([[p, p] for p in (0.6, 0.8, 0.9, 0.97)])[:, index]
    np.testing.assert_allclose(
        np.diff(pixels) / np.diff(logit([0.6, 0.8, 0.9, 0.97])),
        (pixels[-1] - pixels[0]) / (logit(0.97) - logit(0.6)),
        rtol=1e-6,
    )
    labels = [label.get_text() for label in getattr(axes, f"get_{which}ticklabels")()]
    assert "90 %" in labels


def test_one_accuracy_still_has_room():
    axes = Figure().subplots()
    set_logit_scale(axes, "x", [0.9])
    low, high = axes.get_xlim()
    assert low < 0.9 < high


def test_probit_axes_have_equal_steps_in_normal_quantiles():
    axes = Figure().subplots()
    set_logit_scale(axes, "x", [0.02, 0.98], scale="probit")
    transform = axes.xaxis.get_transform()
    places = transform.transform(np.array([0.05, 0.5, 0.95]))
    assert places == pytest.approx(norm.ppf([0.05, 0.5, 0.95]))
    assert normal_share(probit(0.3)) == pytest.approx(0.3)
    assert np.isfinite(probit([0.0, 1.0])).all()
