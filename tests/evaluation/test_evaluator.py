"""One model on one dataset: missing labels, bad images, logits that are not finite."""

from __future__ import annotations

import dataclasses
import logging

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import dataset
from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.evaluation.sweep import sweep

OPTIONS = {"batch_size": 8}


class BrokenSource:
    """A source some of whose images can't be decoded."""

    def __init__(self, source, broken):
        self.source, self.broken = source, broken
        self.name, self.class_names = source.name, source.class_names
        self.labels, self.ids = source.labels, source.ids

    def __len__(self):
        return len(self.source)

    def read(self, index):
        return b"not an image" if index in self.broken else self.source.read(index)

    def fingerprint(self):
        return "broken"


def broken(data, positions, policy="skip"):
    source = BrokenSource(data.source, positions)
    return dataclasses.replace(data, source=source, on_bad_image=policy, skipped=("x.png: seen",))


def test_has_one_alpha_and_the_name_given(tiny):
    found = evaluate(tiny.classifier, tiny.theta_1, tiny.datasets[1], alpha=0.4, **OPTIONS)
    assert found.alphas == (0.4,)
    assert found.top1.shape == (1, 23)
    assert found.logits is None
    assert [row["alpha"] for row in found.rows()] == [0.4]


def test_images_without_a_label_are_predicted_but_not_counted(tiny, caplog):
    data = dataset(10, "part")
    data.labels[:4] = -1
    found = evaluate(tiny.classifier, tiny.theta_0, data, **OPTIONS)
    assert found.top1.shape == (1, 10)
    assert found.accuracy(0).n == 6
    assert not found.correct[0, :4].any()
    assert "part: 4 images have no label and don't count" in caplog.text


def test_skipped_images_are_listed_and_not_counted(tiny):
    data = broken(tiny.datasets[1], {3, 22})
    found = evaluate(tiny.classifier, tiny.theta_0, data, keep_logits=True, **OPTIONS)
    whole = evaluate(tiny.classifier, tiny.theta_0, tiny.datasets[1], keep_logits=True, **OPTIONS)
    kept = [i for i in range(23) if i not in (3, 22)]
    assert found.ids == tuple(tiny.datasets[1].id(i) for i in kept)
    assert found.logits.tobytes() == whole.logits[:, kept].tobytes()
    assert found.accuracy(0).n == 21
    assert found.skipped[0] == "x.png: seen"
    assert [line.split(":")[0] for line in found.skipped[1:]] == ["test[3]", "test[22]"]
    swept = sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, [data], (0.0, 1.0), **OPTIONS)
    assert swept.skipped == {"test": found.skipped}
    assert {row["n"] for row in swept.rows} == {21}


def test_a_bad_image_stops_by_default(tiny):
    data = broken(tiny.datasets[1], {3}, policy="stop")
    with pytest.raises(InputError, match=r"test\[3\]"):
        evaluate(tiny.classifier, tiny.theta_0, data, **OPTIONS)


def test_no_readable_image_is_an_error(tiny):
    data = broken(tiny.datasets[0], set(range(11)))
    with pytest.raises(InputError, match="none of its 11 images can be read"):
        evaluate(tiny.classifier, tiny.theta_0, data, **OPTIONS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_count_as_wrong_and_are_told(tiny, caplog, value):
    theta = jax.tree_util.tree_map(np.copy, tiny.theta_1)
    theta["head"]["bias"][1] = value
    data = tiny.datasets[1]
    with caplog.at_level(logging.WARNING):
        found = sweep(tiny.classifier, tiny.theta_0, theta, [data], (0.0, 0.5, 1.0), **OPTIONS)
    predictions = found.predictions["test"]
    assert [predictions.accuracy(i).hits for i in (1, 2)] == [0, 0]
    alone = evaluate(tiny.classifier, tiny.theta_0, data, **OPTIONS)
    assert predictions.accuracy(0) == alone.accuracy(0)
    assert "23 images are not finite at alpha = 0.5; they count as wrong" in caplog.text
    assert "at alpha = 0;" not in caplog.text


def test_a_batch_larger_than_the_dataset(tiny):
    small = evaluate(tiny.classifier, tiny.theta_0, tiny.datasets[0], **OPTIONS)
    large = evaluate(tiny.classifier, tiny.theta_0, tiny.datasets[0], batch_size=16)
    np.testing.assert_array_equal(small.top1, large.top1)
    assert large.accuracy(0).n == 11


def test_a_dataset_without_labels_is_refused(tiny):
    data = dataset(10, "new")
    data.labels[:] = -1
    with pytest.raises(InputError, match="new: no image has a label"):
        evaluate(tiny.classifier, tiny.theta_0, data, **OPTIONS)


def test_no_readable_image_with_a_label_is_an_error(tiny):
    data = dataset(10, "part")
    data.labels[:8] = -1
    with pytest.raises(InputError, match="part: none of its labelled images can be read"):
        evaluate(tiny.classifier, tiny.theta_0, broken(data, {8, 9}), **OPTIONS)
