from __future__ import annotations

import jax
import numpy as np
import pytest

from tests.helpers.small_resnet import random_variables, small_resnet
from tests.helpers.tiny import tiny_clip, tiny_images
from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9, IN9_CLASSES, IN9_NAMES
from wiseft_jax.backgrounds.predictors import (
    coarse_names,
    resnet_predictor,
    thousand_predictor,
    zero_shot_predictor,
)
from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.zero_shot import zero_shot_head
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import hash_tree

NAMES = tuple(f"class {index}" for index in range(1000))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return tiny_clip(tmp_path_factory.mktemp("clip"))


def test_prompts_leave_the_folders_numbers_out():
    assert coarse_names(IN9_CLASSES) == IN9_NAMES
    assert coarse_names(("cat", "3_d")) == ("cat", "3_d")


def test_coarse_prompts_are_the_zero_shot_head_of_the_names(clip: Clip):
    found = zero_shot_predictor(clip, IN9_CLASSES)
    assert found.protocol == "9 coarse prompts"
    head = zero_shot_head(clip, IN9_NAMES)
    assert np.array_equal(found.params["head"]["kernel"], head["kernel"])
    assert found.weights.startswith(f"{clip.source} (hash ")
    assert found.weights.endswith(f", head {hash_tree(found.params['head'])})")
    fewer = zero_shot_predictor(clip, IN9_CLASSES[:4])
    assert fewer.weights.split(", head")[0] == found.weights.split(", head")[0]
    assert fewer.weights != found.weights
    assert found.class_names == IN9_CLASSES


def test_a_thousand_prompts_are_mapped_after_the_arg_max(clip: Clip):
    names = ("missile", *NAMES[1:999], "missile")
    found = thousand_predictor(clip, names, IN9_CLASSES)
    kernel = found.params["head"]["kernel"]
    assert kernel.shape == (16, 1000)
    assert np.array_equal(kernel[:, 0], kernel[:, 999])
    images = tiny_images(6)
    features = np.asarray(clip.image_encoder(clip.params, images))
    best = (features @ kernel).argmax(1)
    assert np.array_equal(found.predict(images), IMAGENET_TO_IN9[best])


def test_a_thousand_names_in_another_order_are_warned_of(
    clip: Clip, caplog: pytest.LogCaptureFixture
):
    resnet = small_resnet(1000)
    variables = random_variables(resnet)
    ordered = ("tench, Tinca tinca", *NAMES[1:999], "toilet_tissue")
    resnet_predictor(resnet, variables, ordered, IN9_CLASSES, name="r")
    assert not caplog.records
    resnet_predictor(resnet, variables, ordered[::-1], IN9_CLASSES, name="r")
    assert "r: its 1000 classes are taken by position" in caplog.text
    assert "class 0 is 'toilet_tissue', expected 'tench', class 999 is 'tench, " in caplog.text
    thousand_predictor(clip, NAMES, IN9_CLASSES)
    assert "class 999 is 'class 999', expected 'toilet tissue'" in caplog.text


@pytest.mark.slow
def test_a_resnets_classes_are_matched_by_name_in_any_order():
    resnet = small_resnet(9)
    variables = random_variables(resnet)
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    best = np.asarray(jax.jit(resnet.logits)(variables, images)).argmax(1)
    order = np.random.default_rng(1).permutation(9)
    names = [IN9_NAMES[place].upper() for place in order]
    found = resnet_predictor(resnet, variables, names, IN9_CLASSES, name="r")
    assert np.array_equal(found.predict(images), order[best])
    unnamed = [f"LABEL_{index}" for index in range(9)]
    by_place = resnet_predictor(resnet, variables, unnamed, IN9_CLASSES, name="r")
    assert np.array_equal(by_place.predict(images), best)


def test_other_classes_are_refused(clip: Clip):
    resnet = small_resnet(3)
    with pytest.raises(InputError, match="the model has 3 classes; expected the set's 9"):
        resnet_predictor(resnet, {}, ["a", "b", "c"], IN9_CLASSES, name="r")
    with pytest.raises(InputError, match="answers for ImageNet-9 alone"):
        thousand_predictor(clip, NAMES, ("a", "b"))
    with pytest.raises(InputError, match="expected 1000 names"):
        thousand_predictor(clip, NAMES[1:], IN9_CLASSES)
    with pytest.raises(InputError, match="expected 9 names"):
        zero_shot_predictor(clip, IN9_CLASSES, prompt_names=("a",))
