"""The continuous curve of a model that is known by its logits alone, against direct evaluation."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from tests.helpers.small_resnet import SIZE, small_resnet
from tests.helpers.tiny import tiny_images
from wiseft_jax import LogitClassifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.source import array_dataset
from wiseft_jax.evaluation.curve import curve
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.sweep import sweep
from wiseft_jax.weights.interpolate import lerp

NAMES = ("a", "b", "c")
GRID = tuple(step / 20 for step in range(21))
RESNET = small_resnet()
MODEL = LogitClassifier(NAMES, RESNET.preprocess, logits_fn=RESNET.logits)
COUNT = 40


def random_end(seed: int) -> Any:
    """Return variables of the ResNet, drawn without compiling its own initialisation."""
    key, pixels = jax.random.key(0), np.zeros((1, RESNET.enlarged_to, RESNET.enlarged_to, 3))
    made = jax.eval_shape(RESNET.module.init, key, pixels)
    rng = np.random.default_rng(seed)

    def draw(path: Any, leaf: Any) -> np.ndarray:
        name = path[-1].key
        if name in ("scale", "var"):
            return rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        width = max(int(np.prod(leaf.shape[:-1])), 1)
        return (rng.standard_normal(leaf.shape) / np.sqrt(width)).astype(np.float32)

    found = jax.tree_util.tree_map_with_path(draw, made)
    head = {"kernel": rng.standard_normal((8, 3)).astype(np.float32), "bias": np.zeros(3, "f")}
    params = {"body": found["params"], "head": head}
    return {"params": params, "batch_stats": found["batch_stats"]}


def images() -> np.ndarray:
    return tiny_images(COUNT, SIZE)


def test_the_exact_curve_of_a_resnet_is_that_of_each_merged_model_by_hand() -> None:
    start = random_end(0)
    ends = [start, lerp(start, random_end(1), 0.2)]
    kernel = ends[0]["params"]["head"]["kernel"]
    ends[1]["params"]["head"]["kernel"] = np.roll(kernel, 1, axis=1)  # another class wins
    by_hand = jax.jit(RESNET.logits)
    logits = np.stack([np.asarray(by_hand(lerp(*ends, alpha), images())) for alpha in GRID])
    labels = logits[10].argmax(axis=1)
    labels[::3] = (labels[::3] + 1) % 3
    data = array_dataset(images(), labels, NAMES, name="test")
    thetas = [{"encoder": end} for end in ends]
    found = curve(MODEL, *thetas, [data], GRID, config=CurveConfig(exact=True), batch_size=16)
    each = found.curves["test"]
    ordered = np.sort(logits, axis=-1)
    clear = ordered[..., -1] - ordered[..., -2] > 2e-4
    top1 = logits.argmax(axis=-1)
    np.testing.assert_array_equal(each.predictions.top1[clear], top1[clear])
    assert clear.mean() > 0.9
    assert len(each.crossings) > 0
    assert each.exact
    assert each.audit.mismatches == 0
    assert each.passes < len(GRID)
    direct = sweep(MODEL, *thetas, [data], GRID, batch_size=16).predictions["test"]
    np.testing.assert_array_equal(direct.top1[clear], top1[clear])
    _, steps = each.crossings.steps(int(each.hits[0]), labels)
    assert steps[-1] == each.hits[-1]


@pytest.mark.parametrize("degree", [1, 4])
def test_logits_that_are_a_polynomial_of_alpha_are_exact_from_five_nodes(degree: int) -> None:
    """``logits = (weights of alpha) ** degree``, per class, so five nodes lose nothing."""
    rng = np.random.default_rng(0)

    def logits_fn(params: Any, batch: Any) -> Any:
        pixels = batch.reshape(len(batch), -1).astype("float32") / 255 - 0.5
        return 20 * (pixels @ params["w"]) ** degree

    ends = [{"w": rng.normal(0, 0.1, (SIZE * SIZE * 3, 3)).astype(np.float32)} for _ in range(2)]
    data = array_dataset(images(), rng.integers(0, 3, COUNT), NAMES, name="test")
    model = LogitClassifier(NAMES, RESNET.preprocess, logits_fn=logits_fn)
    thetas = [{"encoder": end} for end in ends]
    each = curve(model, *thetas, [data], GRID, batch_size=COUNT).curves["test"]
    pixels = images().reshape(COUNT, -1).astype(np.float64) / 255 - 0.5
    logits = np.stack(
        [20 * (pixels @ ((1 - a) * ends[0]["w"] + a * ends[1]["w"])) ** degree for a in GRID]
    )
    ordered = np.sort(logits, axis=-1)
    off = np.abs(each.predictions.margin - (ordered[..., -1] - ordered[..., -2]))
    assert off.max() < 1e-5 * np.abs(logits).max()
    if degree == 1:
        assert set(each.nodes) == {5}


def test_other_trees_are_refused() -> None:
    ends = [random_end(0)] * 2
    data = array_dataset(images(), np.zeros(COUNT, int), NAMES, name="test")
    with pytest.raises(InputError, match=r'expected \{"encoder": its parameters\}, found .*params'):
        curve(MODEL, *ends, [data], GRID)


def test_delta_is_refused() -> None:
    theta = {"encoder": random_end(0)}
    data = array_dataset(images(), np.zeros(COUNT, int), NAMES, name="test")
    with pytest.raises(InputError, match="a LogitClassifier has no CLIP's parameters"):
        sweep(MODEL, theta, theta, [data], GRID, backend="delta")


@pytest.mark.parametrize("grid", [np.arange(-0.5, 1.55, 0.1), np.arange(-0.5, 1.01, 0.05)])
def test_the_end_of_a_wide_grid_is_known_when_it_is_nearly_one(grid: np.ndarray) -> None:
    """``arange`` has 0.9999999999999996, which is 1 in float32: the answers there are the end's."""
    rng = np.random.default_rng(1)

    def logits_fn(params: Any, batch: Any) -> Any:
        pixels = batch.reshape(len(batch), -1).astype("float32") / 255 - 0.5
        return 20 * (pixels @ params["w"]) ** 2

    ends = [{"w": rng.normal(0, 0.1, (SIZE * SIZE * 3, 3)).astype(np.float32)} for _ in range(2)]
    data = array_dataset(images(), rng.integers(0, 3, COUNT), NAMES, name="test")
    model = LogitClassifier(NAMES, RESNET.preprocess, logits_fn=logits_fn)
    thetas = [{"encoder": end} for end in ends]
    config = CurveConfig(audit=0, points=2)
    found = curve(model, *thetas, [data], grid, config=config, batch_size=COUNT)
    direct = sweep(model, *thetas, [data], grid, batch_size=COUNT).predictions["test"]
    off = np.abs(found.predictions["test"].margin - direct.margin).max(axis=1)
    assert off.max() < 1e-3
