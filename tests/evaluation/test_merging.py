"""Which leaves and layers are shared, and that the merged model is the one that lerp makes."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import NAMES
from tests.helpers.tiny import tiny_clip_directory, tiny_images
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.stacking import LayerStack
from wiseft_jax.core.mesh import Layout, make_mesh
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.evaluation.merging import LAYERS, Shared, find_shared, merged, place_rest
from wiseft_jax.weights import lerp

ALPHAS = (0.0, 0.3, 1.0)


@pytest.fixture(scope="module", params=["transformers", "scan"])
def model(request, tmp_path_factory):
    directory = tiny_clip_directory(tmp_path_factory.mktemp("clip"), vision_layers=3)
    return zero_shot_classifier(load_clip(directory, tower=request.param), NAMES)


def moved(theta: Params, frozen_layers: int, tower: str, frozen: tuple[str, ...] = ()) -> Params:
    """Return another end with its first layers, and the leaves of some paths, as they were."""
    leaves = {}
    for path, leaf in flatten_paths(theta).items():
        other = leaf + np.float32(0.1)
        rest = path.removeprefix(f"{LAYERS}/")
        if rest != path and tower == "scan":
            other[:frozen_layers] = leaf[:frozen_layers]
        elif rest != path and int(rest.split("/")[0]) < frozen_layers:
            other = leaf.copy()
        if path.startswith(frozen or ("nothing",)):
            other = leaf.copy()
        leaves[path] = other
    return unflatten_paths(leaves)


def test_finds_whole_leaves_and_first_layers(model):
    classifier, theta_0 = model
    theta_1 = moved(theta_0, 2, classifier.tower.name, ("head/bias",))
    shared = find_shared(theta_0, theta_1)
    if classifier.tower.name == "scan":
        assert shared == Shared(frozenset({"head/bias"}), 2)
    else:
        paths = {path.removeprefix(f"{LAYERS}/")[0] for path in shared.leaves if LAYERS in path}
        assert (paths, shared.layers) == ({"0", "1"}, 0)
        assert "head/bias" in shared.leaves
    everything = find_shared(theta_0, theta_0)
    assert everything.leaves == frozenset(flatten_paths(theta_0))
    assert everything.layers == (3 if classifier.tower.name == "scan" else 0)


def test_bits_decide():
    zeros = {"w": np.zeros(3, np.float32)}
    assert find_shared(zeros, {"w": -np.zeros(3, np.float32)}).leaves == frozenset()
    nan = {"w": np.full(3, np.nan, np.float32)}
    assert find_shared(nan, {"w": nan["w"].copy()}).leaves == {"w"}
    assert find_shared(zeros, {"w": np.zeros(3, np.int32)}).leaves == frozenset()
    large = {"w": np.zeros(3 * 2**20, np.float32)}
    last = {"w": large["w"].copy()}
    last["w"][-1] = 1
    assert find_shared(large, last).leaves == frozenset()
    assert find_shared(large, {"w": large["w"].copy()}).leaves == {"w"}


@pytest.mark.parametrize("frozen_layers", [0, 2, 3])
def test_the_merged_model_is_what_lerp_makes(model, frozen_layers):
    classifier, theta_0 = model
    theta_1 = moved(theta_0, frozen_layers, classifier.tower.name)
    shared = find_shared(theta_0, theta_1)
    layout, images = Layout(make_mesh(1)), tiny_images(3)

    @jax.jit
    def found(theta_0, theta_1, alpha):
        theta = merged(theta_0, theta_1, alpha, shared, classifier.tower, layout)
        return classifier.logits(theta, images)

    @jax.jit
    def wanted(theta_0, theta_1, alpha):
        return classifier.logits(lerp(theta_0, theta_1, alpha), images)

    for alpha in ALPHAS:
        np.testing.assert_allclose(
            found(theta_0, theta_1, alpha), wanted(theta_0, theta_1, alpha), atol=2e-5
        )


def test_shared_first_layers_stand_apart(model):
    classifier, theta_0 = model
    layout, tower = Layout(make_mesh(1)), classifier.tower
    counts = []
    for frozen in (0, 2, 3):
        theta_1 = moved(theta_0, frozen, tower.name)
        merge = functools.partial(merged, shared=find_shared(theta_0, theta_1), tower=tower)
        theta = merge(theta_0, theta_1, 0.5, layout=layout)
        layers = theta["encoder"]["vision_model"]["encoder"]["layers"]
        if tower.name == "transformers":  # layers are apart already
            assert set(layers) == {"0", "1", "2"}
            continue
        assert all(isinstance(stack, LayerStack) for stack in layers)
        counts.append([len(jax.tree_util.tree_leaves(stack.stacked)[0]) for stack in layers])
    assert counts == ([] if tower.name == "transformers" else [[3], [2, 1], [3]])


def test_shared_leaves_are_placed_once(model):
    classifier, theta_0 = model
    theta_1 = moved(theta_0, 2, classifier.tower.name, ("head/bias",))
    layout, shared = Layout(make_mesh(1)), find_shared(theta_0, theta_1)
    placed = layout.place(theta_0)
    other = place_rest(layout, placed, theta_1, shared)
    assert jax.tree_util.tree_structure(other) == jax.tree_util.tree_structure(theta_1)
    for path, leaf in flatten_paths(other).items():
        assert (leaf is flatten_paths(placed)[path]) == (path in shared.leaves)
        np.testing.assert_array_equal(leaf, flatten_paths(theta_1)[path])
