"""Learning against a NumPy Adam, on one device and eight, in both towers; what may be fitted on."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers.tiny import tiny_clip, tiny_images
from tests.training.learning import TOY, toy_ends, validation_set
from tests.training.toy import CLASS_NAMES, toy_dataset
from wiseft_jax.clip.classifier import Classifier, zero_shot_classifier
from wiseft_jax.clip.load import make_tower
from wiseft_jax.core.errors import InputError, NonFiniteLossError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.training.compare_alphas import objective_of_alphas
from wiseft_jax.training.learn_alphas import LearnedAlphas, learn_alphas
from wiseft_jax.training.learn_config import LearnAlphasConfig
from wiseft_jax.training.losses import cross_entropy
from wiseft_jax.weights.coefficients import Coefficients, lerp_groups

NAMES = ("red circle", "blue square", "green digit")


def learn(config: LearnAlphasConfig, dataset: Dataset | None = None, **options: Any) -> Any:
    options.setdefault("mesh", make_mesh(1))
    return learn_alphas(
        *toy_ends(), validation_set() if dataset is None else dataset, config, **options
    )


def test_coefficients_of_their_own_beat_every_single_alpha():
    config = dataclasses.replace(TOY, epochs=80, step_every="epoch", learning_rate=0.1)
    learned = learn(config)
    classifier, theta_0, theta_1 = toy_ends()
    options = {"objective": "cross_entropy", "mesh": make_mesh(1)}
    alphas = [step / 20 for step in range(21)]
    singles = objective_of_alphas(classifier, theta_0, theta_1, learned.dataset, alphas, **options)
    own = objective_of_alphas(
        classifier, learned.theta, learned.theta, learned.dataset, [0], **options
    )
    assert own[0] < singles.min() - 0.1
    found = learned.coefficients.as_dict()
    assert found["encoder/vision_model/kernel"] > 0.9
    assert found["head/kernel"] < 0.1
    assert learned.history[-1]["loss"] < learned.history[0]["loss"]


def numpy_adam(config: LearnAlphasConfig, dataset: Dataset, steps: int) -> np.ndarray:
    """Return the coefficients after full-batch Adam, written out; gradients by JAX."""
    classifier, theta_0, theta_1 = toy_ends()
    start = Coefficients.full(theta_0, config.granularity, config.init_alpha)

    images = np.stack([dataset.source.read(index) for index in range(len(dataset))])

    @jax.jit
    def slope_at(values: Any) -> Any:
        def loss(values: Any) -> Any:
            theta = lerp_groups(theta_0, theta_1, dataclasses.replace(start, values=values))
            return cross_entropy(classifier.logits(theta, images), jnp.asarray(dataset.labels))

        return jax.grad(loss)(values)

    values = start.values.astype(np.float64)
    mean, square = np.zeros_like(values), np.zeros_like(values)
    for step in range(steps):
        pull = 2 * config.penalty * (values - config.init_alpha) / len(values)
        slope = np.asarray(slope_at(values.astype(np.float32)), np.float64) + pull
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope**2
        unbiased = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.999 ** (step + 1))
        rate = config.learning_rate * (1 + np.cos(np.pi * step / steps)) / 2
        values = values - rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
        if config.clip:
            values = np.clip(values, 0, 1)
    return values


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_full_batch_learning_is_adam(clip: bool, penalty: float):
    config = dataclasses.replace(
        TOY, step_every="epoch", penalty=penalty, clip=clip, learning_rate=0.3
    )
    dataset = validation_set()
    expected = numpy_adam(config, dataset, steps=config.epochs)
    found = learn(config, dataset).coefficients
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=2e-5)
    inside = expected.min() >= 0 and expected.max() <= 1
    if clip or penalty == 0:  # or else the case would say nothing about clipping
        assert inside == clip


@pytest.mark.parametrize("objective", ["cross_entropy", "entropy"])
def test_a_full_batch_is_the_same_in_parts(objective: str):
    """48 images in batches of 48 and of 7: the last is padded, and weighs what it should."""
    config = dataclasses.replace(TOY, step_every="epoch", objective=objective)
    found = [
        learn(dataclasses.replace(config, batch_size=size)).coefficients.values for size in (48, 7)
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=2e-6)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    def values(seed: int) -> bytes:
        return learn(dataclasses.replace(TOY, seed=seed)).coefficients.values.tobytes()

    assert values(0) == values(0)
    assert values(0) != values(1)


def test_steps_history_and_logs(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="wiseft_jax"):
        learned = learn(dataclasses.replace(TOY, batch_size=20))
    assert [record["step"] for record in learned.history] == list(range(1, 13))  # 4 * ceil(48/20)
    assert [record["epoch"] for record in learned.history] == sorted([1, 2, 3, 4] * 3)
    assert "learning 4 coefficients (tensor) by cross-entropy" in caplog.text
    assert "epoch 4 of 4: objective" in caplog.text
    facts = json.loads(json.dumps(learned.facts()))
    assert facts["held_out"] is True
    assert facts["n"] == 48
    assert facts["coefficients"] == learned.coefficients.as_dict()


def test_the_mixture_is_that_of_the_coefficients_and_the_ends_stay():
    classifier, theta_0, theta_1 = toy_ends()
    kept = [jax.tree_util.tree_map(np.copy, theta) for theta in (theta_0, theta_1)]
    learned = learn_alphas(classifier, theta_0, theta_1, validation_set(), TOY, mesh=make_mesh(1))
    expected = jax.jit(lerp_groups)(theta_0, theta_1, learned.coefficients)
    for path, leaf in flatten_paths(learned.theta).items():
        assert isinstance(leaf, np.ndarray)
        np.testing.assert_array_equal(leaf, flatten_paths(expected)[path])
    for theta, before in zip((theta_0, theta_1), kept, strict=True):
        jax.tree_util.tree_map(np.testing.assert_array_equal, theta, before)


@pytest.mark.parametrize(
    ("split", "role"), [("test", "reference"), ("validation", "shift"), ("train", "reference")]
)
@pytest.mark.parametrize("objective", ["cross_entropy", "entropy"])
def test_what_is_reported_on_is_fitted_on_only_when_named(
    split: str, role: str, objective: str, caplog: pytest.LogCaptureFixture
):
    dataset = dataclasses.replace(toy_dataset(), split=split, role=role)
    config = dataclasses.replace(TOY, epochs=1, objective=objective)
    with pytest.raises(InputError, match=rf"squares is a {split} set \({role}\).*--fit-on NAME"):
        learn(config, dataset)
    named = learn(dataclasses.replace(config, fit_on="squares"), dataset)
    assert not named.held_out
    assert "fitted ON squares" in caplog.text
    with pytest.raises(InputError, match=r"unknown dataset to fit on 'square'.*Did you mean"):
        learn(dataclasses.replace(config, fit_on="square"), dataset)


def test_entropy_never_sees_a_label_and_cross_entropy_wants_all():
    dataset = validation_set()
    unlabelled = dataclasses.replace(dataset, labels=np.full(len(dataset), -1, np.int32))
    config = dataclasses.replace(TOY, objective="entropy")
    found = [learn(config, each).coefficients.values.tobytes() for each in (dataset, unlabelled)]
    assert found[0] == found[1]
    with pytest.raises(InputError, match="48 images are labelled so"):
        learn(TOY, unlabelled)


def test_an_empty_set_is_refused():
    with pytest.raises(InputError, match="there are no images in it"):
        learn(TOY, validation_set().subset(np.zeros(0, np.int64)))


def test_an_end_that_is_not_finite_stops_the_fit():
    classifier, theta_0, theta_1 = toy_ends()
    theta_1 = {**theta_1, "head": {**theta_1["head"], "bias": np.full(3, np.nan, np.float32)}}
    with pytest.raises(NonFiniteLossError, match="step 1 of learning coefficients: objective nan"):
        learn_alphas(classifier, theta_0, theta_1, validation_set(), TOY, mesh=make_mesh(1))


@dataclasses.dataclass(frozen=True)
class Tiny:
    classifier: Classifier
    theta_0: Params
    theta_1: Params
    dataset: Dataset

    def in_tower(self, name: str, dtype: str = "float32") -> tuple[Classifier, Params, Params]:
        """Return the classifier and both ends in the layout of a tower."""
        tower = make_tower(self.classifier.clip_config, dtype, name)
        theta_0, theta_1 = (
            {**theta, "encoder": tower.from_canonical(theta["encoder"])}
            for theta in (self.theta_0, self.theta_1)
        )
        return dataclasses.replace(self.classifier, tower=tower), theta_0, theta_1

    def learn(self, tower: str, dtype: str = "float32", **options: Any) -> LearnedAlphas:
        config = LearnAlphasConfig(granularity="block", epochs=3, batch_size=16, step_every="epoch")
        options.setdefault("mesh", make_mesh(1))
        return learn_alphas(*self.in_tower(tower, dtype), self.dataset, config, **options)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    classifier, theta_0 = zero_shot_classifier(tiny_clip(tmp_path_factory.mktemp("clip")), NAMES)
    rng = np.random.default_rng(0)

    def move(leaf: np.ndarray) -> np.ndarray:
        noise = rng.standard_normal(leaf.shape).astype(np.float32)
        return leaf + np.float32(0.3) * np.std(leaf) * noise

    dataset = array_dataset(
        tiny_images(20), rng.integers(0, 3, 20), NAMES, name="tiny", split="validation"
    )
    return Tiny(classifier, theta_0, jax.tree_util.tree_map(move, theta_0), dataset)


@pytest.fixture(scope="module")
def alone(tiny: Tiny) -> LearnedAlphas:
    """What one device learns with transformers' tower in float32."""
    learned = tiny.learn("transformers")
    values = learned.coefficients.values
    assert values.min() < 0.49
    assert values.max() > 0.51
    return learned


@pytest.mark.parametrize("tower", ["transformers", pytest.param("scan", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "config",
    [MeshConfig(), MeshConfig(data=2, fsdp=4, min_shard_elements=64), MeshConfig(alpha=2)],
    ids=["data", "fsdp", "alpha"],
)
def test_eight_devices_and_both_towers_equal_one_device(
    tower: str, config: MeshConfig, tiny: Tiny, alone: LearnedAlphas
):
    found = tiny.learn(tower, mesh=config)
    assert found.coefficients.names == alone.coefficients.names
    np.testing.assert_allclose(
        found.coefficients.values, alone.coefficients.values, rtol=0, atol=1e-5
    )
    classifier, _, _ = tiny.in_tower(tower)
    canonical = classifier.tower.to_canonical(found.theta["encoder"])
    for path, leaf in flatten_paths(canonical).items():
        expected = flatten_paths(alone.theta["encoder"])[path]
        np.testing.assert_allclose(leaf, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("tower", ["transformers", "scan"])
def test_compute_in_bfloat16_moves_the_coefficients_alike(
    tower: str, tiny: Tiny, alone: LearnedAlphas
):
    found = tiny.learn(tower, "bfloat16")
    assert {leaf.dtype.name for leaf in jax.tree_util.tree_leaves(found.theta)} == {"float32"}
    moved = alone.coefficients.values - 0.5
    assert np.corrcoef(found.coefficients.values - 0.5, moved)[0, 1] > 0.9


def test_class_names_are_those_of_the_classifier():
    other = array_dataset(
        np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, int), CLASS_NAMES[::-1], split="validation"
    )
    with pytest.raises(InputError, match="its labels count other classes"):
        learn(TOY, other)
