"""Several models on one set: each as if it were alone, and paired by image."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from jax.sharding import Mesh
from scipy.stats import binomtest

from tests.evaluation.test_evaluator import broken
from tests.helpers.tiny_models import mostly_right, renamed
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation import comparison, evaluator
from wiseft_jax.evaluation.candidates import Candidate
from wiseft_jax.evaluation.comparison import comparison_rows, evaluate_models
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.evaluation.predictions import Predictions


@pytest.fixture(scope="module")
def options(one_device: Mesh) -> dict[str, Any]:
    return {"batch_size": 16, "mesh": one_device}


@pytest.fixture(scope="module")
def found(models: list[Candidate], data: Dataset, options: dict[str, Any]) -> list[Predictions]:
    return evaluate_models(models, data, **options)


def test_the_set_is_read_once_for_models_that_take_the_same(models, data, options, monkeypatch):
    read = []

    def counted(dataset, preprocess, **options):
        read.append(preprocess.size)
        return eval_batches(dataset, preprocess, **options)

    monkeypatch.setattr(evaluator, "eval_batches", counted)
    evaluate_models(models, data, **options)
    assert read == [16, 24]


def test_predictions_are_those_of_the_model(several, data, found):
    right = several.correct(data, data.source.images)
    np.testing.assert_array_equal(np.concatenate([each.correct for each in found]), right)


def test_rows_are_those_of_an_independent_reckoning(found, data):
    rows = comparison_rows(found, ["a", "b", "c"], "hash")
    right = [each.top1[0] == data.labels for each in found]
    raw = []
    for place, row in enumerate(rows):
        assert row["value"] == right[place].mean()
        assert (row["model"], row["reference"], row["config_hash"]) == ("abc"[place], "a", "hash")
        assert row["difference"] == pytest.approx(right[place].mean() - right[0].mean())
        if place:
            gained = int((right[place] & ~right[0]).sum())
            lost = int((right[0] & ~right[place]).sum())
            raw.append(binomtest(gained, gained + lost).pvalue)
            assert row["p_value"] == pytest.approx(raw[-1])
            # The normal interval of the mean paired difference, which the bootstrap comes near to.
            gain = right[place].astype(float) - right[0]
            width = 1.96 * gain.std() / np.sqrt(len(gain))
            for name, end in (("low", -width), ("high", width)):
                assert row[f"difference_{name}"] == pytest.approx(gain.mean() + end, abs=0.03)
    small, large = sorted(raw)
    corrected = sorted(row["p_holm"] for row in rows[1:])
    assert corrected == pytest.approx([min(1, 2 * small), max(large, min(1, 2 * small))])
    assert rows[0]["p_value"] is rows[0]["p_holm"] is None
    assert rows[0]["difference_low"] == rows[0]["difference_high"] == 0
    assert [row["may_be_best"] for row in rows] == [True, False, False]


def test_images_without_a_label_do_not_count(several, models, options, caplog):
    data = mostly_right(several, 20)
    data.labels[:5] = -1
    found = evaluate_models(models[:2], data, **options)
    assert [row["n"] for row in comparison_rows(found, ["a", "b"])] == [15, 15]
    assert caplog.messages.count("set: 5 images have no label and don't count") == 1


def test_an_image_that_cannot_be_read_is_left_out_for_all(models, data, options):
    found = evaluate_models(models, broken(data, {3}), **options)
    assert [len(each) for each in found] == [89, 89, 89]
    assert all("set[3]" in " ".join(each.skipped) for each in found)
    assert len(comparison_rows(found, ["a", "b", "c"])) == 3


def test_a_model_whose_logits_are_not_finite_is_named(models, data, options, caplog):
    head = {**models[1].theta["head"], "bias": np.full(3, np.nan, np.float32)}
    odd = dataclasses.replace(models[1], name="odd", theta={**models[1].theta, "head": head})
    found = evaluate_models([models[0], odd], data, **options)
    assert found[1].accuracy(0).hits == 0
    said = "set: the logits of 90 images are not finite with odd; they count as wrong"
    assert [line for line in caplog.messages if "finite" in line] == [said]


def test_what_cannot_be_compared(several, models, data, found, options):
    other = dataclasses.replace(found[1], ids=found[1].ids[::-1])
    with pytest.raises(InputError, match="b was run on other images"):
        comparison_rows([found[0], other], ["a", "b"])
    with pytest.raises(InputError, match="class 2 is 'z'"):
        evaluate_models(
            [models[0], renamed(models[1], ("red circle", "blue square", "z"))], data, **options
        )
    data = mostly_right(several, 5)
    data.labels[:] = -1
    with pytest.raises(InputError, match="no image has a label"):
        evaluate_models(models, data, **options)


def test_each_model_predicts_as_it_does_alone(models, data, found, options, monkeypatch):
    monkeypatch.setattr(comparison, "_BATCHES_AT_ONCE", 2)  # models take turns
    for several in (found, evaluate_models(models, data, **options)):
        for place in (2, 0, 1):  # the first two of these are compiled already
            model, each = models[place], several[place]
            alone = evaluate(model.classifier, model.theta, data, **options)
            for name in ("top1", "correct", "margin", "labels", "entropy"):
                np.testing.assert_array_equal(getattr(each, name), getattr(alone, name), name)
            assert (each.ids, each.alphas, each.skipped) == (alone.ids, (0.0,), ())
