"""A stored run without models, and features of its layers that are made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.analysis.layer_features import LayerFeatures
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.predictions import Predictions

ALPHAS = (0.0, 0.4, 1.0)
LAYERS = {"embedding": 5, "block_0": 6, "features": 4}
HASHES = {"theta_0": "a", "theta_1": "b"}
_IMAGES = 300


def stored_run(path: Path) -> StoredRun:
    """Return a run whose models had the hashes a and b, and which chose alpha 0.4."""
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "endpoints.json", {**HASHES, "class_names": ["x", "y"]})
    labels = np.arange(_IMAGES, dtype=np.int32) % 2
    top1 = np.stack([labels] * 3)
    known = Predictions(
        "test",
        "test",
        "reference",
        ALPHAS,
        top1,
        np.ones((3, _IMAGES), bool),
        np.ones((3, _IMAGES), np.float32),
        labels,
        tuple(f"test[{index}]" for index in range(_IMAGES)),
    )
    return StoredRun(path, [], {"test": known}, {"alpha": 0.4}, "run-hash", ("x", "y"))


def layer_features(
    count: int,
    *,
    alphas: tuple[float, ...] = ALPHAS,
    ends: dict[str, str] = HASHES,
    ids: str = "test",
    constant: str = "",
) -> LayerFeatures:
    """Return features that move along alpha, from one random matrix to another."""
    rng = np.random.default_rng(count)
    starts = {name: rng.standard_normal((count, width)) for name, width in LAYERS.items()}
    moves = {name: rng.standard_normal((count, width)) for name, width in LAYERS.items()}

    def values(alpha: float) -> dict[str, Any]:
        return {
            name: np.ones((count, width), np.float32)
            if name == constant
            else (starts[name] + alpha * moves[name]).astype(np.float32)
            for name, width in LAYERS.items()
        }

    return LayerFeatures(
        "test",
        "test",
        "reference",
        alphas,
        tuple(LAYERS),
        tuple(values(alpha) for alpha in alphas),
        tuple(f"{ids}[{index}]" for index in range(count)),
        limit=2000,
        seed=0,
        made_from={"config_hash": "run-hash", "ends": ends, "datasets": {"test": "f"}},
    )
