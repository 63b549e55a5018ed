"""The contract of the exact back-ends: they agree, twice give the same bits, keep to their memory.

Agreement, in float32: logits within 1e-4 of those of each merged model by hand; predictions differ
only where the margin of the merged model is below 2e-4.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, dataset
from tests.helpers.tiny import tiny_clip_directory, tiny_images
from wiseft_jax.clip.classifier import Classifier, zero_shot_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.softmax import softmax_entropy
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.evaluation.engine import EngineConfig, compiled_step, padded_alphas
from wiseft_jax.evaluation.predictions import Predictions, disagreements
from wiseft_jax.evaluation.sweep import SweepResult, sweep
from wiseft_jax.weights import lerp

ALPHAS = (0.0, 0.25, 0.5, 0.9, 1.0)
BACKENDS = ("auto", "map", "vmap", "sharded", "delta", "linear")


@dataclasses.dataclass(frozen=True)
class Case:
    """A classifier, its ends, a dataset with near ties, and what each merged model says of it."""

    classifier: Classifier
    ends: tuple[Params, Params]
    data: Dataset
    direct: Predictions

    def run(self, backend: str, **options: Any) -> SweepResult:
        return sweep(
            dataclasses.replace(self.classifier), *self.ends, [self.data], ALPHAS,
            backend=backend, batch_size=8, keep_logits=True, **options,
        )  # fmt: skip


def moved(leaf: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(leaf.shape).astype(np.float32)
    return leaf + np.float32(0.3) * np.std(leaf) * noise


def make_case(classifier: Classifier, theta_0: Params, head_only: bool) -> Case:
    rng = np.random.default_rng(0)
    theta_1 = jax.tree_util.tree_map(lambda leaf: moved(leaf, rng), theta_0)
    if head_only:
        theta_1["encoder"] = jax.tree_util.tree_map(np.copy, theta_0["encoder"])
    data = dataset(21, "test")
    logits = np.stack(
        [
            np.asarray(jax.jit(classifier.logits)(lerp(theta_0, theta_1, alpha), images_of(data)))
            for alpha in ALPHAS
        ]
    )
    ordered = np.sort(logits, axis=-1)
    top1 = logits.argmax(-1).astype(np.int32)
    direct = Predictions(
        "test", "test", "reference", ALPHAS, top1, top1 == data.labels[None],
        ordered[..., -1] - ordered[..., -2], np.asarray(data.labels, np.int32),
        tuple(data.source.ids), logits,
    )  # fmt: skip
    return Case(classifier, (theta_0, theta_1), data, direct)


def images_of(data: Dataset) -> np.ndarray:
    return np.asarray(data.source.images)  # type: ignore[attr-defined]


@pytest.fixture(scope="module", params=["transformers", "scan"])
def cases(request, tmp_path_factory) -> dict[bool, Case]:
    """By whether the head alone differs."""
    directory = tiny_clip_directory(tmp_path_factory.mktemp("clip"))
    clip = load_clip(directory, tower=request.param)
    classifier, theta_0 = zero_shot_classifier(clip, NAMES)
    return {head_only: make_case(classifier, theta_0, head_only) for head_only in (False, True)}


ON_ONE_DEVICE = [(backend, 1) for backend in BACKENDS if backend != "sharded"]  # it needs two


@pytest.mark.parametrize(
    ("backend", "devices"), [*((backend, 8) for backend in BACKENDS), *ON_ONE_DEVICE]
)
def test_back_ends_agree_and_repeat_bit_for_bit(cases, backend, devices):
    case = cases[backend == "linear"]
    result = case.run(backend, mesh=make_mesh(devices))
    found = result.predictions["test"]
    assert found.logits.shape == (5, 21, 3)
    assert (found.top1.shape, found.correct.shape, found.margin.shape) == ((5, 21),) * 3
    assert np.abs(found.logits - case.direct.logits).max() < 1e-4
    wanted = np.stack([softmax_entropy(logits) for logits in found.logits])
    np.testing.assert_allclose(found.entropy, wanted, rtol=3e-5, atol=1e-7)
    for _, example, margin in disagreements(found, case.direct):
        assert margin < 2e-4, example
    assert result.backend.name == ("map" if backend == "auto" else backend)
    again = case.run(backend, mesh=make_mesh(devices)).predictions["test"]
    assert again.logits.tobytes() == found.logits.tobytes()
    assert again.margin.tobytes() == found.margin.tobytes()
    assert again.top1.tobytes() == found.top1.tobytes()


@pytest.mark.parametrize("backend", ["delta", "linear"])
def test_split_weights_agree(cases, backend):
    case = cases[backend == "linear"]
    mesh = MeshConfig(data=2, fsdp=4, min_shard_elements=64)
    found = case.run(backend, mesh=mesh).predictions["test"]
    assert np.abs(found.logits - case.direct.logits).max() < 1e-4


def test_near_ties_are_the_only_disagreements(cases):
    """Heads of two classes that differ by rounding: which one wins is up to the back-end."""
    case = cases[False]
    rng = np.random.default_rng(0)
    ends = []
    for end in case.ends:
        kernel = end["head"]["kernel"].copy()
        signs = rng.choice(np.float32([-1, 1]), len(kernel))
        kernel[:, 1] = kernel[:, 0] * (1 + np.float32(1.2e-7) * signs)
        head = {"kernel": kernel, "bias": np.zeros(3, np.float32)}
        ends.append({**end, "head": head})
    tied = make_tied(case, (ends[0], ends[1]))
    found = tied.run("delta").predictions["test"]
    other = disagreements(found, tied.direct)
    assert other
    assert all(margin < 2e-4 for _, _, margin in other)


def make_tied(case: Case, ends: tuple[Params, Params]) -> Case:
    direct = sweep(
        case.classifier, *ends, [case.data], ALPHAS, batch_size=8, mesh=make_mesh(1)
    ).predictions["test"]
    return dataclasses.replace(case, ends=ends, direct=direct)


def test_linear_is_refused_where_encoders_differ(cases):
    with pytest.raises(InputError, match=r"the head alone, found other values in encoder"):
        cases[False].run("linear")


def test_auto_takes_the_linear_back_end_where_it_can(cases):
    result = cases[True].run("auto")
    assert result.backend.name == "linear"


def test_delta_and_linear_use_no_axis_of_alphas(cases):
    with pytest.raises(InputError, match=r"expected mesh\.alpha 1, found 4"):
        cases[False].run("delta", mesh=MeshConfig(data=2, alpha=4))


def compiled(case: Case, config: EngineConfig, count: int = 5) -> Any:
    theta, layout = case.ends[0], config.layout
    shapes = jax.tree_util.tree_map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        theta,
        layout.shardings(theta),
    )
    size = case.classifier.preprocess.size
    from wiseft_jax.core.mesh import batch_sharding

    split, rows = batch_sharding(layout.mesh), config.batch_size
    batch = {
        "image": jax.ShapeDtypeStruct((rows, size, size, 3), jnp.uint8, sharding=split),
        "index": jax.ShapeDtypeStruct((rows,), jnp.int32, sharding=split),
        "mask": jax.ShapeDtypeStruct((rows,), jnp.bool_, sharding=split),
    }
    padded = padded_alphas(ALPHAS, config.chunk_size)[0][0]
    step = compiled_step(dataclasses.replace(case.classifier), config)
    return step.lower(shapes, shapes, padded, count, batch).compile()


_COLLECTIVES = r" = (\S+) (all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)\("


def test_sharded_alphas_meet_in_the_final_gather_only(cases):
    case = cases[False]
    config = EngineConfig.resolve(case.ends[0], num_alphas=5, backend="sharded", batch_size=8)
    assert dict(config.layout.mesh.shape) == {"data": 4, "fsdp": 1, "alpha": 2}
    text = compiled(case, config).as_text()
    found = re.findall(_COLLECTIVES, text)
    assert {kind for _, kind in found} == {"all-gather"}
    outputs = 16 * 2 * 8  # places x alphas at once x examples
    for shape, _ in found:
        sizes = [int(size) for size in re.findall(r"\d+", shape.split("[")[1].split("]")[0])]
        assert np.prod(sizes) <= outputs, shape


def test_one_device_has_no_alphas_to_split():
    theta = {"w": np.zeros(3, np.float32)}
    with pytest.raises(InputError, match=r"at least 2 devices on mesh\.data or mesh\.alpha"):
        EngineConfig.resolve(theta, num_alphas=5, backend="sharded", mesh=make_mesh(1))


@pytest.mark.parametrize(("alphas", "size"), [(1, 2), (2, 2), (8, 8), (11, 4), (21, 2), (32, 8)])
def test_alphas_are_split_with_the_fewest_places_unused(alphas, size):
    theta = {"w": np.zeros(3, np.float32)}
    config = EngineConfig.resolve(theta, num_alphas=alphas, backend="sharded")
    assert config.layout.mesh.shape["alpha"] == size
    assert config.layout.mesh.size == 8
    given = EngineConfig.resolve(theta, backend="sharded", mesh=MeshConfig(data=4, alpha=2))
    assert given.layout.mesh.shape["alpha"] == 2


@pytest.mark.parametrize("tower", ["transformers", "scan"])
def test_map_takes_at_most_two_and_a_half_models(tmp_path, tower):
    """Both ends are arguments: 2 models. The rest is what is merged at a time, and activations.

    The images are few and small beside the weights, so that the activations (counted by the widest
    layer, [B, T, 4 D] in float32, of which a few live at once) are a few thousandths of a model.
    """
    directory = tiny_clip_directory(
        tmp_path, vision_layers=6, vision_width=128, vision_heads=2, vision_hidden=512
    )
    classifier, theta = zero_shot_classifier(load_clip(directory, tower=tower), NAMES)
    images = array_dataset(tiny_images(2), np.zeros(2, int), NAMES, name="two")
    case = Case(classifier, (theta, theta), images, None)  # type: ignore[arg-type]
    config = EngineConfig.resolve(theta, batch_size=2, mesh=make_mesh(1))
    memory = compiled(case, config).memory_analysis()
    model = sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(theta))
    activations = 4 * 2 * 5 * 512
    assert activations < 0.01 * model
    whole = (
        memory.argument_size_in_bytes
        + memory.temp_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
    )
    assert 2 * model < whole < 2.5 * model
