"""A small run for pages: 4 classes, a reference and two shifts at 5 alphas, with hostile names."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.results import Row, accuracy_row
from wiseft_jax.reporting.page.facts import RunFacts

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'single'",
    "</script><img src=x onerror=alert(1)>",
    "ש‮lom 🦉",
)
SETS = (("photos", "validation", "reference"), ("prints", "test", "reference"))
SHIFTS = (("sketches", "test", "shift"), ("<b>fog</b> & rain", "test", "shift"))


def predictions(
    name: str, split: str, role: str, *, n: int = 40, classes: int = 4, seed: int = 0
) -> Any:
    """Return what is stored of a set: accuracy rises to alpha 0.5 and falls again."""
    rng = np.random.default_rng([seed, *name.encode()])
    labels = np.arange(n, dtype=np.int32) % classes
    hard = rng.random(n)
    top1 = np.empty((len(ALPHAS), n), np.int32)
    for row, limit in enumerate((0.6, 0.75, 0.9, 0.8, 0.65)):
        moved = (hard + 0.3 * row) % 1.0 if row in (2, 4) else hard
        top1[row] = np.where(moved < limit, labels, (labels + 1) % classes)
    return SimpleNamespace(
        dataset=name,
        split=split,
        role=role,
        alphas=ALPHAS,
        top1=top1,
        correct=top1 == labels,
        margin=rng.random((len(ALPHAS), n)).astype(np.float32),
        labels=labels,
        num_classes=classes,
        ids=tuple(f"/data/{name}/{HOSTILE[i % 4]}/{i}.png" for i in range(n)),
        skipped=(),
    )


def rows_of(stored: Any, config_hash: str = "0123abcd") -> list[Row]:
    """Return the rows of what is stored."""
    return [
        accuracy_row(
            Accuracy.of(right),
            dataset=stored.dataset,
            split=stored.split,
            role=stored.role,
            alpha=alpha,
            config_hash=config_hash,
        )
        for alpha, right in zip(stored.alphas, stored.correct, strict=True)
    ]


def analysis_rows(name: str, metric: str = "ece", count: int = 1, **fields: Any) -> list[dict]:
    """Return rows of an analysis at each alpha."""
    return [
        {
            "schema": 1, "analysis": name, "metric": metric, "dataset": "prints", "split": "test",
            "role": "reference", "alpha": alpha, "other": None, "group": None,
            "value": 0.02 + 0.05 * alpha, "n": 40, "ci_low": None, "ci_high": None,
            "p_value": None, "p_holm": None, "seed": None, "config_hash": "0123abcd", **fields,
        }
        for alpha in ALPHAS
        for _ in range(count)
    ]  # fmt: skip


def facts(
    name: str = 'run <i>"1"</i> & co',
    *,
    seed: int = 0,
    sets: Sequence[tuple[str, str, str]] = (*SETS, *SHIFTS),
    classes: Sequence[str] = HOSTILE,
    **changes: Any,
) -> RunFacts:
    """Return the facts of the run."""
    stored = {
        each[0]: predictions(*each, seed=seed, classes=min(len(classes), 40)) for each in sets
    }
    found = RunFacts(
        name=name,
        rows=[row for each in stored.values() for row in rows_of(each)],
        selection={"alpha": 0.5, "rule": "constant", "reason": "the paper's default, 0.5."},
        predictions=stored,
        class_names={each: list(classes) for each in stored},
        analyses={
            "calibration": analysis_rows("calibration"),
            "cka": [
                {**row, "alpha": 0.0, "other": other, "group": f"{one}:{two}", "value": 0.5}
                for other in ("alpha 0.5", "alpha 1")
                for one in ("block_1", "features")
                for two in ("block_1", "features")
                for row in analysis_rows("cka", "minibatch_cka")[:1]
            ],
            "layers": [
                {**row, "alpha": None, "dataset": None, "group": f"layer {place}"}
                for place, row in enumerate(analysis_rows("layers", "distance"))
            ],
        },
        config={"model": {"name": "clip"}, "training": {"learning_rate": 1e-3, "seed": seed}},
        versions={"jax": "0.10.2"},
        hashes={"configuration": "0123abcd"},
        commands=["wiseft run RUN/config.json --out NEW_DIRECTORY"],
    )
    return dataclasses.replace(found, **changes)
