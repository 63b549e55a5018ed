"""What bfloat16 changes is counted against float32, on a sample, at a few alphas."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest

from tests.evaluation.conftest import NAMES
from tests.helpers.compilations import counted_compilations
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.evaluation.precision import MOST_ALPHAS
from wiseft_jax.evaluation.sweep import SweepResult, sweep

ALPHAS = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module", params=["transformers", "scan"])
def in_bfloat16(request, tiny, tmp_path_factory):
    directory = tiny_clip_directory(tmp_path_factory.mktemp("clip"), vision_layers=1)
    clip = load_clip(directory, "bfloat16", tower=request.param)
    classifier, theta_0 = zero_shot_classifier(clip, NAMES)
    theta_1 = tiny.classifier.tower.to_canonical(tiny.theta_1["encoder"])
    return classifier, theta_0, {**tiny.theta_1, "encoder": clip.tower.from_canonical(theta_1)}


def test_differences_are_counted_said_and_saved(in_bfloat16, tiny, caplog, tmp_path):
    classifier, *ends = in_bfloat16
    test = tiny.datasets[1]
    with caplog.at_level(logging.INFO):
        result = sweep(classifier, *ends, [test], ALPHAS, batch_size=8)
    exact = dataclasses.replace(classifier, tower=classifier.tower.with_dtype("float32"))
    wanted = sweep(exact, *ends, [test], ALPHAS, batch_size=8)
    order = numpy_stream(0, "comparison with float32").permutation(len(test))
    sample = np.sort(order[:8])
    assert sample.max() > 8, "not the first ones"
    other = (result.predictions["test"].top1 != wanted.predictions["test"].top1)[:, sample]
    found = result.float32
    assert found is not None
    assert (found.differ, found.compared, found.dataset) == (int(other.sum()), 24, "test")
    margins = wanted.predictions["test"].margin[:, sample][other]
    assert found.largest_margin == pytest.approx(margins.max(initial=0.0))
    line = f"bfloat16: {found.differ} of 24 predictions differ from float32's (8 examples"
    assert line in caplog.text
    assert wanted.float32 is None
    result.save(tmp_path)
    assert SweepResult.load(tmp_path).float32 == found


def test_the_comparison_is_bounded_and_compiled_once(in_bfloat16, tiny):
    classifier, *ends = in_bfloat16
    grid, test = tuple(np.linspace(0, 1, 41).tolist()), tiny.datasets[1]
    options = {"batch_size": 8, "backend": "map"}
    found = sweep(classifier, *ends, [test], grid, **options)
    assert found.float32 is not None
    assert found.float32.compared == 8 * MOST_ALPHAS
    with counted_compilations() as names:
        again = sweep(classifier, *ends, [test], grid, **options)
    assert again.float32 == found.float32
    assert not names


def test_images_without_a_label_are_not_sampled(in_bfloat16, tiny):
    classifier, *ends = in_bfloat16
    data = dataclasses.replace(tiny.datasets[1], labels=tiny.datasets[1].labels.copy())
    data.labels[2:] = -1
    found = sweep(classifier, *ends, [data], ALPHAS, batch_size=8).float32
    assert found is not None
    assert found.compared == 2 * 3
