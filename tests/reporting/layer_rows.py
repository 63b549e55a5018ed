"""Rows of the analyses that open the models, made up but of the right shape."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from wiseft_jax.core.analysis_rows import AnalysisRow, analysis_row

_FACTS: dict[str, Any] = {"config_hash": "hash"}
_SET: dict[str, Any] = {"dataset": "test", "split": "test", "role": "reference", "seed": 0}


def cka_rows(blocks: int = 4, alphas: tuple[float, ...] = (0.0, 0.4, 1.0)) -> list[AnalysisRow]:
    """Similarity falls with the distance of layers, and of models."""
    layers = ["embedding", *(f"block_{i}" for i in range(blocks)), "pooled", "features"]
    rows = []
    for first, second in itertools.combinations(alphas, 2):
        fields = {**_FACTS, **_SET, "alpha": first, "other": f"alpha {second:g}"}
        for (i, a), (j, b) in itertools.product(enumerate(layers), repeat=2):
            value = np.exp(-0.5 * abs(i - j) - 0.06 * (second - first) * (i + j))
            group, interval = f"{a}:{b}", (value - 0.01, value + 0.01)
            rows.append(
                analysis_row(
                    "cka", "minibatch_cka", value, 1000, group=group, interval=interval, **fields
                )
            )  # fmt: skip
        rows.append(
            analysis_row(
                "cka", "cka_complement", 1 - value, 1000,
                group="features", interval=(0.9 * (1 - value), 1.1 * (1 - value)), **fields,
            )
        )  # fmt: skip
    return rows


def layers_rows(blocks: int = 12) -> list[AnalysisRow]:
    """Later layers move further; the embedding didn't move."""
    layers = ["embedding", *(f"block_{i}" for i in range(blocks)), "projection", "head", "all"]
    rows = []
    for number, layer in enumerate(layers):
        moved = 0.0 if layer == "embedding" else 0.004 * (1 + number / 4)
        measures = {"distance": 10 * moved, "relative_distance": moved, "cosine": 1 - moved**2 / 2}
        if moved:
            measures["task_cosine"] = -0.05 + 0.01 * number
        rows += [
            analysis_row(
                "layers", metric, value, 1000 * (number + 1),
                alpha=1.0, other="zero_shot", group=layer, **_FACTS,
            )
            for metric, value in measures.items()
        ]  # fmt: skip
    return rows


def plane_rows(side: int = 11, third: str = "fine-tuned of run-2") -> list[AnalysisRow]:
    """A bowl around a point between three models."""
    models = {"zero_shot": (0.0, 0.0), "fine_tuned": (4.0, 0.0), third: (1.8, 3.0)}
    models["chosen"] = (2.4, 0.0)
    alphas = {"zero_shot": 0.0, "fine_tuned": 1.0, "chosen": 0.6}
    x, y = np.linspace(-1, 5, side), np.linspace(-1, 4, side)
    points = [(point, name) for name, point in models.items()]
    points += [((a, b), None) for b in y.tolist() for a in x.tolist()]
    rows = []
    for (a, b), name in points:
        loss = 0.4 + 0.08 * ((a - 2) ** 2 + 1.4 * (b - 1) ** 2)
        accuracy = 0.2 + 0.75 * np.exp(-0.07 * ((a - 2) ** 2 + 1.4 * (b - 1) ** 2))
        fields = {**_FACTS, **_SET, "group": f"x={a!r} y={b!r}", "other": name}
        fields["alpha"] = alphas.get(str(name))
        rows += [
            analysis_row("plane", "loss", loss, 500, interval=(loss - 0.05, loss + 0.05), **fields),
            analysis_row(
                "plane", "accuracy", accuracy, 500,
                interval=(accuracy - 0.04, accuracy + 0.04), **fields,
            ),
        ]  # fmt: skip
    return rows
