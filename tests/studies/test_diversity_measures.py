"""Measures of groups of pairs against counting them one by one, and their bootstrap's law."""

from __future__ import annotations

import numpy as np
import pytest

from wiseft_jax.analysis.diversity import kappa_complement, kl_divergence, prediction_diversity
from wiseft_jax.studies.diversity_measures import MEASURES, GroupMeasure, Outputs, measure_groups

LABELS = np.random.default_rng(0).integers(0, 4, 90)


def model(seed: int, *, logits: bool = True) -> Outputs:
    drawn = 2 * np.random.default_rng(seed).normal(size=(90, 4)).astype(np.float32)
    drawn[np.arange(90), LABELS] += 1
    return Outputs(drawn.argmax(1).astype(np.int32), drawn if logits else None)


def measured(groups: dict, samples: int = 400) -> dict[str, dict[str, GroupMeasure]]:
    return measure_groups(groups, LABELS, samples=samples, seed=1, stream="test")


def test_values_are_means_over_pairs():
    models = [model(seed) for seed in range(3)]
    pairs = [(models[0], models[1]), (models[0], models[2])]
    found = measured({"ends": pairs, "none": []})
    assert [*found] == [*MEASURES]
    assert all([*groups] == ["ends"] for groups in found.values())
    wanted = {
        "prediction_diversity": [
            prediction_diversity(f.classes, g.classes, LABELS) for f, g in pairs
        ],
        "kappa_complement": [kappa_complement(f.classes, g.classes) for f, g in pairs],
        "kl_divergence": [
            (kl_divergence(f.logits, g.logits) + kl_divergence(g.logits, f.logits)) / 2
            for f, g in pairs
        ],
    }
    for measure, values in wanted.items():
        assert found[measure]["ends"].pairs == pytest.approx(values)
        assert found[measure]["ends"].value == pytest.approx(np.mean(values))


def test_draws_against_a_plain_bootstrap():
    """Mean and spread of each measure as those of drawing examples one by one."""
    pair = (model(3), model(4))
    found = measured({"ends": [pair]}, samples=2000)
    rng = np.random.default_rng(5)
    plain: dict[str, list[float]] = {name: [] for name in MEASURES}
    for _ in range(1500):
        at = rng.integers(90, size=90)
        f, g = (each.classes[at] for each in pair)
        z_f, z_g = (each.logits[at] for each in pair)  # type: ignore[index]
        plain["prediction_diversity"].append(prediction_diversity(f, g, LABELS[at]))
        plain["kappa_complement"].append(kappa_complement(f, g))
        plain["kl_divergence"].append((kl_divergence(z_f, z_g) + kl_divergence(z_g, z_f)) / 2)
    for name, values in plain.items():
        drawn = found[name]["ends"].drawn
        assert drawn.shape == (2000,)
        assert drawn.mean() == pytest.approx(np.mean(values), abs=0.15 * np.std(values))
        assert drawn.std() == pytest.approx(np.std(values), rel=0.12)


def test_groups_are_drawn_together_so_that_what_they_share_cancels():
    models = [model(seed) for seed in (6, 7)]
    found = measured({"a": [(models[0], models[1])], "b": [(models[1], models[0])]})
    for groups in found.values():
        np.testing.assert_allclose(groups["a"].drawn, groups["b"].drawn, rtol=1e-12)


def test_without_logits_there_is_no_divergence_and_equal_models_are_not_diverse():
    same = model(8, logits=False)
    found = measured({"same": [(same, same)], "other": [(model(8), model(9))]})
    assert [*found["kl_divergence"]] == ["other"]
    for name in ("prediction_diversity", "kappa_complement"):
        assert found[name]["same"].value == 0
        assert not found[name]["same"].drawn.any()


def test_models_that_answer_one_class_alone_agree():
    one = Outputs(np.full(90, 2, np.int32), None)
    found = measured({"one": [(one, Outputs(one.classes.copy(), None))]})
    assert found["kappa_complement"]["one"].value == 0
    assert np.isfinite(found["kappa_complement"]["one"].drawn).all()
