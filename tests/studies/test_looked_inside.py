"""Models are opened when something is missing, what is found is kept, stale files are remade."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.analysis.layers_of_run import stored_run
from tests.evaluation.conftest import NAMES, dataset, moved, tiny_ends
from wiseft_jax.analysis.layer_features import LayerFeatures
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.plane_result import PlaneResult, plane_file
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.analysis.table import analyse
from wiseft_jax.clip.export import export_classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import hash_tree
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies.looked_inside import (
    Models,
    drawn_positions,
    ensure_features,
    ensure_plane,
    look_inside,
)
from wiseft_jax.studies.looked_inside_config import FeaturesConfig, PlaneConfig
from wiseft_jax.studies.third_model import ThirdModel
from wiseft_jax.weights.interpolate import lerp

DATA = ExperimentData(
    NAMES,
    dataset(5, "train", split="train"),
    dataset(11, "validation", split="validation"),
    (dataset(40, "test"), dataset(16, "shift", role="shift")),
)
SMALL = FeaturesConfig(images=24, batch_size=8)
OPTIONS = AnalysisOptions()


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any]:
    return tiny_ends(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def run(tmp_path: Path, ends: tuple[Any, Any, Any]) -> StoredRun:
    run = stored_run(tmp_path)
    facts = {"theta_0": hash_tree(ends[1]), "theta_1": hash_tree(ends[2])}
    write_json(run.path / "endpoints.json", {**facts, "class_names": list(NAMES)})
    return run


class Opened(Models):
    """Models whose ends and data are at hand; counts how often they are asked for."""

    def __init__(self, path: Path, ends: tuple[Any, Any, Any]) -> None:
        super().__init__(path, lambda name: ExperimentConfig(), lambda config: DATA)
        self.config = ExperimentConfig()
        self._given, self.opened = ends, 0

    @property
    def ends(self) -> tuple[Any, Any, Any]:  # type: ignore[override]
        self.opened += 1
        return self._given


def test_features_are_extracted_once_and_end_in_the_classifiers(
    run: StoredRun, ends: tuple[Any, Any, Any]
):
    models = Opened(run.path, ends)
    found = ensure_features(run, models, SMALL)
    assert models.opened
    assert (found.dataset, found.alphas, len(found)) == ("test", (0.0, 0.4, 1.0), 24)
    positions = drawn_positions(np.arange(40), 24, 0)
    images = np.stack([np.asarray(DATA.tests[0].source.read(int(at))) for at in positions])
    for alpha in found.alphas:
        features = np.asarray(jax.jit(ends[0].features)(lerp(ends[1], ends[2], alpha), images))
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        np.testing.assert_allclose(found.at(alpha)["features"], unit, atol=1e-6)
    again = Opened(run.path, ends)
    stored = ensure_features(run, again, SMALL)
    assert again.opened == 0
    np.testing.assert_array_equal(stored.at(0.4)["pooled"], found.at(0.4)["pooled"])
    rows = analyse(run, "cka", OPTIONS)
    assert {row["n"] for row in rows} == {24}


def test_features_of_another_sample_or_other_models_are_made_again(
    run: StoredRun, ends: tuple[Any, Any, Any], monkeypatch: pytest.MonkeyPatch
):
    made = []
    real = ensure_features(run, Opened(run.path, ends), SMALL)

    def extract(classifier: Any, thetas: Any, drawn: Any, **options: Any) -> Any:
        made.append((drawn.name, len(drawn)))
        ids = tuple(drawn.id(at) for at in range(len(drawn)))
        values = {name: np.zeros((len(drawn), 3), np.float32) for name in real.layers}
        return type("Outputs", (), {"models": (values,) * len(thetas), "ids": ids, "skipped": ()})()

    monkeypatch.setattr("wiseft_jax.evaluation.layer_pass.extract_layers", extract)
    ensure_features(run, Opened(run.path, ends), SMALL)
    assert made == []
    ensure_features(run, Opened(run.path, ends), dataclasses.replace(SMALL, images=8))
    ensure_features(run, Opened(run.path, ends), dataclasses.replace(SMALL, images=8, seed=1))
    other = dataclasses.replace(run, selection={"alpha": 0.7})
    ensure_features(other, Opened(run.path, ends), dataclasses.replace(SMALL, images=8, seed=1))
    ensure_features(run, Opened(run.path, ends), dataclasses.replace(SMALL, dataset="shift"))
    assert made == [("test", 8), ("test", 8), ("test", 8), ("shift", 16)]


def test_images_that_changed_since_the_sweep_are_refused(
    run: StoredRun, ends: tuple[Any, Any, Any]
):
    gone = dataclasses.replace(
        run.predictions["test"], ids=("other",) * len(run.predictions["test"])
    )
    changed = dataclasses.replace(run, predictions={"test": gone})
    few = dataclasses.replace(SMALL, images=8)
    with pytest.raises(InputError, match="doesn't have any more; evaluate again"):
        ensure_features(changed, Opened(run.path, ends), few)
    assert not (run.path / "features").exists()


def test_a_damaged_file_is_made_again_and_said(
    run: StoredRun, ends: tuple[Any, Any, Any], caplog: pytest.LogCaptureFixture
):
    path = run.path / "features" / "test.npz"
    path.parent.mkdir()
    path.write_bytes(b"no zip")
    ensure_features(run, Opened(run.path, ends), dataclasses.replace(SMALL, images=8))
    assert "can't be read as features of layers" in caplog.text
    assert len(LayerFeatures.load(path)) == 8


def test_distances_of_layers_are_stored(run: StoredRun, ends: tuple[Any, Any, Any]):
    models = Opened(run.path, ends)
    look_inside(["layers", "flips"], run, models, SMALL, PlaneConfig())
    assert models.opened == 1
    facts = json.loads((run.path / "analyses" / "layers.json").read_text())
    assert list(facts["layers"]) == ["embedding", "block_0", "projection", "head"]
    look_inside(["layers"], run, models, SMALL, PlaneConfig())
    assert models.opened == 1
    rows = analyse(run, "layers", OPTIONS)
    start, end = (ravelled(ends[place]["head"]) for place in (1, 2))
    distance = next(
        row["value"] for row in rows if (row["group"], row["metric"]) == ("head", "distance")
    )
    assert distance == pytest.approx(np.linalg.norm(end - start))


def ravelled(tree: Any) -> np.ndarray:
    leaves = jax.tree_util.tree_leaves(tree)
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in leaves])


@pytest.fixture(scope="module")
def third(ends: tuple[Any, Any, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """An exported model that isn't on the line between the ends."""
    theta = jax.tree_util.tree_map(
        lambda leaf: np.asarray(leaf[::-1], np.float32), moved(ends[1], 0.3)
    )
    directory = tmp_path_factory.mktemp("exported") / "third"
    export_classifier(directory, ends[0], theta, alpha=None)
    return directory, theta


def test_the_plane_holds_the_models_and_is_made_once(
    run: StoredRun, ends: tuple[Any, Any, Any], third: tuple[Path, Any]
):
    config = PlaneConfig(other=third[0], images=24, points=3)
    models = Opened(run.path, ends)
    found = ensure_plane(run, models, config)
    assert found.loss.shape == (4 + 9, 24)
    positions = drawn_positions(np.arange(40), 24, 0)
    part = DATA.tests[0].subset(positions)
    thetas = (ends[1], ends[2], third[1], lerp(ends[1], ends[2], 0.4))
    for row, theta in enumerate(thetas):
        alone = evaluate(ends[0], theta, part)
        np.testing.assert_array_equal(found.correct[row], alone.correct[0])
    opened = models.opened
    again = ensure_plane(run, models, config)
    assert models.opened == opened
    np.testing.assert_array_equal(again.points, found.points)
    rows = analyse(run, "plane", OPTIONS)
    assert len(rows) == 2 * 13
    assert json.loads(json.dumps(rows)) == rows


def evaluated(classifier: Any, thetas: Any, weights: Any, drawn: Any, **options: Any) -> Any:
    shape = (len(weights), len(drawn))
    ids = tuple(drawn.id(at) for at in range(len(drawn)))
    outputs = {"loss": np.zeros(shape, np.float32), "correct": np.zeros(shape, bool)}
    return type("Outputs", (), {**outputs, "ids": ids, "skipped": ()})()


@pytest.mark.parametrize(
    "changes", [{"images": 8}, {"points": 2}, {"margin": 0.5}, {"seed": 1}, {"dataset": "shift"}]
)
def test_another_plane_is_made_again(
    run: StoredRun, ends: tuple[Any, Any, Any], third: tuple[Path, Any], changes: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.setattr("wiseft_jax.evaluation.plane_pass.evaluate_points", evaluated)
    config = PlaneConfig(other=third[0], images=24, points=3)
    models = Opened(run.path, ends)
    ensure_plane(run, models, config)
    opened = models.opened
    ensure_plane(run, models, dataclasses.replace(config, **changes))
    assert models.opened > opened
    stored = PlaneResult.load(plane_file(run.path))
    assert stored.dataset == changes.get("dataset", "test")


def test_a_third_model_of_another_start_is_said(
    run: StoredRun,
    ends: tuple[Any, Any, Any],
    third: tuple[Path, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr("wiseft_jax.evaluation.plane_pass.evaluate_points", evaluated)
    config = PlaneConfig(other=third[0], images=8, points=2)
    ensure_plane(run, Opened(run.path, ends), config)
    assert "started from other weights" not in caplog.text
    foreign = dataclasses.replace(ThirdModel.of(third[0]), start="other", fingerprint="new")
    monkeypatch.setattr(ThirdModel, "of", lambda path: foreign)
    ensure_plane(run, Opened(run.path, ends), config)
    assert f"{third[0]} started from other weights than {run.path}" in caplog.text


def test_a_plane_needs_a_third_model(run: StoredRun, ends: tuple[Any, Any, Any]):
    models = Opened(run.path, ends)
    with pytest.raises(InputError, match="expected a third model"):
        ensure_plane(run, models, PlaneConfig())
    with pytest.raises(InputError, match=r"has no meaning without --plane\.other"):
        look_inside(["plane"], run, models, SMALL, PlaneConfig(points=5))
    look_inside(["plane"], run, models, SMALL, PlaneConfig())
    with pytest.raises(InputError, match=r"it needs a third model.*--plane\.other DIR"):
        analyse(run, "plane", OPTIONS)
    assert models.opened == 0


def test_an_unknown_set_is_named(run: StoredRun, ends: tuple[Any, Any, Any]):
    with pytest.raises(InputError, match="Did you mean 'shift'"):
        ensure_features(run, Opened(run.path, ends), FeaturesConfig(dataset="shfit"))


def test_a_draw_is_seeded_and_whole_where_there_are_no_more():
    every = np.arange(10)
    np.testing.assert_array_equal(drawn_positions(every, 10, 3), every)
    first, second = (drawn_positions(every, 4, seed) for seed in (0, 1))
    assert len(set(first)) == 4
    assert list(first) == sorted(first)
    assert list(first) != list(second)
    np.testing.assert_array_equal(first, drawn_positions(every, 4, 0))
