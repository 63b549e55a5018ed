"""Each image at its own alpha: the merged model's classes, and DaWin end to end."""

from __future__ import annotations

import dataclasses
import logging

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, dataset
from tests.helpers.compilations import counted_compilations
from wiseft_jax.clip.delta import same_paths
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.evaluation import per_example
from wiseft_jax.evaluation.per_example import predictors, readable
from wiseft_jax.evaluation.rule_costs import benchmark_rules
from wiseft_jax.evaluation.sweep import sweep

ALPHAS = (0.0, 0.3, 0.7, 1.0)
STEP = "own_alpha_step"


@pytest.fixture(scope="module")
def swept(tiny):
    found = sweep(
        tiny.classifier,
        tiny.theta_0,
        tiny.theta_1,
        tiny.datasets,
        ALPHAS,
        batch_size=16,
        keep_logits=True,
    )
    return found.predictions


def predictor(tiny, data, *, ends=None, classifier=None, **options):
    """Return the one function for one dataset."""
    start, end = ends or (tiny.theta_0, tiny.theta_1)
    options = {"batch_size": 8} | options
    return predictors(classifier or tiny.classifier, start, end, {"": data}, **options)[""]


@pytest.fixture(scope="module")
def predict(tiny):
    return predictor(tiny, tiny.datasets[1])


@pytest.fixture(scope="module")
def choice(swept):
    return np.random.default_rng(0).integers(0, len(ALPHAS), len(swept["test"]))


def test_each_image_gets_the_class_of_its_own_model(swept, predict, choice):
    """Against the sweep's predictions at the same alphas, where rounding can't decide."""
    test = swept["test"]
    top1 = predict(np.array(ALPHAS)[choice])
    assert top1.dtype == np.int32
    clear = test.margin[choice, np.arange(len(test))] > 2e-4
    np.testing.assert_array_equal(top1[clear], test.top1[choice, np.arange(len(test))][clear])
    assert clear.mean() > 0.8


@pytest.mark.parametrize(
    "mesh",
    [
        MeshConfig(),
        MeshConfig(data=2, fsdp=4, min_shard_elements=64),
        MeshConfig(data=2, fsdp=2, alpha=2, min_shard_elements=64),
    ],
    ids=["data", "fsdp", "alpha"],
)
def test_eight_devices_are_one(tiny, swept, choice, mesh):
    data, alphas = tiny.datasets[1], np.array(ALPHAS)[choice]
    one = predictor(tiny, data, mesh=make_mesh(1))(alphas)
    eight = predictor(tiny, data, mesh=mesh)(alphas)
    clear = swept["test"].margin[choice, np.arange(len(one))] > 2e-4
    np.testing.assert_array_equal(eight[clear], one[clear])
    assert set(one) <= set(range(len(NAMES)))


def test_the_batch_is_split_and_the_ends_lie_as_the_layout_says(tiny, monkeypatch, choice):
    rows, kernels = [], []
    logits = per_example.delta_logits

    def spy(classifier, theta_0, theta_1, alphas, images, same):
        for seen, array in ((rows, images), (rows, alphas), (kernels, theta_1["head"]["kernel"])):
            jax.debug.inspect_array_sharding(array, callback=seen.append)
        return logits(classifier, theta_0, theta_1, alphas, images, same)

    monkeypatch.setattr(per_example, "delta_logits", spy)
    mesh = MeshConfig(data=2, fsdp=2, alpha=2, min_shard_elements=16)
    run = predictor(tiny, tiny.datasets[1], classifier=tiny.fresh(), mesh=mesh)
    run(np.array(ALPHAS)[choice])
    # All 8 devices share the batch: those of the axis alpha too.
    assert [each.shard_shape((8,) + (1,) * 3)[0] for each in rows[:1]] == [1]
    assert rows[1].shard_shape((8,)) == (1,)
    assert not kernels[0].is_fully_replicated


def test_one_compilation_for_each_head_and_shape(tiny):
    classifier = tiny.fresh()
    data = {f"of {count}": dataset(count, f"of {count}") for count in (3, 8, 11, 23)}
    ends = tiny.theta_0, tiny.theta_1
    with counted_compilations() as first:
        for name, run in predictors(classifier, *ends, data, batch_size=8).items():
            run(np.full(len(data[name]), 0.5))
    assert first.count(STEP) == 1
    with counted_compilations() as again:
        run = predictors(classifier, *ends, data, batch_size=8)["of 11"]
        run(np.linspace(0, 1, 11))
    assert again.count(STEP) == 0
    with counted_compilations() as larger:
        predictors(classifier, *ends, data, batch_size=16)["of 23"](np.zeros(23))
    assert larger.count(STEP) == 1


def test_leaves_that_both_ends_share_are_named(tiny, monkeypatch):
    """They cost no second product: ``tests/clip/test_delta.py`` counts."""
    seen, logits = [], per_example.delta_logits

    def spy(classifier, theta_0, theta_1, alphas, images, same):
        seen.append(same)
        return logits(classifier, theta_0, theta_1, alphas, images, same)

    monkeypatch.setattr(per_example, "delta_logits", spy)
    ends = tiny.theta_0, tiny.theta_0 | {"head": tiny.theta_1["head"]}
    predictor(tiny, tiny.datasets[0], ends=ends)(np.full(11, 0.5))
    assert seen == [same_paths(tiny.classifier.tower, *ends)]
    assert "head/bias" in seen[0]  # zeros at both
    assert "head/kernel" not in seen[0]


def test_dawin_runs_on_the_models(swept, predict):
    costs = benchmark_rules(swept, rules=["dawin"], targets=["test"], predict_at={"test": predict})
    assert costs[0].missing == ""
    assert costs[0].n == 23


def test_logits_that_are_not_finite_are_never_right_and_told(tiny, caplog):
    """Class 0 is broken, whose index an arg max over NaN would give."""
    theta_1 = jax.tree_util.tree_map(np.copy, tiny.theta_1)
    theta_1["head"]["bias"][0] = np.nan
    data = tiny.datasets[1]
    with caplog.at_level(logging.WARNING):
        top1 = predictor(tiny, data, ends=(tiny.theta_0, theta_1))(np.full(23, 0.5))
    assert (top1 == -1).all()
    assert "test: the logits of 23 images are not finite at their own alpha" in caplog.text
    assert not (top1 == data.labels).any()


def test_images_that_are_gone_are_never_right_and_told(tiny, caplog):
    class Gone(type(tiny.datasets[1].source)):
        def read(self, index):
            return b"not an image" if index == 4 else super().read(index)

    data = tiny.datasets[1]
    source = Gone(data.source.images, data.labels, NAMES, "test")
    broken = dataclasses.replace(data, source=source, on_bad_image="skip")
    with caplog.at_level(logging.WARNING):
        top1 = predictor(tiny, broken)(np.full(23, 0.5))
    assert np.flatnonzero(top1 == -1).tolist() == [4]
    assert "test: 1 image that the sweep read can't be read any more" in caplog.text


def test_alphas_must_match_the_images(tiny, swept, predict):
    with pytest.raises(InputError, match="5 alphas for 23 images"):
        predict(np.zeros(5))
    some = dataclasses.replace(swept["test"], ids=swept["test"].ids[3:5])
    kept = readable(tiny.datasets[1], some)
    assert [kept.id(position) for position in range(len(kept))] == list(some.ids)
    with pytest.raises(InputError, match="no image 'x', which was predicted"):
        readable(tiny.datasets[1], dataclasses.replace(some, ids=("x",)))
