"""Where only the head differs, one pass gives the curve exactly."""

from __future__ import annotations

import jax
import numpy as np

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
