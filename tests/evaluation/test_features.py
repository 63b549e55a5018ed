"""Features at many alphas are those of the merged models, from one compiled program."""

from __future__ import annotations

import jax
import numpy as np

from tests.evaluation.conftest import Tiny, dataset
from wiseft_jax.core.mesh import put_batch
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.features import compiled_features, features_at
from wiseft_jax.weights.interpolate import lerp


def test_any_number_of_alphas_runs_one_program(tiny: Tiny) -> None:
    classifier, config = tiny.fresh(), EngineConfig.resolve(tiny.theta_0)
    layout = config.layout
    data = dataset(16, "sixteen")
    images = np.stack([np.asarray(data.source.read(index)) for index in range(16)])
    on_devices = put_batch(images, layout.mesh)
    ends = layout.place(tiny.theta_0), layout.place(tiny.theta_1)
    for count in (1, 5, 8, 11):
        alphas = np.linspace(0, 1, count)
        found = np.concatenate(features_at(classifier, config, ends, alphas, on_devices))
        assert found.shape[:2] == (count, 16)
        for place in (0, count - 1):
            theta = lerp(tiny.theta_0, tiny.theta_1, np.float32(alphas[place]))
            truth = jax.jit(classifier.features)(theta, images)
            np.testing.assert_allclose(found[place], truth, rtol=1e-4, atol=1e-5)
    assert compiled_features(classifier, config)._cache_size() == 1  # type: ignore[attr-defined]
