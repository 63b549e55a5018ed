"""Outputs for images without labels: order, padding, skipped images."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from wiseft_jax.evaluation.inference import apply_to_images


def test_rows_are_in_the_datasets_order_and_skipped_images_are_named(tiny):
    data = tiny.datasets[1]
    arguments = tiny.classifier.logits, tiny.theta_0
    found = apply_to_images(*arguments, data, tiny.classifier.preprocess, batch_size=8)
    wanted = jax.jit(tiny.classifier.logits)(tiny.theta_0, data.source.images[:16])
    np.testing.assert_allclose(found.values[:16], wanted, atol=2e-4)
    assert found.values.shape == (23, 3)
    assert found.ids == data.source.ids
    assert found.skipped == ()

    class Broken(type(data.source)):
        def read(self, index):
            return b"no image" if index == 4 else super().read(index)

    source = Broken(data.source.images, data.source.labels, data.class_names, "test")
    broken = dataclasses.replace(data, source=source, on_bad_image="skip")
    partial = apply_to_images(*arguments, broken, tiny.classifier.preprocess, batch_size=8)
    assert partial.skipped == ("test[4]",)
    np.testing.assert_array_equal(partial.values, np.delete(found.values, 4, axis=0))
