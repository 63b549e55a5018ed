"""The two models and the images that the sweep is timed on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts import bench_sweep_pair, bench_sweep_sides
from tests.scripts.conftest import IMAGES


def test_images_are_those_of_the_seed_and_tell_classes_apart():
    def draw(label: int) -> np.ndarray:
        random = np.random.default_rng(0)
        return np.asarray(bench_sweep_pair.draw_image(label, 24, False, random), np.float32)

    classes = range(len(bench_sweep_pair.CLASS_NAMES))
    assert draw(0).shape == (24, 32, 3)
    assert np.array_equal(draw(0), draw(0))
    apart = [np.abs(draw(one) - draw(other)).max() for one in classes for other in range(one)]
    assert min(apart) > 50  # the same place, ground and noise; another colour or shape


def test_a_head_of_class_means_finds_the_nearest_direction():
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = np.eye(5)[labels] + 0.1 * random.standard_normal((60, 5))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    head = bench_sweep_pair.class_means_head(features, labels)
    logits = features @ head["kernel"] + head["bias"]
    assert head["kernel"].dtype == head["bias"].dtype == np.float32
    assert (logits.argmax(axis=1) == labels).all()
    assert np.std(logits) == pytest.approx(bench_sweep_pair.LOGIT_SCALE, rel=0.5)


def test_the_ends_are_apart_and_predict_differently(pair: Path, no_type_checks: None):
    files = sorted((pair / "test").glob("*/*.jpg"))
    assert len(files) == IMAGES
    with Image.open(files[0]) as image:
        assert image.format == "JPEG"
    classifier, theta_0, theta_1 = bench_sweep_sides.read_pair(pair, "scan", "float32")
    assert classifier.class_names == tuple(sorted({path.parent.name for path in files}))
    assert 1e-3 < bench_sweep_pair.relative_distance(theta_0, theta_1) < 0.2
    evaluate = bench_sweep_sides.jax_side("map-scan", "float32", pair)
    assert len(set(evaluate([0.0, 0.5, 1.0], False))) > 1
