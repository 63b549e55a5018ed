"""What is noted of each layer, against NumPy; both towers; nothing is changed by looking."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.clip.saliency_model import Model, saliency_model
from tests.helpers import numpy_clip
from tests.helpers.tiny import tiny_config
from wiseft_jax.clip.layer_features import layer_features, layer_names
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.logit_classifier import LogitTower
from wiseft_jax.clip.towers import l2_normalise
from wiseft_jax.core.errors import InputError

TOLERANCE = 2e-5  # float32 through two layers, of numbers of order one
NAMES = ("embedding", "block_0", "block_1", "pooled", "features")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return saliency_model(tmp_path_factory.mktemp("clip") / "model")


@pytest.fixture(scope="module")
def found(model: Model) -> dict[str, np.ndarray]:
    clip = model.clip
    outputs = jax.jit(lambda params, x: layer_features(clip.tower, params, x))(
        clip.params, model.pixels
    )
    return {name: np.asarray(each) for name, each in outputs.items()}


def oracle(model: Model) -> dict[str, np.ndarray]:
    """The same layers by NumPy in float64, the embedding by its definition."""
    tensors = load_file(model.directory / "model.safetensors")
    config, pixels = tiny_config(), model.pixels.astype(np.float64)
    seen: dict[str, np.ndarray] = {}

    def note(place: str, layer: int, value: np.ndarray) -> np.ndarray:
        if place == "output":
            seen[f"block_{layer}"] = value[:, 0]
        return value

    features = numpy_clip.image_features(tensors, config, pixels, note)
    kernel = tensors["vision_model.embeddings.patch_embedding.weight"]  # [D, 3, 8, 8]
    positions = tensors["vision_model.embeddings.position_embedding.weight"]
    tokens = []
    for number, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        patch = pixels[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        tokens.append(np.einsum("bhwc,dchw->bd", patch, kernel) + positions[number + 1])
    embedded = norm(np.stack(tokens, axis=1), tensors, "pre_layrnorm").mean(1)
    pooled = norm(seen["block_1"], tensors, "post_layernorm")
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return {"embedding": embedded, **seen, "pooled": pooled, "features": unit}


def norm(x: np.ndarray, tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    weights = (tensors[f"vision_model.{name}.{leaf}"] for leaf in ("weight", "bias"))
    return scaled * next(weights) + next(weights)


def test_every_layer_is_what_numpy_computes(model: Model, found: dict[str, np.ndarray]):
    expected = oracle(model)
    assert found.keys() == expected.keys() == {*NAMES}
    assert layer_names(model.clip.tower) == NAMES
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], atol=TOLERANCE, err_msg=name)


def test_the_last_layer_is_what_the_head_multiplies(model: Model, found: dict[str, np.ndarray]):
    """The very same: looking at a layer doesn't change what the modules compute."""
    tower, params = model.clip.tower, model.clip.params
    features = jax.jit(tower.image_features)(params, model.pixels)
    np.testing.assert_allclose(found["features"], l2_normalise(features), rtol=0, atol=1e-6)


def test_the_embedding_is_of_patches_for_its_class_token_is_the_same_for_all_images(
    model: Model, found: dict[str, np.ndarray]
):
    assert np.abs(found["embedding"][0] - found["embedding"][1]).max() > 1e-2


def test_the_lean_tower_has_the_same_layers(model: Model, found: dict[str, np.ndarray]):
    lean = load_clip(model.directory, tower="scan")
    other = jax.jit(lambda params, x: layer_features(lean.tower, params, x))(
        lean.params, model.pixels
    )
    assert layer_names(lean.tower) == NAMES
    for name, value in found.items():
        np.testing.assert_allclose(other[name], value, atol=1e-6, err_msg=name)


def test_a_model_of_logits_has_no_layers():
    with pytest.raises(InputError, match="found a LogitClassifier"):
        layer_names(LogitTower())  # type: ignore[arg-type]
