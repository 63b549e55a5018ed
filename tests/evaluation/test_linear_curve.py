"""Where only the head differs, one pass gives the curve exactly."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import Tiny, dataset
from wiseft_jax.evaluation.curve import curve
from wiseft_jax.evaluation.sweep import sweep

GRID = tuple(step / 20 for step in range(-4, 25))


def test_a_head_only_pair_takes_one_pass_and_is_exact(tiny: Tiny) -> None:
    theta_1 = tiny.theta_0 | {"head": jax.tree_util.tree_map(np.copy, tiny.theta_1["head"])}
    data = [dataset(45, "test"), dataset(16, "shift", role="shift")]
    found = curve(tiny.classifier, tiny.theta_0, theta_1, data, GRID, batch_size=16)
    direct = sweep(tiny.classifier, tiny.theta_0, theta_1, data, GRID, backend="map", batch_size=16)
    for name, expected in direct.predictions.items():
        each = found.curves[name]
        clear = expected.margin > 2e-4
        np.testing.assert_array_equal(each.predictions.top1[clear], expected.top1[clear])
        np.testing.assert_allclose(each.predictions.entropy, expected.entropy, atol=1e-4)
        assert each.predictions.logits is None
        assert each.passes <= 1.1
        assert each.certain.all()
        np.testing.assert_array_equal(each.low, each.high)
        places = np.searchsorted(each.points, GRID)
        assert abs(each.hits[places] - expected.correct.sum(axis=1)).max() <= (~clear).sum()
        assert (np.diff(each.crossings.alpha) >= 0).all()


@pytest.mark.parametrize("grid", [GRID, tuple(step / 10 for step in range(11))], ids=len)
@pytest.mark.parametrize("broken", [0, 1])
def test_the_finite_end_counts_where_the_other_head_is_not_finite(
    tiny: Tiny, broken: int, grid: tuple[float, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """As direct evaluation has it, and the step function agrees with the counts on both sides."""
    ends = [tiny.theta_0, tiny.theta_0 | {"head": tiny.theta_1["head"]}]
    head = {name: np.copy(leaf) for name, leaf in ends[broken]["head"].items()}
    head["kernel"][0, 0] = np.nan
    ends[broken] = ends[broken] | {"head": head}
    data = [dataset(45, "test")]
    found = curve(tiny.classifier, *ends, data, grid, batch_size=16)
    direct = sweep(tiny.classifier, *ends, data, grid, backend="map", batch_size=16)
    each, expected = found.curves["test"], direct.predictions["test"]
    finite = grid.index(1.0 - broken)
    assert expected.correct[finite].sum() > 0
    assert expected.correct.sum() == expected.correct[finite].sum()
    np.testing.assert_array_equal(each.predictions.correct, expected.correct)
    hits = expected.correct.sum(axis=1)
    np.testing.assert_array_equal(each.hits[np.searchsorted(each.points, grid)], hits)
    _, steps = each.crossings.steps(int(each.hits[0]), each.predictions.labels)
    assert steps[-1] == each.hits[-1]
    assert "the logits of 45 examples are not finite at one end at least" in caplog.text
    lost, won = each.crossings.flips(each.predictions.labels)
    beyond = len(grid) == len(GRID)
    assert len(won) == (hits[finite] if beyond or broken == 0 else 0)
    assert len(lost) == (hits[finite] if beyond or broken == 1 else 0)
