"""Which models share a compiled step, which share images, and which can't be compared."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.helpers.compilations import counted_compilations
from tests.helpers.tiny import tiny_clip, tiny_images
from tests.helpers.tiny_models import NAMES, renamed, tiny_candidates
from wiseft_jax.clip.two_towers import two_tower_classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.candidates import (
    Candidate,
    Candidates,
    architecture,
    check_same_classes,
    pixels_of,
)
from wiseft_jax.evaluation.engine import EngineConfig


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Candidate]:
    return tiny_candidates(tmp_path_factory.mktemp("candidates"))


def config(models: list[Candidate], size: int = 8) -> EngineConfig:
    return EngineConfig.resolve(models[0].theta, batch_size=size, chunk_size=1)


def batch_of(model: Candidate, size: int = 8) -> dict[str, np.ndarray]:
    images = tiny_images(size, model.classifier.preprocess.size)
    return {"image": images, "mask": np.ones(size, bool), "index": np.arange(size, dtype=np.int32)}


def test_one_compilation_for_each_architecture(models: list[Candidate]):
    candidates = Candidates(models, config(models))
    assert len(candidates) == 3
    assert candidates.num_architectures == 2
    with counted_compilations() as compiled:
        found = [
            candidates.on_devices(place)(batch_of(model))
            for place, model in enumerate(models * 2, start=-3)
        ]
    assert compiled.count("step") == 2
    for outputs, model in zip(found, models * 2, strict=True):
        logits = model.classifier.logits(model.theta, batch_of(model)["image"])
        np.testing.assert_array_equal(outputs["top1"][0], np.asarray(logits).argmax(1))


def test_what_tells_architectures_apart(models: list[Candidate]):
    first, second, other = models
    assert architecture(first) == architecture(second) != architecture(other)
    tower = first.classifier.tower.with_dtype("bfloat16")
    preprocess = dataclasses.replace(first.classifier.preprocess, mean=(0.5, 0.5, 0.5))
    for change in ({"tower": tower}, {"preprocess": preprocess}):
        changed = dataclasses.replace(first.classifier, **change)
        assert architecture(dataclasses.replace(first, classifier=changed)) != architecture(first)


def test_images_are_shared_whatever_normalises_them(models: list[Candidate]):
    candidates = Candidates(models, config(models))
    assert candidates.of_same_images() == [[0, 1], [2]]
    preprocess = models[0].classifier.preprocess
    assert pixels_of(dataclasses.replace(preprocess, std=(1.0, 1.0, 1.0))) == pixels_of(preprocess)
    assert pixels_of(dataclasses.replace(preprocess, resize=20)) != pixels_of(preprocess)


def test_a_head_that_is_made_of_a_text_tower_is_made_once(models, tmp_path):
    moving = Candidate("two", *two_tower_classifier(tiny_clip(tmp_path, vision_layers=1), NAMES))
    candidates = Candidates([models[0], moving], config(models))
    assert candidates.num_architectures == 1
    assert {*candidates.models[1].theta} == {"encoder", "head"}
    first, second = (candidates.on_devices(place)(batch_of(models[0])) for place in (0, 1))
    np.testing.assert_array_equal(first["top1"], second["top1"])  # both are of seed 0


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (("x", "b", "c"), "B: expected the classes of A (3), found 3: class 0 is 'x' and not 'a'"),
        (("a", "b"), "found 2: class 2 is none and not 'c'"),
        (("a", "b", "c", "d"), "found 4: class 3 is 'd' and not none"),
        (("a", "c", "b"), "class 1 is 'c' and not 'b'; they are the same classes in another order"),
    ],
)
def test_other_classes_are_named(classes: tuple[str, ...], said: str):
    with pytest.raises(InputError) as caught:
        check_same_classes(["A", "A2", "B", "C"], [tuple("abc"), list("abc"), classes, tuple("z")])
    assert said in str(caught.value)


def test_models_that_cannot_be_compared(models: list[Candidate]):
    other = renamed(models[1], ("red circle", "blue ring", "green digit"))
    with pytest.raises(InputError, match="class 1 is 'blue ring' and not 'blue square'"):
        Candidates([models[0], other], config(models))
    with pytest.raises(InputError, match="the name 'a' is given twice"):
        Candidates([models[0], models[0]], config(models))
    with pytest.raises(InputError, match="found none"):
        Candidates([], config(models))
