"""A stored run without models, and features of its layers that are made up."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.analysis.layer_features import LayerFeatures
from wiseft_jax.analysis.plane_result import PlaneResult
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


def write_inside(path: Path, known: Predictions, chosen: float, seed: int) -> None:
    """Write what the models of a run were looked inside for, on one of its sets."""
    alphas = tuple(sorted({0.0, 1.0, chosen}))
    features = layer_features(len(known), alphas=alphas)
    of = {"dataset": known.dataset, "split": known.split, "role": known.role}
    dataclasses.replace(features, ids=known.ids, **of).save(path)
    sums = {"count": 2, "square_0": 25.0, "square_1": 10.0, "change": 9.0, "along": -12.0}
    facts = {"layers": {"block_0": sums, "head": sums}, "made_from": {"ends": HASHES}}
    write_json(path / "analyses" / "layers.json", facts)
    corners = [(0.0, 0.0), (2.0, 0.0), (0.1, 1.5), (2 * chosen, 0.0)]
    points = np.array([*corners, *((x, y) for y in (-1.0, 2.0) for x in (-1.0, 3.0))])
    rng = np.random.default_rng(0)
    shape = (len(points), len(known))
    PlaneResult(
        **of,
        third="fine-tuned of other",
        chosen=chosen,
        points=points,
        loss=rng.random(shape).astype(np.float32),
        correct=rng.random(shape) < 0.7,
        ids=known.ids,
        settings={"images": 500, "points": 2, "margin": 0.5, "seed": seed},
        made_from={"ends": HASHES, "third": "c"},
    ).save(path)


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
