"""The two models and the images of the benchmark of sweeps, tiny; made once."""

from __future__ import annotations

import json
from pathlib import Path

import jaxtyping
import pytest

from scripts import bench_sweep_pair, bench_sweep_sides, bench_train_sides
from tests.scripts.test_bench_train_sides import TINY

IMAGES, BATCH_SIZE, STEPS = 40, 16, 8


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the sides read; a classifier is made without a tokenizer."""
    folder = tmp_path_factory.mktemp("pair")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_train_sides, "SMALL", TINY)
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        bench_sweep_pair.write_pair("small", IMAGES, STEPS, folder)
    settings = {"batch_size": BATCH_SIZE, "loader_workers": 0}
    (folder / bench_sweep_sides.SETTINGS_FILE).write_text(json.dumps(settings))
    return folder
