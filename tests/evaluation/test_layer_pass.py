"""Layers of several models from one program, in the set's order; what ends elsewhere is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, Tiny, dataset
from tests.helpers.compilations import counted_compilations
from tests.helpers.tiny import tiny_clip, tiny_images
from wiseft_jax.clip.logit_classifier import LogitClassifier
from wiseft_jax.clip.towers import l2_normalise
from wiseft_jax.clip.two_towers import two_tower_classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import array_dataset
from wiseft_jax.evaluation import layer_pass
from wiseft_jax.evaluation.layer_pass import extract_layers

LAYERS = ("embedding", "block_0", "pooled", "features")


def test_every_models_layers_come_from_one_program_and_end_in_its_features(tiny: Tiny):
    data = dataset(23, "test")
    with counted_compilations() as compiled:
        found = extract_layers(tiny.classifier, [tiny.theta_0, tiny.theta_1], data, batch_size=8)
    assert compiled.count("every_layer") == 1
    assert found.ids == tuple(data.id(position) for position in range(23))
    images = np.stack([np.asarray(data.source.read(index)) for index in range(23)])
    for theta, layers in zip((tiny.theta_0, tiny.theta_1), found.models, strict=True):
        assert tuple(layers) == LAYERS
        assert {len(each) for each in layers.values()} == {23}
        expected = l2_normalise(jax.jit(tiny.classifier.features)(theta, images))
        np.testing.assert_allclose(layers["features"], expected, rtol=0, atol=1e-6)
    difference = found.models[0]["block_0"] - found.models[1]["block_0"]
    assert np.abs(difference).max() > 1e-2


def test_bfloat16_towers_are_looked_at_in_float32(tiny: Tiny):
    low = dataclasses.replace(tiny.classifier, tower=tiny.classifier.tower.with_dtype("bfloat16"))
    data = dataset(8, "test")
    found = extract_layers(low, [tiny.theta_0], data).models[0]
    expected = extract_layers(tiny.classifier, [tiny.theta_0], data).models[0]
    for name in LAYERS:
        np.testing.assert_array_equal(found[name], expected[name])


def test_two_towers_have_the_layers_of_their_image_tower(tmp_path: Path):
    classifier, theta = two_tower_classifier(tiny_clip(tmp_path, vision_layers=1), NAMES)
    found = extract_layers(classifier, [theta], dataset(8, "test"))
    assert tuple(found.models[0]) == LAYERS


def test_layers_that_end_elsewhere_are_an_internal_error(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
):
    real = layer_pass.layer_features

    def turned(tower: object, params: Params, pixels: object) -> dict:
        found = real(tower, params, pixels)  # type: ignore[arg-type]
        return {**found, "features": found["features"][:, ::-1]}

    monkeypatch.setattr(layer_pass, "layer_features", turned)
    with pytest.raises(RuntimeError, match="differ from the classifier's by up to"):
        extract_layers(tiny.classifier, [tiny.theta_0], dataset(8, "test"))


def test_a_model_of_logits_is_refused(tiny: Tiny):
    model = LogitClassifier(NAMES, tiny.classifier.preprocess, logits_fn=lambda params, x: x)
    with pytest.raises(InputError, match="found a LogitClassifier"):
        extract_layers(model, [{"encoder": {}}], dataset(8, "test"))


class _Broken:
    """Images of which one can't be decoded."""

    def __init__(self) -> None:
        images = tiny_images(8)
        self.whole = array_dataset(images, np.zeros(8, int), NAMES, name="test")

    def dataset(self) -> object:
        source = self.whole.source

        def read(index: int) -> object:
            return b"no image" if index == 3 else type(source).read(source, index)  # type: ignore

        source.read = read  # type: ignore[method-assign]
        return dataclasses.replace(self.whole, on_bad_image="skip")


def test_an_image_that_cannot_be_read_is_left_out_and_named(tiny: Tiny):
    found = extract_layers(tiny.classifier, [tiny.theta_0], _Broken().dataset())  # type: ignore
    assert found.ids == tuple(f"test[{index}]" for index in (0, 1, 2, 4, 5, 6, 7))
    assert len(found.skipped) == 1
    assert "test[3]" in found.skipped[0]
    assert len(found.models[0]["pooled"]) == 7
