"""Every saliency method: against NumPy, by its laws, and on a model whose answer is known."""

from __future__ import annotations

import functools
import json
from typing import Any

import jax
import numpy as np
import pytest

from tests.clip.saliency_model import Model, saliency_model
from tests.helpers.compilations import counted_compilations
from wiseft_jax.clip.attention_maps import score_images
from wiseft_jax.clip.load import load_clip, make_tower
from wiseft_jax.clip.saliency import (
    SALIENCY,
    class_directions,
    gradient_x_input,
    saliency_maps,
    saliency_scores,
)
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.rng import stream
from wiseft_jax.core.saliency import METHODS, energy_in_mask, enlarge_map

TOLERANCE = 3e-6
FEW = {"smooth_grad": {"samples": 3}, "integrated_gradients": {"points": 4}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return saliency_model(tmp_path_factory.mktemp("clip") / "model")


def maps_of(method: str, model: Model, directions: Any = None, **options: Any) -> np.ndarray:
    clip = model.clip
    facts = clip.tower, clip.preprocess, clip.params, model.images
    directions = model.directions if directions is None else directions
    options = {**FEW.get(method, {}), **options}
    return np.asarray(saliency_maps(method, *facts, directions, **options))


def test_the_table_and_what_is_said_of_it_have_the_same_methods():
    assert {*SALIENCY, "class_activation"} == METHODS.keys()


@pytest.mark.parametrize("method", SALIENCY)
def test_every_method_keeps_the_contract(method: str, model: Model):
    facts, found = METHODS[method], maps_of(method, model)
    size = 16 if facts.grid == "pixels" else 2
    assert found.shape == (2, size, size)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0
    assert facts.signed == (found.min() < 0)
    longer = maps_of(method, model, 7.5 * model.directions)
    np.testing.assert_allclose(longer, found, rtol=1e-4, atol=1e-6)  # the score is a cosine
    other = maps_of(method, model, model.directions[::-1].copy())
    assert facts.class_agnostic == np.array_equal(other, found)
    swapped = maps_of(method, _with_images(model, model.images[::-1].copy()), other_way(model))
    np.testing.assert_allclose(swapped[::-1], found, rtol=1e-4, atol=1e-6)  # rows are independent


def other_way(model: Model) -> np.ndarray:
    return model.directions[::-1].copy()


def _with_images(model: Model, images: np.ndarray) -> Model:
    return Model(model.clip, model.directory, images, model.pixels, model.directions)


def test_grad_cam_is_numpys(model: Model):
    found = maps_of("grad_cam", model)
    for row in range(2):
        oracle = model.oracle(row)
        values, slopes = oracle.seen("attention_input")[-1], oracle.gradients("attention_input")[-1]
        weights = slopes[1:].mean(0)
        expected = np.maximum(values[1:] @ weights, 0).reshape(2, 2)
        np.testing.assert_allclose(found[row], expected, atol=TOLERANCE)


def test_chefer_is_numpys_with_gradients_by_finite_differences(model: Model):
    found = maps_of("chefer", model)
    for row in range(2):
        oracle = model.oracle(row)
        total = np.eye(5)
        weights, slopes = oracle.seen("attention"), oracle.gradients("attention")
        for layer in range(2):
            total = total + np.maximum(weights[layer] * slopes[layer], 0).mean(0) @ total
        np.testing.assert_allclose(found[row], total[0, 1:].reshape(2, 2), atol=TOLERANCE)


def test_gradient_x_input_is_finite_differences(model: Model):
    found = maps_of("gradient_x_input", model)
    for row in range(2):
        oracle = model.oracle(row)
        expected = (oracle.pixels * oracle.pixel_gradients()).sum(-1)
        np.testing.assert_allclose(found[row], expected, atol=TOLERANCE)


def test_smooth_grad_without_noise_is_the_gradient(model: Model):
    found = maps_of("smooth_grad", model, spread=0.0)
    expected = np.abs(model.oracle().pixel_gradients()).max(-1)
    np.testing.assert_allclose(found[0], expected, atol=TOLERANCE)


def test_smooth_grad_is_the_mean_over_its_noise(model: Model):
    tower, params, pixels, directions = model.arguments()
    gradient = jax.jit(jax.grad(lambda x: score_images(tower, params, x, directions).sum()))
    ranges = pixels.max((1, 2, 3), keepdims=True) - pixels.min((1, 2, 3), keepdims=True)
    total = np.zeros_like(pixels)
    for key in jax.random.split(stream(jax.random.key(1), "smooth_grad"), 3):
        noise = np.asarray(jax.random.normal(key, pixels.shape[1:]))
        total += np.asarray(gradient(pixels + 0.15 * ranges * noise[None])) / 3
    found = maps_of("smooth_grad", model, seed=1)
    np.testing.assert_allclose(found, np.abs(total).max(-1), atol=TOLERANCE)
    assert np.abs(found - maps_of("smooth_grad", model)).max() > 100 * TOLERANCE  # another seed


def test_integrated_gradients_are_complete(model: Model):
    clip = model.clip
    found = maps_of("integrated_gradients", model, points=32)
    oracle = model.oracle()
    both = np.stack([oracle.pixels, np.zeros_like(oracle.pixels)])
    at_image, at_mean_colour = oracle.scores(both)
    assert abs(at_image - at_mean_colour) > 0.01
    np.testing.assert_allclose(found[0].sum(), at_image - at_mean_colour, atol=1e-5)
    facts = clip.tower, clip.preprocess, clip.params, model.images, model.directions
    np.testing.assert_allclose(saliency_scores(*facts)[0], at_image, atol=TOLERANCE)


def test_integrated_gradients_of_one_point_are_the_gradient_half_way(model: Model):
    tower, params, pixels, directions = model.arguments()
    half = jax.jit(functools.partial(gradient_x_input, tower))(params, pixels / 2, directions)
    found = maps_of("integrated_gradients", model, points=1)
    np.testing.assert_allclose(found, 2 * half, atol=TOLERANCE)


@pytest.mark.parametrize("method", ["grad_cam", "gradient_x_input", "chefer"])
def test_both_towers_give_the_same_maps(method: str, model: Model):
    clip = load_clip(model.directory, tower="scan")
    facts = clip.tower, clip.preprocess, clip.params, model.images, model.directions
    np.testing.assert_allclose(saliency_maps(method, *facts), maps_of(method, model), atol=1e-7)


def test_a_tower_in_bfloat16_is_explained_in_float32(model: Model):
    low = load_clip(model.directory, dtype="bfloat16")
    facts = low.tower, low.preprocess, low.params, model.images, model.directions
    np.testing.assert_array_equal(saliency_maps("chefer", *facts), maps_of("chefer", model))


PATCH = 2


@pytest.fixture(scope="module")
def decided_by_one_patch(model: Model) -> Model:
    """A CLIP of one layer whose class token reads patch PATCH and no other.

    Position embeddings mark the patch along one coordinate, keys read that coordinate alone, and
    all queries are one constant vector.
    """
    params = jax.tree_util.tree_map(np.array, model.clip.params)
    vision = params["vision_model"]
    vision["encoder"]["layers"] = {"0": vision["encoder"]["layers"]["0"]}
    positions = vision["embeddings"]["position_embedding"]["embedding"]
    positions[:, 0], positions[PATCH + 1, 0] = -20, 20
    attention = vision["encoder"]["layers"]["0"]["self_attn"]
    for name in ("q_proj", "k_proj"):
        attention[name]["kernel"][:], attention[name]["bias"][:] = 0, 0
    attention["q_proj"]["bias"][:] = 4
    attention["k_proj"]["kernel"][0] = 4
    settings = json.loads((model.directory / "config.json").read_text())
    settings["vision_config"]["num_hidden_layers"] = 1
    config = type(model.clip.config).from_dict(settings)
    facts = model.clip.tokenizer, model.clip.preprocess, "made"
    clip = type(model.clip)(params, config, make_tower(config), *facts)
    return Model(clip, model.directory, model.images, model.pixels, model.directions)


@pytest.mark.parametrize("method", SALIENCY)
def test_the_patch_that_decides_is_found(method: str, decided_by_one_patch: Model):
    mask = np.zeros((16, 16), bool)
    row, column = divmod(PATCH, 2)
    mask[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = True
    # Some methods show evidence for a direction alone; one of t and -t has it.
    directions = decided_by_one_patch.directions
    maps = [maps_of(method, decided_by_one_patch, sign * directions) for sign in (1, -1)]
    for both in zip(*maps, strict=True):
        inside = [energy_in_mask(enlarge_map(np.abs(each), 16, 16), mask) for each in both]
        # Grad-CAM weighs all patches by one mean gradient, so that others take part by likeness.
        assert np.nanmax(inside) > (0.9 if method == "grad_cam" else 0.999)


def test_directions_of_classes_are_unit_columns():
    kernel = np.asarray([[3.0, 0.0, 1.0], [4.0, -2.0, 0.0]], np.float32)
    head = {"kernel": kernel, "bias": np.ones(3, np.float32)}
    found = class_directions(head, np.asarray([1, 0, 1]))
    np.testing.assert_allclose(found, [[0, -1], [0.6, 0.8], [0, -1]], atol=1e-7)


def test_a_method_is_compiled_once_for_each_shape(model: Model):
    maps_of("attention_rollout", model)
    other = jax.tree_util.tree_map(lambda leaf: leaf * 1.1, model.clip.params)
    facts = model.clip.tower, model.clip.preprocess, other, model.images, model.directions
    with counted_compilations() as compiled:
        saliency_maps("attention_rollout", *facts)
    assert compiled == []


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("gradcam", {}, "unknown saliency method 'gradcam'. Did you mean 'grad_cam'?"),
        ("smooth_grad", {"sample": 3}, "option of smooth_grad 'sample'. Did you mean 'samples'?"),
        ("grad_cam", {"points": 3}, "unknown option of grad_cam 'points'"),
    ],
)
def test_a_wrong_name_is_refused(method: str, options: dict, said: str, model: Model):
    clip = model.clip
    facts = clip.tower, clip.preprocess, clip.params, model.images, model.directions
    with pytest.raises(InputError) as error:
        saliency_maps(method, *facts, **options)
    assert said in str(error.value)


def test_images_of_another_size_are_refused(model: Model):
    clip = model.clip
    images = np.zeros((2, 20, 20, 3), np.uint8)
    with pytest.raises(InputError, match=r"20 x 20 pixels, the model takes 16 x 16"):
        saliency_maps("chefer", clip.tower, clip.preprocess, clip.params, images, model.directions)
