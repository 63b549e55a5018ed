"""Linear logits against brute force in rational numbers, where a tie is a tie."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.linear import LinearLogits

LOW, HIGH = -1.0, 2.0


@st.composite
def small_cases(draw: st.DrawFn) -> LinearLogits:
    """Small whole logits (many ties), some of them not finite, some examples without a label."""
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 4)))
    whole = st.integers(-3, 3).map(float)
    maybe = st.one_of(whole, whole, whole, st.sampled_from([np.nan, np.inf]))
    elements = draw(st.sampled_from([whole, whole, maybe]))
    z_0, z_1 = (draw(hnp.arrays(np.float32, shape, elements=elements)) for _ in range(2))
    labels = draw(hnp.arrays(np.int32, shape[0], elements=st.integers(-1, shape[1] - 1)))
    labels[0] = max(labels[0], 0)
    return LinearLogits(z_0, z_1, labels)


def exact_logits(case: LinearLogits, row: int, alpha: Fraction) -> list[Fraction] | None:
    ends = [case.logits_0[row], case.logits_1[row]]
    if alpha in (0, 1):  # an end needs no finite logits of the other one
        end = ends[int(alpha)]
        return [Fraction(int(z)) for z in end] if np.isfinite(end).all() else None
    if not np.isfinite(ends).all():
        return None
    return [
        (1 - alpha) * int(z_0) + alpha * int(z_1) for z_0, z_1 in zip(ends[0], ends[1], strict=True)
    ]


def exact_top1(case: LinearLogits, row: int, alpha: Fraction) -> int | None:
    logits = exact_logits(case, row, alpha)
    return None if logits is None else logits.index(max(logits))


def exact_correct(case: LinearLogits, alpha: Fraction) -> list[bool]:
    return [exact_top1(case, row, alpha) == label for row, label in enumerate(case.labels)]


def all_points(case: LinearLogits) -> list[Fraction]:
    """Every alpha in the range where two lines meet, its ends, and a point in each gap."""
    meetings = {Fraction(LOW), Fraction(HIGH), Fraction(0), Fraction(1)}
    for row in np.flatnonzero(case.valid):
        lines = [(int(a), int(b) - int(a)) for a, b in zip(*ends(case, row), strict=True)]
        for (a, slope_a), (b, slope_b) in combinations(lines, 2):
            if slope_a != slope_b:
                meetings.add(Fraction(b - a, slope_a - slope_b))
    kept = sorted(point for point in meetings if LOW <= point <= HIGH)
    return sorted(kept + [(before + after) / 2 for before, after in pairwise(kept)])


def ends(case: LinearLogits, row: int) -> tuple[np.ndarray, np.ndarray]:
    return case.logits_0[row], case.logits_1[row]


@given(small_cases())
def test_the_curve_counts_as_rational_arithmetic_does(case: LinearLogits):
    """At every meeting point of two lines, and between them: ties go to the first class."""
    points = all_points(case)
    alphas = np.array([float(point) for point in points])
    expected = np.array([exact_correct(case, point) for point in points])
    curve = case.curve()
    np.testing.assert_array_equal(curve.correct(alphas), expected)
    np.testing.assert_array_equal(curve.hits(alphas), expected.sum(axis=1))
    n = np.sum(case.labels >= 0)
    np.testing.assert_array_equal(curve.accuracy(alphas), expected.sum(axis=1) / n)
    changes = {
        float(points[k])
        for k in range(2, len(points) - 2, 2)
        if not (expected[k - 1 : k + 2] == expected[k]).all()
    }
    breakpoints = curve.breakpoints(np.nextafter(LOW, 0), np.nextafter(HIGH, 0))
    assert set(breakpoints.tolist()) == changes


@given(small_cases())
def test_the_best_set_is_all_of_the_best_alphas(case: LinearLogits):
    points = all_points(case)
    hits = [sum(exact_correct(case, point)) for point in points]
    best = case.curve().best(LOW, HIGH)
    assert best.hits == max(hits)
    assert best.n == np.sum(case.labels >= 0)

    def inside(alpha: float) -> bool:
        return any(
            each.low < alpha < each.high
            or (alpha == each.low and each.low_closed)
            or (alpha == each.high and each.high_closed)
            for each in best.intervals
        )

    assert [inside(float(point)) for point in points] == [count == max(hits) for count in hits]
    assert inside(best.alpha)
    for before, after in pairwise(best.intervals):
        assert before.high < after.low or not (before.high_closed or after.low_closed)


@given(small_cases())
def test_predictions_and_margins_at_given_alphas(case: LinearLogits):
    alphas = [-0.75, 0.0, 0.25, 0.5, 1.0, 1.5]
    top1, margin, entropy = case.predict(alphas)
    for index, alpha in enumerate(alphas):
        for row in range(len(case.labels)):
            logits = exact_logits(case, row, Fraction(alpha))
            if logits is None:
                assert np.isnan(margin[index, row])
                assert entropy[index, row] == np.float32(np.log(case.logits_0.shape[1]))
                continue
            p = np.exp([float(z - max(logits)) for z in logits])
            p /= p.sum()
            expected = -np.sum(p * np.log(np.maximum(p, 1e-300)))
            np.testing.assert_allclose(entropy[index, row], expected, rtol=1e-6, atol=1e-12)
            assert top1[index, row] == logits.index(max(logits))
            largest = sorted(logits)[-2:]
            expected = largest[1] - largest[0] if len(logits) > 1 else np.inf
            assert margin[index, row] == expected


@given(small_cases())
def test_crossings_are_where_the_prediction_changes(case: LinearLogits):
    points = all_points(case)
    meetings = points[0::2]
    expected = []
    for row in np.flatnonzero(case.valid).tolist():
        classes = [exact_top1(case, row, point) for point in points]
        for index, point in enumerate(meetings):
            at = classes[2 * index]
            before = classes[max(2 * index - 1, 0)]
            beyond = exact_top1(case, row, point + Fraction(1, 1000))
            after = classes[2 * index + 1] if 2 * index + 1 < len(classes) else beyond
            if not before == at == after:
                expected.append((row, float(point), before, after, at))
    found = case.crossings(LOW, HIGH)
    columns = (found.example, found.alpha, found.before, found.after, found.at)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert len(found) == len(expected)


def random_case(size: int = 300, num_classes: int = 7, seed: int = 0) -> LinearLogits:
    rng = np.random.default_rng(seed)
    z_0 = rng.normal(size=(size, num_classes)).astype(np.float32)
    z_1 = rng.normal(size=(size, num_classes)).astype(np.float32)
    labels = np.where(rng.random(size) < 0.5, z_0.argmax(axis=1), z_1.argmax(axis=1))
    labels[::7] = -1
    return LinearLogits(z_0, z_1, labels.astype(np.int32))


def test_a_dense_grid_of_real_logits_in_several_chunks(monkeypatch: pytest.MonkeyPatch):
    case = random_case()
    monkeypatch.setattr("wiseft_jax.evaluation.linear._CHUNK_ELEMENTS", 64 * 7)
    alphas = np.linspace(-0.5, 1.5, 401)
    top1, margin, _ = case.predict(alphas)
    sure = margin > 1e-9
    right = (top1 == case.labels) & (case.labels >= 0)
    curve = case.curve()
    np.testing.assert_array_equal(curve.correct(alphas)[sure], right[sure])
    assert sure.mean() > 0.999
    found = case.crossings(-0.5, 1.5)
    assert len(found) > 300
    # Each crossing is a tie of the two classes, and walking over them gives the last prediction.
    z_0 = case.logits_0.astype(np.float64)
    slope = case.logits_1.astype(np.float64) - z_0
    for classes in (found.before, found.after):
        z = z_0[found.example] + found.alpha[:, None] * slope[found.example]
        np.testing.assert_allclose(z[np.arange(len(found)), classes], z.max(axis=1), atol=1e-12)
    walked = top1[0].copy()
    for example, before, after in zip(found.example, found.before, found.after, strict=True):
        assert walked[example] == before
        walked[example] = after
    np.testing.assert_array_equal(walked, top1[-1])


def test_the_best_alpha_beats_every_grid():
    curve = random_case().curve()
    best = curve.best()
    assert best.hits >= curve.hits(np.linspace(0, 1, 10_001)).max()
    assert curve.hits(np.array([best.alpha]))[0] == best.hits
    assert curve.best(0.3, 0.3).hits == curve.hits(np.array([0.3]))[0]


def test_slope_and_curvature_of_the_cross_entropy():
    case = random_case()
    step = 1e-4
    below, here, above = (case.cross_entropy(0.3 + k * step) for k in (-1, 0, 1))
    kept = case.labels >= 0
    z = 0.7 * case.logits_0[kept].astype(np.float64) + 0.3 * case.logits_1[kept]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    chosen = p[np.arange(len(p)), case.labels[kept]]
    assert here[0] == pytest.approx(-np.log(chosen).mean(), rel=1e-6)
    assert here[1] == pytest.approx((above[0] - below[0]) / (2 * step), rel=1e-6)
    assert here[2] == pytest.approx((above[1] - below[1]) / (2 * step), rel=1e-6)
    assert here[2] > 0


def test_newton_finds_the_least_cross_entropy():
    case = random_case()
    alpha, loss = case.least_cross_entropy()
    assert 0 < alpha < 1
    assert abs(case.cross_entropy(alpha)[1]) < 1e-12
    grid = np.linspace(0, 1, 101)
    losses = [case.cross_entropy(point)[0] for point in grid]
    assert loss <= min(losses)
    assert abs(grid[np.argmin(losses)] - alpha) <= 0.01
    # The minimum over a range that doesn't hold it is its nearer end.
    assert case.least_cross_entropy(alpha + 0.1, 1.0)[0] == alpha + 0.1
    assert case.least_cross_entropy(-1.0, alpha - 0.1)[0] == alpha - 0.1
    assert case.least_cross_entropy(0.2, 0.2)[0] == 0.2


def test_newton_falls_back_to_the_middle_where_the_curvature_vanishes():
    """Logits x 300: the softmax saturates, the curvature is 0 almost everywhere."""
    mild = random_case(40)
    steep = LinearLogits(300 * mild.logits_0, 300 * mild.logits_1, mild.labels)
    alpha, loss = steep.least_cross_entropy(-50.0, 50.0)
    nearby = [steep.cross_entropy(alpha + step)[0] for step in (-1e-3, 1e-3)]
    assert loss <= min(nearby)


def test_invalid_examples_are_told_and_left_out_of_the_cross_entropy(
    caplog: pytest.LogCaptureFixture,
):
    case = random_case(20)
    broken = case.logits_0.copy()
    broken[1, 2] = np.nan
    again = LinearLogits(broken, case.logits_1, case.labels)
    assert "the logits of 1 examples are not finite at one end at least" in caplog.text
    assert "but at an end where they are finite (1 examples)" in caplog.text
    kept = np.arange(20) != 1
    without = LinearLogits(case.logits_0[kept], case.logits_1[kept], case.labels[kept])
    assert again.cross_entropy(0.4) == pytest.approx(without.cross_entropy(0.4), rel=1e-12)
    assert again.curve().n == case.curve().n
    assert not again.curve().correct(np.array([0.0, 0.5, 0.999]))[:, 1].any()
    at_end = again.logits_1[1].argmax() == again.labels[1]
    assert again.curve().correct(np.array([1.0]))[0, 1] == at_end
    nothing = LinearLogits(np.full((1, 2), np.nan), np.zeros((1, 2)), np.array([0]))
    with pytest.raises(InputError, match="no labelled example has finite logits"):
        nothing.cross_entropy(0.5)


@pytest.mark.usefixtures("no_type_checks")
def test_bad_input_is_refused():
    z, labels = np.zeros((2, 3)), np.array([0, 1])
    with pytest.raises(InputError, match=r"\(2, 3\), \(2, 2\) and \(2,\)"):
        LinearLogits(z, z[:, :2], labels)
    with pytest.raises(InputError, match="expected -1 to 2"):
        LinearLogits(z, z, np.array([0, 3]))
    with pytest.raises(InputError, match="none is given"):
        LinearLogits(z, z, np.array([-1, -1]))
    for low, high in ((1.0, 0.0), (0.0, np.inf), (np.nan, 1.0)):
        with pytest.raises(InputError, match="expected finite low <= high"):
            LinearLogits(z, z, labels).curve().best(low, high)
