"""Outputs for images without labels: order, padding, skipped images, images that all are bad."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.pipeline import Batches
from wiseft_jax.data.source import ArraySource
from wiseft_jax.evaluation.inference import apply_to_images


class BrokenSource(ArraySource):
    """Images in memory some of which can't be decoded."""

    broken: frozenset[int] = frozenset()

    def read(self, index):
        return b"no image" if index in self.broken else super().read(index)


def broken(data, positions, policy="skip"):
    source = BrokenSource(data.source.images, data.source.labels, data.class_names, data.name)
    source.broken = frozenset(positions)
    return dataclasses.replace(data, source=source, on_bad_image=policy)


def apply(tiny, data, **options):
    arguments = tiny.classifier.logits, tiny.theta_0, data, tiny.classifier.preprocess
    return apply_to_images(*arguments, **({"batch_size": 8} | options))


@pytest.fixture(scope="module")
def whole(tiny):
    return apply(tiny, tiny.datasets[1])


def test_rows_are_in_the_datasets_order_over_batches_and_a_ragged_end(tiny, whole):
    data = tiny.datasets[1]  # 23 images: two batches of 8, and 7
    wanted = jax.jit(tiny.classifier.logits)(tiny.theta_0, data.source.images)
    np.testing.assert_allclose(whole.values, wanted, atol=2e-4)
    assert whole.values.shape == (23, 3)
    assert whole.ids == data.source.ids
    assert whole.skipped == ()


def test_a_batch_larger_than_the_dataset(tiny, whole):
    found = apply(tiny, tiny.datasets[1], batch_size=100)
    np.testing.assert_allclose(found.values, whole.values, atol=2e-4)
    assert found.ids == whole.ids


@pytest.mark.parametrize("bad", [{4}, {0, 22}, set(range(8, 16))])
def test_skipped_images_are_named_and_the_others_keep_their_order(tiny, whole, bad):
    found = apply(tiny, broken(tiny.datasets[1], bad))
    kept = [index for index in range(23) if index not in bad]
    assert found.skipped == tuple(f"test[{index}]" for index in sorted(bad))
    assert found.ids == tuple(f"test[{index}]" for index in kept)
    np.testing.assert_array_equal(found.values, whole.values[kept])


def test_all_images_bad_is_an_error(tiny):
    with pytest.raises(InputError, match="test: none of its 23 images can be read"):
        apply(tiny, broken(tiny.datasets[1], range(23)))


def test_no_images_is_an_error(tiny):
    with pytest.raises(InputError, match="there are no images"):
        apply(tiny, tiny.datasets[1].subset(np.arange(0)))


def test_a_bad_image_stops_by_default(tiny):
    with pytest.raises(InputError, match=r"test\[20\]"):
        apply(tiny, broken(tiny.datasets[1], {20}, policy="stop"))


def test_an_error_ends_the_reading(tiny, monkeypatch):
    closed = []
    close = Batches.close
    monkeypatch.setattr(Batches, "close", lambda self: closed.append(self) or close(self))

    def failing(theta, images):
        raise RuntimeError("the model failed")

    data, preprocess = tiny.datasets[1], tiny.classifier.preprocess
    with pytest.raises(RuntimeError, match="the model failed"):
        apply_to_images(failing, tiny.theta_0, data, preprocess, batch_size=8)
    assert closed
