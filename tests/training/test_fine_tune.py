"""``fine_tune`` as a whole: it learns, keeps what is frozen, and refuses what doesn't fit."""

from __future__ import annotations

import dataclasses
import json
import logging
import resource
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from tests.training.toy import (
    CLASS_NAMES,
    SIZE,
    ToyClassifier,
    toy_classifier,
    toy_config,
    toy_dataset,
    toy_for,
    toy_options,
    toy_train,
)
from wiseft_jax.core.checkpoint import Checkpoints
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.errors import InputError, NonFiniteLossError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.data import pipeline
from wiseft_jax.data.pipeline import train_batches
from wiseft_jax.data.source import ArraySource, array_dataset
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.training.recipes import RECIPES

EACH_STEP = CheckpointConfig(save_every_steps=1)


def accuracy(classifier: Any, theta: Any, dataset: Any) -> float:
    images = np.stack([dataset.source.read(index) for index in range(len(dataset))])
    predictions = np.asarray(classifier.logits(theta, images)).argmax(1)
    return float(np.mean(predictions == dataset.labels))


def records(run_dir: Path) -> list[dict[str, Any]]:
    lines = (run_dir / "train.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def assert_equal(found: Any, expected: Any) -> None:
    found, expected = flatten_paths(found), flatten_paths(expected)
    assert list(found) == list(expected)
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)


FROZEN = {"linear_probe": ("encoder/",), "paint": ("head/",)}


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_it_learns_and_touches_only_what_is_trained(recipe: str):
    classifier, theta_0 = toy_for(recipe)
    before = {name: leaf.copy() for name, leaf in flatten_paths(theta_0).items()}
    train, held_out = toy_train(recipe), toy_dataset(30, seed=1)
    options = toy_options(recipe)
    config = toy_config(recipe=recipe, epochs=30.0, learning_rate=0.2, options=options)
    theta_1 = fine_tune(classifier, theta_0, train, None, config)
    assert accuracy(classifier, theta_1, held_out) > accuracy(classifier, theta_0, held_out) + 0.25
    for name, leaf in flatten_paths(theta_0).items():
        np.testing.assert_array_equal(leaf, before[name], err_msg=name)
    found = flatten_paths(theta_1)
    assert list(found) == list(before)
    for name, leaf in found.items():
        assert isinstance(leaf, np.ndarray)
        assert (leaf.dtype, leaf.shape) == (np.float32, before[name].shape)
        frozen = name.startswith(FROZEN.get(recipe, ()))
        assert np.array_equal(leaf, before[name]) == frozen, name


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_one_device_equals_eight(recipe: str):
    classifier, theta_0 = toy_for(recipe)
    options = toy_options(recipe)
    train, config = toy_train(recipe), toy_config(recipe=recipe, options=options)
    one = fine_tune(classifier, theta_0, train, None, config, mesh=make_mesh(1))
    eight = fine_tune(classifier, theta_0, train, None, config, mesh=make_mesh(8))
    for name, leaf in flatten_paths(eight).items():
        np.testing.assert_allclose(leaf, flatten_paths(one)[name], rtol=0, atol=2e-6, err_msg=name)


def test_the_same_seed_is_the_same_model_and_another_is_not():
    classifier, theta_0 = toy_classifier()
    train, config = toy_dataset(48), toy_config()
    first = fine_tune(classifier, theta_0, train, None, config)
    assert_equal(fine_tune(classifier, theta_0, train, None, config), first)
    other = fine_tune(classifier, theta_0, train, None, dataclasses.replace(config, seed=1))
    assert not np.array_equal(other["head"]["kernel"], first["head"]["kernel"])


def test_label_smoothing_changes_the_result():
    classifier, theta_0 = toy_classifier()
    train = toy_dataset(48)
    plain = fine_tune(classifier, theta_0, train, None, toy_config())
    smooth = fine_tune(classifier, theta_0, train, None, toy_config(label_smoothing=0.2))
    assert not np.allclose(plain["head"]["kernel"], smooth["head"]["kernel"])


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_validation_accuracy_is_exact(tmp_path: Path, recipe: str):
    classifier, theta_0 = toy_for(recipe)
    validation = toy_dataset(29, seed=3, name="held-out")
    config = toy_config(recipe=recipe, eval_every_epochs=1.0)
    theta_1 = fine_tune(
        classifier, theta_0, toy_train(recipe), validation, config, run_dir=tmp_path
    )
    measured = [r for r in records(tmp_path) if "validation_accuracy" in r]
    assert [r["step"] for r in measured] == [3, 6]
    assert measured[-1]["validation_accuracy"] == accuracy(classifier, theta_1, validation)


def test_a_given_evaluation_sees_the_whole_tree_on_the_host(tmp_path: Path):
    classifier, theta_0 = toy_classifier()
    seen = []

    def evaluate(theta: Any) -> float:
        seen.append(theta)
        return 0.25 * len(seen)

    config = toy_config(recipe="linear_probe", eval_every_epochs=1.0)
    theta_1 = fine_tune(
        classifier, theta_0, toy_dataset(48), None, config, run_dir=tmp_path, evaluate=evaluate
    )
    assert len(seen) == 2
    assert all(isinstance(leaf, np.ndarray) for leaf in flatten_paths(seen[0]).values())
    assert not np.array_equal(seen[0]["head"]["kernel"], theta_1["head"]["kernel"])
    assert_equal(seen[1], theta_1)
    measured = [r["validation_accuracy"] for r in records(tmp_path) if "validation_accuracy" in r]
    assert measured == [0.25, 0.5]


def test_the_log_has_a_record_a_step(tmp_path: Path):
    classifier, theta_0 = toy_classifier()
    fine_tune(classifier, theta_0, toy_dataset(40), None, toy_config(), run_dir=tmp_path)
    steps = records(tmp_path)
    assert [r["step"] for r in steps] == [1, 2, 3, 4, 5]
    assert steps[-1]["epoch"] == 2.0
    for record in steps:
        assert record["count"] == 16
        assert record["accuracy"] == record["hits"] / 16
        assert record["loss"] > 0
        assert record["grad_norm"] > 0
        assert record["learning_rate"] > 0
        assert record["images_per_second"] > 0


def test_nothing_is_written_without_a_run_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    classifier, theta_0 = toy_classifier()
    fine_tune(classifier, theta_0, toy_dataset(20), toy_dataset(20), toy_config(epochs=1.0))
    assert list(tmp_path.iterdir()) == []


def poisoned() -> tuple[Any, Any, Any]:
    class PoisonedClassifier(ToyClassifier):
        def features(self, theta: Any, images: Any) -> Any:
            black = images.sum(axis=(1, 2, 3)) == 0
            return super().features(theta, images) + jnp.where(black, jnp.nan, 0.0)[:, None]

    images = np.full((48, SIZE, SIZE, 3), 99, np.uint8)
    images[7] = 0
    ids = [f"photo-{index}.jpg" for index in range(48)]
    train = array_dataset(images, np.arange(48) % 3, CLASS_NAMES, name="photos", ids=ids)
    return PoisonedClassifier(), toy_classifier()[1], train


@pytest.mark.parametrize("in_directory", [False, True])
def test_a_loss_that_is_not_finite_stops_with_the_facts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, in_directory: bool
):
    classifier, theta_0, train = poisoned()
    config = toy_config(batch_size=8, seed=5)
    with train_batches(train, classifier.preprocess, batch_size=8, seed=5) as batches:
        bad_step = next(k for k, batch in enumerate(batches, 1) if 7 in batch["index"])
    assert bad_step > 1
    run_dir = tmp_path / "run" if in_directory else None
    with pytest.raises(NonFiniteLossError) as info:
        fine_tune(classifier, theta_0, train, None, config, run_dir=run_dir, checkpoints=EACH_STEP)
    message = str(info.value)
    assert message.startswith(f"step {bad_step}: loss nan, gradient norm nan")
    assert "photo-7.jpg" in message
    assert "photo-7.jpg" in caplog.text
    if run_dir is None:
        assert "last good checkpoint: none" in message
        return
    assert f"last good checkpoint: {run_dir}/checkpoints/{bad_step - 1};" in message
    last = records(run_dir)[-1]
    assert (last["step"], last["loss"], last["finite"]) == (bad_step, None, False)
    assert len(last["ids"]) == 8
    assert "photo-7.jpg" in last["ids"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_save_that_fails_does_not_hide_a_loss_that_is_not_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    classifier, theta_0, train = poisoned()
    wide = np.random.default_rng(0).normal(size=(3, 3000)).astype(np.float32)
    theta_0["encoder"] = {
        "vision_model": {"kernel": wide},
        "visual_projection": {"kernel": wide.T[:, [0, 1, 2, 0]] / 100},
    }
    config = toy_config(batch_size=8, seed=5)
    with train_batches(train, classifier.preprocess, batch_size=8, seed=5) as batches:
        bad_step = next(k for k, batch in enumerate(batches, 1) if 7 in batch["index"])
    assert bad_step > 2
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    really_save = Checkpoints.save

    def save(self: Checkpoints, step: int, *rest: Any) -> None:
        if step == bad_step - 1:  # the disk takes no large file any more
            self.wait()
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
        really_save(self, step, *rest)

    monkeypatch.setattr(Checkpoints, "save", save)
    try:
        with pytest.raises(NonFiniteLossError) as info:
            fine_tune(
                classifier, theta_0, train, None, config, run_dir=tmp_path, checkpoints=EACH_STEP
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    message = str(info.value)
    assert message.startswith(f"step {bad_step}: loss nan")
    good = (
        f"last good checkpoint: {tmp_path}/checkpoints/{bad_step - 2} (the save after it failed: "
    )
    assert good in message
    assert "can't be written" in message
    assert records(tmp_path)[-1]["finite"] is False


def _wrong(change: str) -> dict[str, Any]:
    classifier, theta_0 = toy_classifier()
    train, validation = toy_dataset(20), toy_dataset(20, name="held-out")
    head = theta_0["head"]
    if change == "keys":
        theta_0 = {"vision_model": theta_0["encoder"]}
    elif change == "type":
        theta_0 = [1]  # type: ignore[assignment]
    elif change == "outputs":
        theta_0 = {**theta_0, "head": {**head, "kernel": head["kernel"][:, :2]}}
    elif change == "names":
        names = ("green", "red", "blue")
        validation = dataclasses.replace(validation, class_names=names)
    elif change == "unlabelled":
        labels = train.labels.copy()
        labels[5:7] = -1
        train = dataclasses.replace(train, labels=labels)
    elif change == "empty":
        train = train.subset(np.arange(0))
    return {
        "classifier": classifier,
        "theta_0": theta_0,
        "train": train,
        "validation": validation,
        "config": toy_config(),
        "resume": change == "resume",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "keys",
            r"theta_0: expected the keys encoder and head for .*, found \['vision_model'\]",
        ),
        (
            "type",
            r"theta_0: expected the keys encoder and head for .*, found list",
        ),
        ("outputs", "head/kernel has 2 outputs, the classifier 3 classes"),
        ("names", r"held-out: .*\(green, red, blue\).*\(red, green, blue\)"),
        ("unlabelled", r"squares\[5\] has the label -1, expected 0 to 2 \(2 images"),
        ("empty", "training set is empty"),
        ("resume", "resume=True needs run_dir"),
    ],
)
def test_what_does_not_fit_is_refused(change: str, message: str):
    arguments = _wrong(change)
    with pytest.raises(InputError, match=message):
        fine_tune(**arguments)


def test_a_linear_probe_with_an_encoders_rate_is_warned(caplog: pytest.LogCaptureFixture):
    classifier, theta_0 = toy_classifier()
    config = toy_config(recipe="linear_probe", learning_rate=3e-5, epochs=1.0)
    fine_tune(classifier, theta_0, toy_dataset(20), None, config)
    assert "learning_rate 3e-05 suits end-to-end" in caplog.text


def test_the_plan_is_logged(caplog: pytest.LogCaptureFixture):
    classifier, theta_0 = toy_classifier()
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        fine_tune(
            classifier, theta_0, toy_dataset(48), toy_dataset(9), toy_config(eval_every_epochs=1.0)
        )
    assert "48 images, 6 steps of 16 (1 of warm-up); 57 parameters; 8 device(s)" in caplog.text
    assert "step 3 (epoch 1.0): validation accuracy" in caplog.text


class OneBadImage(ArraySource):
    def read(self, index: int) -> Any:
        return b"not an image" if index == 5 else super().read(index)


def test_bad_images_met_on_the_way_are_in_the_log(tmp_path: Path):
    classifier, theta_0 = toy_classifier()
    squares = toy_dataset(32)
    assert isinstance(squares.source, ArraySource)
    source = OneBadImage(squares.source.images, squares.labels, CLASS_NAMES, "squares")
    train = dataclasses.replace(squares, source=source, on_bad_image="skip")
    fine_tune(classifier, theta_0, train, None, toy_config(), run_dir=tmp_path)
    (record,) = (each for each in records(tmp_path) if "skipped" in each)
    assert record["step"] == 4
    (skipped,) = record["skipped"]
    assert skipped.startswith("squares[5]: ")


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_decoding_threads_reach_the_pipeline(recipe: str, monkeypatch: pytest.MonkeyPatch):
    read: list[dict[str, Any]] = []
    options = pipeline.grain.ReadOptions
    monkeypatch.setattr(
        pipeline.grain, "ReadOptions", lambda **each: read.append(each) or options(**each)
    )
    classifier, theta_0 = toy_for(recipe)
    config = toy_config(recipe=recipe, epochs=0.5, options=toy_options(recipe))
    fine_tune(classifier, theta_0, toy_train(recipe, seed=5), None, config, num_threads=3)
    assert {each["num_threads"] for each in read} == {3}
