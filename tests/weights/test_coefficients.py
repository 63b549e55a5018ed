"""One contract for every grouping, in both layouts; gradients against JAX's and a NumPy model's."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from tests.helpers import numpy_clip
from tests.helpers.tiny import tiny_clip, tiny_config, tiny_images, tiny_tensors
from wiseft_jax.clip.classifier import head_logits
from wiseft_jax.clip.load import make_tower, published_config
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, make_mesh, put_batch
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.weights import Coefficients, coefficient_gradient, lerp, lerp_groups
from wiseft_jax.weights.coefficients import GROUPINGS, group_names

CLASSES = 3
TOWERS = ("transformers", "scan")
TWO_ARE_SLOW = [
    pytest.param(each, marks=pytest.mark.slow) if each in ("global", "module") else each
    for each in GROUPINGS
]
ONE_IS_SLOW = [pytest.param("transformers", marks=pytest.mark.slow), "scan"]
MIX = jax.jit(lerp_groups)
EXPECTED_GROUPS = {
    "global": ("all",),
    "block": ("embedding", "block_0", "block_1", "projection", "head"),
    "module": ("embedding", "attention", "norm", "mlp", "projection", "head"),
}


@dataclasses.dataclass(frozen=True)
class Pair:
    """A tower with two ends in its layout, and a loss."""

    tower: Any
    theta_0: Params
    theta_1: Params
    pixels: np.ndarray

    def loss(self, theta: Params, pixels: Any = None) -> Any:
        features = self.tower.image_features(
            theta["encoder"], self.pixels if pixels is None else pixels
        )
        log_p = jax.nn.log_softmax(head_logits(theta["head"], features))
        return -jnp.mean(log_p[:, 0])

    def canonical(self, theta: Params) -> dict[str, np.ndarray]:
        host = jax.tree_util.tree_map(np.asarray, theta)
        return flatten_paths(self.tower.to_canonical(host))


def tiny_pixels(count: int = 4) -> np.ndarray:
    return tiny_images(count, 16).astype(np.float32) / 128 - 1


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """The same two models in the layout of each tower."""
    ends = []
    for seed in (0, 1):
        clip = tiny_clip(tmp_path_factory.mktemp("clip"), seed=seed)
        encoder = {name: clip.params[name] for name in ("vision_model", "visual_projection")}
        rng = np.random.default_rng(seed)
        head = {
            "kernel": rng.standard_normal((16, CLASSES)).astype(np.float32),
            "bias": rng.standard_normal(CLASSES).astype(np.float32),
        }
        ends.append({"encoder": encoder, "head": head})
    pairs = {}
    for name in TOWERS:
        tower = make_tower(clip.config, tower=name)
        theta_0, theta_1 = map(tower.from_canonical, ends)
        pairs[name] = Pair(tower, theta_0, theta_1, tiny_pixels())
    return pairs


def gradient_of(pair: Pair, coefficients: Coefficients) -> tuple[Any, Coefficients]:
    return jax.jit(functools.partial(coefficient_gradient, pair.loss))(
        pair.theta_0, pair.theta_1, coefficients
    )


def spread(theta: Params, grouping: str) -> Coefficients:
    """Return coefficients that all differ."""
    start = Coefficients.full(theta, grouping)
    values = np.random.default_rng(5).uniform(0.1, 0.9, len(start.names)).astype(np.float32)
    return dataclasses.replace(start, values=values)


def assert_same_bits(found: Any, expected: Any) -> None:
    expected = flatten_paths(expected)
    for path, leaf in flatten_paths(found).items():
        assert np.asarray(leaf).tobytes() == np.asarray(expected[path]).tobytes(), path


def assert_close(found: Any, expected: Any, relative: float) -> None:
    """Compare to a share of the largest value."""
    found, expected = np.asarray(found), np.asarray(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * np.abs(expected).max())


def split_mixed_and_kept(found: dict, ends: tuple[dict, dict]) -> tuple[set[str], set[str]]:
    at_0 = {path for path, leaf in found.items() if leaf.tobytes() == ends[0][path].tobytes()}
    at_1 = {path for path, leaf in found.items() if leaf.tobytes() == ends[1][path].tobytes()}
    return at_0, at_1


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("grouping", GROUPINGS)
def test_each_group_moves_its_own_tensors_and_no_others(
    grouping: str, tower: str, pairs: dict[str, Pair]
):
    """A group at 1 and the others at 0: bitwise the one end there, bitwise the other elsewhere."""
    pair = pairs[tower]
    start = Coefficients.full(pair.theta_0, grouping, 0.0)
    ends = pair.canonical(pair.theta_0), pair.canonical(pair.theta_1)
    owners: dict[str, str] = {}
    for number, name in enumerate(start.names):
        one = np.zeros(len(start.names), np.float32)
        one[number] = 1
        mixed = MIX(pair.theta_0, pair.theta_1, dataclasses.replace(start, values=one))
        at_0, at_1 = split_mixed_and_kept(pair.canonical(mixed), ends)
        assert at_0 | at_1 == ends[0].keys()
        assert at_1, name
        assert not at_1 & owners.keys()
        owners |= dict.fromkeys(at_1, name)
    assert owners == {path: GROUPINGS[grouping].group(path) for path in ends[0]}


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_groups_are_the_same_in_both_layouts_and_in_the_models_order(
    grouping: str, pairs: dict[str, Pair]
):
    names = [group_names(pairs[tower].theta_0, grouping) for tower in TOWERS]
    assert names[0] == names[1]
    tensors = pairs["transformers"].canonical(pairs["transformers"].theta_0)
    assert set(names[0]) == set(EXPECTED_GROUPS.get(grouping, tensors))
    if grouping in ("global", "block"):
        assert names[0] == EXPECTED_GROUPS[grouping]
    assert GROUPINGS[grouping].summary


@pytest.mark.parametrize("tower", TOWERS)
def test_layers_are_counted_in_numbers_not_in_letters(tower: str):
    template = make_tower(published_config("ViT-B/32"), tower=tower).template()
    encoder = {name: template[name] for name in ("vision_model", "visual_projection")}
    blocks = [f"block_{layer}" for layer in range(12)]
    assert group_names({"encoder": encoder}, "block") == ("embedding", *blocks, "projection")
    assert len(group_names({"encoder": encoder}, "tensor")) == 12 * 16 + 3 + 2 + 2 + 1


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_the_mixture_is_the_same_in_both_layouts(grouping: str, pairs: dict[str, Pair]):
    found = []
    for tower in TOWERS:
        pair = pairs[tower]
        coefficients = spread(pair.theta_0, grouping)
        found.append(pair.canonical(MIX(pair.theta_0, pair.theta_1, coefficients)))
    for path, leaf in found[0].items():
        assert_close(found[1][path], leaf, 3e-7)


@pytest.mark.parametrize(
    ("grouping", "tower", "compiled"),
    [*itertools.product(GROUPINGS, TOWERS, [True]), ("tensor", "scan", False)],
)
def test_equal_coefficients_are_the_one_lerp_and_ends_are_exact(
    grouping: str, tower: str, compiled: bool, pairs: dict[str, Pair]
):
    pair = pairs[tower]
    mix = MIX if compiled else lerp_groups
    for alpha, end in ((0.0, pair.theta_0), (1.0, pair.theta_1)):
        coefficients = Coefficients.full(pair.theta_0, grouping, alpha)
        assert_same_bits(mix(pair.theta_0, pair.theta_1, coefficients), end)
    found = mix(pair.theta_0, pair.theta_1, Coefficients.full(pair.theta_0, grouping, 0.3))
    expected = flatten_paths(jax.jit(lerp)(pair.theta_0, pair.theta_1, 0.3))
    for path, leaf in flatten_paths(found).items():
        assert_close(leaf, expected[path], 3e-7)


@pytest.mark.parametrize("tower", ONE_IS_SLOW)
@pytest.mark.parametrize("grouping", TWO_ARE_SLOW)
def test_the_gradient_is_that_of_jax_through_the_mixture(
    grouping: str, tower: str, pairs: dict[str, Pair]
):
    pair = pairs[tower]
    coefficients = spread(pair.theta_0, grouping)

    def through(values: Any) -> Any:
        at = dataclasses.replace(coefficients, values=values)
        return pair.loss(lerp_groups(pair.theta_0, pair.theta_1, at))

    expected_loss, expected = jax.jit(jax.value_and_grad(through))(coefficients.values)
    found_loss, found = gradient_of(pair, coefficients)
    assert found.names == coefficients.names
    assert float(found_loss) == pytest.approx(float(expected_loss), rel=1e-6)
    assert np.abs(found.values).max() > 1e-3
    assert_close(found.values, expected, 1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_gradient_does_not_vanish_at_the_ends(alpha: float, pairs: dict[str, Pair]):
    pair = pairs["scan"]
    start = Coefficients.full(pair.theta_0, "block", alpha)
    end = pair.theta_1 if alpha else pair.theta_0
    slopes = jax.jit(jax.grad(pair.loss))(end)
    delta = jax.tree_util.tree_map(np.subtract, pair.theta_1, pair.theta_0)
    products = jax.tree_util.tree_map(lambda a, b: float(np.vdot(a, b)), slopes, delta)
    _, gradient = gradient_of(pair, start)
    total = sum(jax.tree_util.tree_leaves(products))
    assert sum(gradient.as_dict().values()) == pytest.approx(total, rel=1e-4)


def oracle_group(name: str, grouping: str) -> str:
    """Return the group of a tensor by its PyTorch name, told apart by hand."""
    if grouping == "block":
        if ".layers." in name:
            return f"block_{name.split('.layers.')[1].split('.')[0]}"
        if name.startswith(("visual_projection", "vision_model.post")):
            return "projection"
        return "embedding"
    if "norm" in name:
        return "norm"
    for part, group in (("self_attn", "attention"), ("mlp", "mlp"), ("embedd", "embedding")):
        if part in name:
            return group
    return "projection"


@pytest.mark.parametrize("grouping", ["block", "module"])
@pytest.mark.parametrize("tower", TOWERS)
def test_the_gradient_is_that_of_a_model_in_numpy_by_differences(
    grouping: str, tower: str, pairs: dict[str, Pair]
):
    pair, config = pairs[tower], tiny_config()
    coefficients = spread(pair.theta_0, grouping)
    heads = [
        {name: leaf.astype(np.float64) for name, leaf in theta["head"].items()}
        for theta in (pair.theta_0, pair.theta_1)
    ]
    ends = [
        {name: tensor.astype(np.float64) for name, tensor in tiny_tensors(config, seed).items()}
        for seed in (0, 1)
    ]

    def loss(alphas: dict[str, float]) -> float:
        def mix(a: np.ndarray, b: np.ndarray, group: str) -> np.ndarray:
            return (1 - alphas[group]) * a + alphas[group] * b

        tensors = {
            name: mix(ends[0][name], ends[1][name], oracle_group(name, grouping))
            for name in ends[0]
            if name.startswith("vis")
        }
        features = numpy_clip.image_features(tensors, config, pair.pixels.astype(np.float64))
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        kernel, bias = (mix(heads[0][n], heads[1][n], "head") for n in ("kernel", "bias"))
        logits = unit @ kernel + bias[None]
        return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[:, 0]))

    at = {name: float(value) for name, value in coefficients.as_dict().items()}
    step = 1e-5
    differences = [
        (loss(at | {name: at[name] + step}) - loss(at | {name: at[name] - step})) / (2 * step)
        for name in coefficients.names
    ]
    value, gradient = gradient_of(pair, coefficients)
    assert float(value) == pytest.approx(loss(at), rel=1e-5)
    assert_close(gradient.values, differences, 1e-4)


@pytest.mark.slow
def test_the_cost_is_one_forward_and_backward_for_any_number_of_groups(pairs: dict[str, Pair]):
    pair = pairs["transformers"]  # unrolled: a scan's body would be counted once
    pixels = tiny_pixels(64)

    def loss(theta: Params) -> Any:
        return pair.loss(theta, pixels)

    def flops(function: Any, *arguments: Any) -> float:
        analysis = jax.jit(function).lower(*arguments).compile().cost_analysis()
        assert analysis is not None
        return analysis["flops"]

    plain = flops(jax.value_and_grad(loss), pair.theta_0)
    assert plain > 1e6
    for grouping in GROUPINGS:
        coefficients = spread(pair.theta_0, grouping)
        found = flops(
            lambda a, b, c: coefficient_gradient(loss, a, b, c),
            pair.theta_0,
            pair.theta_1,
            coefficients,
        )
        assert plain < found < 1.05 * plain, grouping


@pytest.mark.parametrize("grouping", ["block", pytest.param("tensor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("tower", ONE_IS_SLOW)
def test_eight_devices_with_split_parameters_equal_one(
    grouping: str, tower: str, pairs: dict[str, Pair]
):
    pair = pairs[tower]
    coefficients = spread(pair.theta_0, grouping)
    pixels = tiny_pixels(8)

    def gradient(theta_0: Params, theta_1: Params, at: Coefficients, images: Any) -> Any:
        return coefficient_gradient(lambda theta: pair.loss(theta, images), theta_0, theta_1, at)

    value, expected = jax.jit(gradient)(pair.theta_0, pair.theta_1, coefficients, pixels)
    config = MeshConfig(data=2, fsdp=4, min_shard_elements=64)
    layout = Layout(make_mesh(8, config), config)
    ends = layout.place(pair.theta_0), layout.place(pair.theta_1)
    found_value, found = jax.jit(gradient)(*ends, coefficients, put_batch(pixels, layout.mesh))
    assert float(found_value) == pytest.approx(float(value), rel=1e-6)
    assert_close(found.values, expected.values, 1e-5)
    mixed = jax.jit(lerp_groups, out_shardings=layout.shardings(pair.theta_0))(*ends, coefficients)
    alone = flatten_paths(MIX(pair.theta_0, pair.theta_1, coefficients))
    for path, leaf in flatten_paths(mixed).items():
        assert_close(leaf, alone[path], 3e-7)


def test_auxiliary_output_and_dtype_are_kept():
    first, last = ({"w": np.array(v, ml_dtypes.bfloat16)} for v in ([1.0, 2.0], [3.0, -1.0]))
    start = Coefficients.full(first, "tensor", 0.5)
    (value, mixed), gradient = coefficient_gradient(
        lambda theta: (jnp.sum(theta["w"].astype(jnp.float32) ** 2), theta),
        first,
        last,
        start,
        has_aux=True,
    )
    assert mixed["w"].dtype == jnp.bfloat16
    assert mixed["w"].tolist() == [2.0, 0.5]
    assert float(value) == 4.25
    assert gradient.values.dtype == jnp.float32
    assert gradient.as_dict() == {"w": 2 * 2 * 2 + 2 * 0.5 * -3}


def test_integers_are_copied_and_have_no_gradient(caplog: pytest.LogCaptureFixture):
    first, last = ({"n": np.array([n]), "w": np.full(2, n, np.float32)} for n in (1, 2))
    start = Coefficients.full(first, "tensor", 0.5)
    with caplog.at_level(logging.WARNING):
        _, gradient = coefficient_gradient(lambda theta: jnp.sum(theta["w"]), first, last, start)
    assert "n: int32 values differ between the ends" in caplog.text
    assert gradient.as_dict() == {"n": 0.0, "w": 2.0}


def test_unknown_groupings_parameters_and_groups_are_named(pairs: dict[str, Pair]):
    pair = pairs["transformers"]
    with pytest.raises(InputError, match=r"unknown grouping 'blocks'.*Did you mean 'block'"):
        Coefficients.full(pair.theta_0, "blocks")
    other = {"encoder": {"adapter": {"kernel": np.zeros((2, 2), np.float32)}}}
    with pytest.raises(InputError, match="encoder/adapter/kernel: the grouping 'module'"):
        Coefficients.full(other, "module")
    blocks = Coefficients.full(pair.theta_0, "block")
    deeper = Coefficients(np.zeros(6, np.float32), (*blocks.names, "block_2"), "block")
    with pytest.raises(InputError, match=r"5 groups.*6 coefficients; not of these.*: block_2"):
        lerp_groups(pair.theta_0, pair.theta_1, deeper)
    shallow = Coefficients(np.zeros(4, np.float32), blocks.names[:-1], "block")
    with pytest.raises(InputError, match="4 coefficients; missing: head"):
        lerp_groups(pair.theta_0, pair.theta_1, shallow)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_or_not_one_a_group_are_refused(
    bad: float, pairs: dict[str, Pair]
):
    pair = pairs["transformers"]
    start = Coefficients.full(pair.theta_0, "module", 0.5)
    start.values[3] = bad
    with pytest.raises(InputError, match=f"coefficient of {start.names[3]}: .*finite.*{bad}"):
        lerp_groups(pair.theta_0, pair.theta_1, start)
    with pytest.raises(InputError, match=r"6 values, one a group, found shape \(5,\)"):
        lerp_groups(
            pair.theta_0, pair.theta_1, dataclasses.replace(start, values=np.zeros(5, np.float32))
        )


def test_other_structures_are_refused(pairs: dict[str, Pair]):
    pair = pairs["transformers"]
    with pytest.raises(InputError, match="missing from theta_1: head/bias"):
        lerp_groups(
            pair.theta_0,
            {**pair.theta_1, "head": {"kernel": pair.theta_1["head"]["kernel"]}},
            Coefficients.full(pair.theta_0, "global"),
        )
