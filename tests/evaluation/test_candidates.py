"""Which models share a compiled step, which share images, and which can't be compared."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from jax.sharding import Mesh

from tests.helpers.compilations import counted_compilations
from tests.helpers.tiny import tiny_clip, tiny_images
from tests.helpers.tiny_models import NAMES, SMALL, TinyModels, renamed
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
def config(one_device: Mesh) -> EngineConfig:
    return EngineConfig.resolve({}, batch_size=16, chunk_size=1, mesh=one_device)


def batch_of(model: Candidate, size: int = 16) -> dict[str, np.ndarray]:
    images = tiny_images(size, model.classifier.preprocess.size)
    return {"image": images, "mask": np.ones(size, bool), "index": np.arange(size, dtype=np.int32)}


def test_one_compilation_for_each_architecture(several: TinyModels, config: EngineConfig):
    fresh = [
        dataclasses.replace(each, classifier=dataclasses.replace(each.classifier))
        for each in several.candidates
    ]
    candidates = Candidates(fresh, config)
    assert len(candidates) == 3
    assert candidates.num_architectures == 2
    with counted_compilations() as compiled:
        found = [candidates.on_devices(k)(batch_of(fresh[k])) for k in (0, 1, 2, 1)]
    assert compiled.count("step") == 2
    images = tiny_images(16)
    for place in (0, 1):
        np.testing.assert_array_equal(
            found[place]["top1"][0], several.logits(place, images).argmax(1)
        )
    assert (found[0]["top1"] != found[1]["top1"]).any()
    np.testing.assert_array_equal(found[1]["margin"], found[3]["margin"])


def test_another_set_runs_by_the_same_programs(several: TinyModels, one_device: Mesh):
    def fresh() -> list[Candidate]:
        return [
            dataclasses.replace(each, classifier=dataclasses.replace(each.classifier))
            for each in several.candidates
        ]

    candidates = Candidates.of(fresh(), batch_size=16, mesh=one_device)
    batch = batch_of(candidates.models[0])
    expected = candidates.on_devices(0)(batch)
    Candidates.of(fresh(), batch_size=16, mesh=one_device)  # what is kept elsewhere is pushed out
    again = Candidates.of(candidates, batch_size=8, mesh=one_device, num_threads=2)
    assert (again.config.batch_size, candidates.config.batch_size) == (8, 16)
    with counted_compilations() as compiled:
        found = again.on_devices(0)(batch)
    assert "step" not in compiled
    np.testing.assert_array_equal(found["margin"], expected["margin"])


def test_what_tells_architectures_apart(models: list[Candidate]):
    first, second, other = models
    assert architecture(first) == architecture(second) != architecture(other)
    tower = first.classifier.tower.with_dtype("bfloat16")
    preprocess = dataclasses.replace(first.classifier.preprocess, mean=(0.5, 0.5, 0.5))
    for change in ({"tower": tower}, {"preprocess": preprocess}):
        changed = dataclasses.replace(first.classifier, **change)
        assert architecture(dataclasses.replace(first, classifier=changed)) != architecture(first)


def test_images_are_shared_whatever_normalises_them(models: list[Candidate], config: EngineConfig):
    candidates = Candidates(models, config)
    assert candidates.of_same_images() == [[0, 1], [2]]
    preprocess = models[0].classifier.preprocess
    assert pixels_of(dataclasses.replace(preprocess, std=(1.0, 1.0, 1.0))) == pixels_of(preprocess)
    assert pixels_of(dataclasses.replace(preprocess, resize=20)) != pixels_of(preprocess)


def test_a_head_that_is_made_of_a_text_tower_is_made_once(models, config, tmp_path):
    two = two_tower_classifier(tiny_clip(tmp_path, **SMALL), NAMES)
    candidates = Candidates([models[0], Candidate("two", *two)], config)
    assert candidates.num_architectures == 1
    assert {*candidates.models[1].theta} == {"encoder", "head"}


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
    assert f"\nExpected: a, b, c\nFound: {', '.join(classes)}" in str(caught.value)


def test_models_that_cannot_be_compared(models: list[Candidate], config: EngineConfig):
    other = renamed(models[1], ("red circle", "blue ring", "green digit"))
    with pytest.raises(InputError, match="class 1 is 'blue ring' and not 'blue square'"):
        Candidates([models[0], other], config)
    with pytest.raises(InputError, match="the name 'a' is given twice"):
        Candidates([models[0], models[0]], config)
    with pytest.raises(InputError, match="found none"):
        Candidates([], config)
