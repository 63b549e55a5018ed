from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.clip.parity import relative_error
from tests.helpers.tiny import tiny_clip_directory, tiny_images
from wiseft_jax.clip.classifier import Classifier, zero_shot_classifier
from wiseft_jax.clip.delta import delta_features, delta_logits, same_paths
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.towers import normalise_pixels
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.gathering import split_over
from wiseft_jax.core.mesh import Layout, batch_sharding, make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.weights.interpolate import lerp

NAMES = ("red circle", "blue square", "digit", "x")
LAYERS = 2
RELATIVE = 1e-5
ALPHAS = np.array([0, 1, 0.3, -0.5, 1.75, 0.85, 0.5, 0.05], np.float32)
TOWERS = ("transformers", "scan")

OF_A_LAYER = [
    *(f"layer_norm{number}/{leaf}" for number in (1, 2) for leaf in ("scale", "bias")),
    *(f"mlp/{name}/{leaf}" for name in ("fc1", "fc2") for leaf in ("kernel", "bias")),
    *(
        f"self_attn/{name}_proj/{leaf}"
        for name in ("q", "k", "v", "out")
        for leaf in ("kernel", "bias")
    ),
]
VISION = "encoder/vision_model"
LEAVES = [
    f"{VISION}/embeddings/class_embedding",
    f"{VISION}/embeddings/patch_embedding/kernel",
    f"{VISION}/embeddings/position_embedding/embedding",
    *(
        f"{VISION}/{norm}/{leaf}"
        for norm in ("pre_layrnorm", "post_layernorm")
        for leaf in ("scale", "bias")
    ),
    *(f"{VISION}/encoder/layers/{layer}/{leaf}" for layer in range(LAYERS) for leaf in OF_A_LAYER),
    "encoder/visual_projection/kernel",
    "head/kernel",
    "head/bias",
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip_directory(tmp_path_factory.mktemp("clip"), vision_layers=LAYERS)


def classifier_of(directory: Path, tower: str = "transformers", **options: Any) -> Any:
    return zero_shot_classifier(load_clip(directory, tower=tower, **options), NAMES)


@pytest.fixture(scope="module")
def pair(directory: Path) -> tuple[Classifier, Any, Any]:
    """A classifier of transformers' tower, and two trees that differ in every leaf."""
    classifier, theta_0 = classifier_of(directory)
    return classifier, theta_0, moved(theta_0)


def moved(theta: Any, only: str | None = None) -> Any:
    """Return a tree that is as far from another as fine-tuning goes, in all leaves or in one."""
    rng, leaves = np.random.default_rng(7), {}
    for path, leaf in flatten_paths(theta).items():
        scale = np.float32(0.3) * (np.std(leaf) or np.float32(1))
        noise = scale * rng.standard_normal(leaf.shape, np.float32)
        leaves[path] = leaf + noise if only in (None, path) else leaf
    return unflatten_paths(leaves)


def compiled(classifier: Classifier, **options: Any) -> Any:
    return jax.jit(functools.partial(delta_logits, classifier, **options))


@pytest.fixture(scope="module")
def delta(pair: Any) -> Any:
    return compiled(pair[0])


@pytest.fixture(scope="module")
def direct(pair: Any) -> Any:
    """The logits of each image by the merged model of its own alpha, one image at a time."""
    return one_by_one(pair[0].logits)


def one_by_one(call: Any) -> Any:
    @jax.jit
    def single(theta_0: Any, theta_1: Any, alpha: Any, image: Any) -> Any:
        return call(lerp(theta_0, theta_1, alpha), image[None])[0]

    def every(theta_0: Any, theta_1: Any, alphas: Any, images: Any) -> Any:
        rows = zip(alphas, images, strict=True)
        return np.stack([single(theta_0, theta_1, alpha, image) for alpha, image in rows])

    return every


def worst_row(found: Any, expected: Any) -> float:
    return max(map(relative_error, np.asarray(found), np.asarray(expected)))


IMAGES = tiny_images(len(ALPHAS))


def test_the_leaves_below_are_all_that_there_are(pair: Any):
    assert sorted(LEAVES) == sorted(flatten_paths(pair[1]))


@pytest.mark.parametrize("path", LEAVES)
def test_each_leaf_alone_is_merged_for_each_image(path: str, pair: Any, delta: Any, direct: Any):
    theta_0 = pair[1]
    theta_1 = moved(theta_0, only=path)
    expected = direct(theta_0, theta_1, ALPHAS, IMAGES)
    assert worst_row(delta(theta_0, theta_1, ALPHAS, IMAGES), expected) < RELATIVE
    change = np.abs(expected - direct(theta_0, theta_0, ALPHAS, IMAGES)).max(1)
    if not path.endswith("k_proj/bias"):  # a softmax is blind to what is added to all scores
        assert change[ALPHAS != 0].min() > 1e-3


@pytest.mark.parametrize(("name", "remat"), [("transformers", "dots"), ("scan", "none")])
def test_all_leaves_together_are_merged_whichever_tower_they_are_laid_out_for(
    name: str, remat: str, directory: Path, pair: Any, direct: Any
):
    _, theta_0, theta_1 = pair
    classifier, _ = classifier_of(directory, name, remat=remat)
    own = [classifier.tower.from_canonical(theta) for theta in (theta_0, theta_1)]
    found = compiled(classifier)(*own, ALPHAS, IMAGES)
    assert found.dtype == np.float32
    assert worst_row(found, direct(theta_0, theta_1, ALPHAS, IMAGES)) < RELATIVE


def test_features_are_those_of_the_merged_encoder_not_normalised(pair: Any):
    classifier, *thetas = pair
    encoders = [theta["encoder"] for theta in thetas]
    pixels = np.asarray(normalise_pixels(IMAGES, classifier.preprocess))
    expected = one_by_one(classifier.tower.image_features)(*encoders, ALPHAS, pixels)
    delta = jax.jit(functools.partial(delta_features, classifier.tower))
    found = delta(*encoders, ALPHAS, pixels)
    assert worst_row(found, expected) < RELATIVE
    assert np.ptp(np.linalg.norm(found, axis=1)) > 0.1


def test_other_activations_patches_and_dtypes_of_leaves_are_the_models(tmp_path: Path):
    classifier, theta_0 = classifier_of(
        tiny_clip_directory(tmp_path, hidden_act="gelu", patch_size=5, vision_layers=1)
    )
    theta_0 = jax.tree_util.tree_map(lambda leaf: leaf.astype(np.float64), theta_0)
    theta_1 = moved(theta_0)
    expected = one_by_one(classifier.logits)(theta_0, theta_1, ALPHAS, IMAGES)
    assert worst_row(compiled(classifier)(theta_0, theta_1, ALPHAS, IMAGES), expected) < RELATIVE


@pytest.fixture(scope="module")
def merged_in_bfloat16(directory: Path, pair: Any) -> Any:
    classifier, _ = classifier_of(directory, dtype="bfloat16")
    return one_by_one(classifier.logits)(*pair[1:], ALPHAS, IMAGES)


@pytest.mark.parametrize("name", TOWERS)
def test_bfloat16_is_as_close_to_float32_as_a_merged_model_in_bfloat16_is(
    name: str, directory: Path, pair: Any, direct: Any, merged_in_bfloat16: Any
):
    _, *thetas = pair
    classifier, _ = classifier_of(directory, name, dtype="bfloat16")
    own = [classifier.tower.from_canonical(theta) for theta in thetas]
    exact = direct(*thetas, ALPHAS, IMAGES)
    error = relative_error(compiled(classifier)(*own, ALPHAS, IMAGES), exact)
    assert 0 < error < 1.5 * relative_error(merged_in_bfloat16, exact)


def test_products_of_bfloat16_are_summed_in_float32_on_a_cpu(directory: Path, pair: Any):
    classifier, _ = classifier_of(directory, dtype="bfloat16")
    products = products_of(compiled(classifier), *pair[1:])
    kinds = [line.rsplit("->", 1)[1] for line in products if "bf16" in line]
    assert len(kinds) == 2 * (6 * LAYERS + 2)  # patches and projection are products too
    assert all("f32" in kind for kind in kinds)


def products_of(delta: Any, theta_0: Any, theta_1: Any) -> list[str]:
    """Return the lines of a lowered program that are products or convolutions."""
    text = delta.lower(theta_0, theta_1, ALPHAS, IMAGES).as_text()
    names = ("stablehlo.dot_general", "stablehlo.convolution")
    return [line for line in text.splitlines() if any(name in line for name in names)]


def test_only_products_with_changed_kernels_are_made_twice(pair: Any):
    classifier, theta_0, theta_1 = pair
    direct = len(
        products_of(jax.jit(lambda a, b, c, images: classifier.logits(a, images)), *pair[1:])
    )
    assert direct == 1 + 8 * LAYERS + 2  # patches; six products and attention's two; projections
    both = len(products_of(compiled(classifier), theta_0, theta_1))
    assert both == direct + 1 + 6 * LAYERS + 2
    for path, extra in [
        ("head/kernel", 1),
        ("head/bias", 0),
        (f"{VISION}/encoder/layers/1/mlp/fc1/kernel", 1),
        (f"{VISION}/encoder/layers/1/mlp/fc1/bias", 0),
        (f"{VISION}/encoder/layers/0/layer_norm2/scale", 0),
        (f"{VISION}/embeddings/class_embedding", 0),
    ]:
        end = moved(theta_0, only=path)
        same = same_paths(classifier.tower, theta_0, end)
        found = len(products_of(compiled(classifier, same=same), theta_0, end))
        assert found == direct + extra, path


@pytest.mark.parametrize(
    ("kept", "name"),
    [
        *((kept, "transformers") for kept in ("kernel", "bias", "scale", "encoder/", "head/")),
        ("layers/0", "scan"),
    ],
)
def test_leaves_that_both_trees_share_may_be_left_out(
    kept: str, name: str, directory: Path, pair: Any, direct: Any
):
    _, theta_0, theta_1 = pair
    start, end = flatten_paths(theta_0), flatten_paths(theta_1)
    shared = {path for path in start if kept in f"{path}/"}
    mixed = unflatten_paths({path: (start if path in shared else end)[path] for path in start})
    classifier, _ = classifier_of(directory, name)
    own = [classifier.tower.from_canonical(theta) for theta in (theta_0, mixed)]
    same = same_paths(classifier.tower, *own)
    assert same == shared
    found = compiled(classifier, same=same)(*own, ALPHAS, IMAGES)
    assert worst_row(found, direct(theta_0, mixed, ALPHAS, IMAGES)) < RELATIVE


def test_equal_trees_need_nothing_more(pair: Any):
    classifier, theta, _ = pair
    on_device = jax.device_put(theta)
    same = same_paths(classifier.tower, theta, on_device)
    assert len(same) == len(LEAVES)
    found = compiled(classifier, same=same)(theta, on_device, ALPHAS, IMAGES)
    np.testing.assert_array_equal(found, jax.jit(classifier.logits)(theta, IMAGES))


def test_not_a_number_is_no_equal_leaf(pair: Any):
    classifier, theta, _ = pair
    broken = {**theta, "head": {**theta["head"], "bias": np.full(len(NAMES), np.nan, np.float32)}}
    assert "head/bias" not in same_paths(classifier.tower, broken, broken)


def test_it_maps_over_alphas(pair: Any, delta: Any):
    classifier, *thetas = pair
    rows = np.stack([ALPHAS, ALPHAS[::-1], 0 * ALPHAS])
    mapped = jax.jit(jax.vmap(functools.partial(delta_logits, classifier), (None, None, 0, None)))
    for alphas, logits in zip(rows, mapped(*thetas, rows, IMAGES), strict=True):
        assert worst_row(logits, delta(*thetas, alphas, IMAGES)) < RELATIVE


def test_gradients_by_each_images_alpha_are_those_of_merging(directory: Path, pair: Any):
    plain, theta_0, theta_1 = pair
    classifier, _ = classifier_of(directory, remat="full")
    weight = np.random.default_rng(3).standard_normal(len(NAMES)).astype(np.float32)

    def loss(alphas: Any) -> Any:
        return jnp.sum(delta_logits(classifier, theta_0, theta_1, alphas, IMAGES) @ weight)

    @jax.jit
    @jax.grad
    def slope(alpha: Any, image: Any) -> Any:
        return plain.logits(lerp(theta_0, theta_1, alpha), image[None])[0] @ weight

    expected = [slope(alpha, image) for alpha, image in zip(ALPHAS, IMAGES, strict=True)]
    found = jax.jit(jax.grad(loss))(ALPHAS)
    assert np.abs(expected).min() > 0.1
    assert relative_error(found, expected) < RELATIVE


@pytest.mark.parametrize(("fsdp", "name"), [(1, "transformers"), (4, "transformers"), (4, "scan")])
def test_a_batch_split_over_eight_devices_is_the_same(
    fsdp: int, name: str, directory: Path, pair: Any, delta: Any
):
    _, *thetas = pair
    classifier, _ = classifier_of(directory, name)
    config = MeshConfig(fsdp=fsdp, min_shard_elements=16)
    layout = Layout(make_mesh(8, config), config)
    own = [classifier.tower.from_canonical(theta) for theta in thetas]
    rows = batch_sharding(layout.mesh)
    inputs = [jax.device_put(array, rows) for array in (ALPHAS, IMAGES)]

    @jax.jit
    def split(*args: Any) -> Any:
        with split_over(layout.mesh):
            return delta_logits(classifier, *args)

    found = split(*(jax.device_put(theta, layout.shardings(theta)) for theta in own), *inputs)
    assert len(found.sharding.device_set) == 8
    assert worst_row(found, delta(*thetas, ALPHAS, IMAGES)) < RELATIVE


def changed(theta: Any, path: str, value: Any) -> Any:
    return unflatten_paths({**flatten_paths(theta), path: value})


@pytest.mark.parametrize(
    "path",
    [
        "encoder/visual_projection/bias",  # the module has none
        f"{VISION}/encoder/layers/1/self_attn/q_proj/lora_a",
        f"{VISION}/encoder/layers/1/self_attn/gate",
        "encoder/text_projection/kernel",
        "encoder/kernel",
        "head/scale",
        "temperature",
    ],
)
def test_a_leaf_that_no_rule_covers_is_refused_while_tracing(path: str, pair: Any):
    classifier, theta_0, theta_1 = pair
    thetas = [changed(theta, path, np.ones(3, np.float32)) for theta in (theta_0, theta_1)]
    with pytest.raises(InputError, match=rf"no rule gives each image its own {path}: expected"):
        jax.eval_shape(compiled(classifier), *thetas, ALPHAS, IMAGES)
    same = frozenset({path})
    jax.eval_shape(compiled(classifier, same=same), *thetas, ALPHAS, IMAGES)


def test_layers_that_no_rule_knows_are_refused_with_all_their_leaves(pair: Any):
    classifier, *thetas = pair
    try:
        nn.LayerNorm.__name__ = "OtherNorm"
        with pytest.raises(InputError, match=r"layers/0/layer_norm1/bias, .* and 7 more: expected"):
            jax.eval_shape(compiled(classifier), *thetas, ALPHAS, IMAGES)
    finally:
        nn.LayerNorm.__name__ = "LayerNorm"


@pytest.mark.usefixtures("no_type_checks")
def test_what_does_not_fit_is_refused(pair: Any):
    classifier, theta_0, theta_1 = pair

    def call(alphas: Any = ALPHAS, images: Any = IMAGES, end: Any = theta_1, **options: Any) -> Any:
        return delta_logits(classifier, theta_0, end, alphas, images, **options)

    with pytest.raises(InputError, match=r"alphas: expected shape \(8,\), .* found \(1,\)"):
        call(ALPHAS[:1])
    with pytest.raises(InputError, match="alphas: expected finite numbers, found"):
        call(np.where(ALPHAS == 1, np.nan, ALPHAS))
    with pytest.raises(InputError, match="images are 24 x 24 pixels"):
        call(images=tiny_images(len(ALPHAS), 24))
    with pytest.raises(InputError, match="missing from theta_1: head/bias"):
        call(end={**theta_1, "head": {"kernel": theta_1["head"]["kernel"]}})
    with pytest.raises(
        InputError, match=r"unknown key path .*'head/bia'\. Did you mean 'head/bias'"
    ):
        call(same=frozenset({"head/bia"}))
    whole = np.zeros(len(NAMES), np.int32)
    start, end = (changed(theta, "head/bias", whole) for theta in (theta_0, theta_1))
    with pytest.raises(InputError, match="head/bias: expected floating numbers, found int32"):
        delta_logits(classifier, start, end, ALPHAS, IMAGES)
