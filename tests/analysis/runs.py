"""Small stored runs, made of random logits: a directory as a sweep leaves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.analysis.layers_of_run import HASHES, write_inside
from wiseft_jax.core.results import read_rows, with_matched_references, write_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.predictions import Predictions, save_predictions

CLASSES = ("cat", "dog", "eel", "fox")
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
HASH = "0123456789abcdef"
SEED = 3
"""Of what the models were looked inside for."""


def made_predictions(
    dataset: str,
    count: int = 60,
    *,
    split: Split = "test",
    role: Role = "reference",
    alphas: Sequence[float] = ALPHAS,
    signal: tuple[float, float] = (1.0, 2.0),
    unlabelled: int = 0,
    keep_logits: bool = True,
    seed: int = 0,
) -> Predictions:
    """Return predictions of two noisy models and of mixtures of their logits.

    Args:
      dataset: The name; it decides the draws too.
      count: Examples.
      split: The split.
      role: The role.
      alphas: The grid.
      signal: How strongly either end's logits point at the label.
      unlabelled: How many examples have no label, the first ones.
      keep_logits: Whether the logits are stored.
      seed: Of the draws.
    """
    rng = np.random.default_rng([seed, *dataset.encode()])
    labels = rng.integers(len(CLASSES), size=count).astype(np.int32)
    ends = [
        rng.normal(size=(count, len(CLASSES))) + strength * np.eye(len(CLASSES))[labels]
        for strength in signal
    ]
    at = np.asarray(alphas)[:, None, None]
    logits = ((1 - at) * ends[0] + at * ends[1]).astype(np.float32)
    labels[:unlabelled] = -1
    return predictions_of(dataset, logits, labels, alphas, split, role, keep_logits=keep_logits)


def predictions_of(
    dataset: str,
    logits: np.ndarray,
    labels: np.ndarray,
    alphas: Sequence[float],
    split: Split = "test",
    role: Role = "reference",
    *,
    keep_logits: bool = True,
) -> Predictions:
    """Return the predictions that logits ``[A, N, K]`` give."""
    top1 = logits.argmax(axis=2).astype(np.int32)
    ordered = np.sort(logits, axis=2)
    return Predictions(
        dataset=dataset,
        split=split,
        role=role,
        alphas=tuple(alphas),
        top1=top1,
        correct=(top1 == labels[None]) & (labels >= 0)[None],
        margin=(ordered[..., -1] - ordered[..., -2]).astype(np.float32),
        labels=labels.astype(np.int32),
        ids=tuple(f"{dataset}/{place}.png" for place in range(len(labels))),
        logits=logits if keep_logits else None,
    )


def default_sets(**options: object) -> list[Predictions]:
    """Return a validation set, a test set and two shifts."""
    return [
        made_predictions("validation", 40, split="validation", **options),  # type: ignore[arg-type]
        made_predictions("test", 60, **options),  # type: ignore[arg-type]
        made_predictions("sketch", 50, role="shift", signal=(1.5, 1.0), **options),  # type: ignore[arg-type]
        made_predictions("night", 45, role="shift", signal=(1.0, 0.3), unlabelled=5, **options),  # type: ignore[arg-type]
    ]


def write_run(
    path: Path,
    sets: Sequence[Predictions] | None = None,
    *,
    chosen: float = 0.5,
    class_names: Sequence[str] | None = CLASSES,
) -> Path:
    """Write a run directory as a sweep leaves it, and return its path."""
    sets = default_sets() if sets is None else sets
    directory = RunDirectory(path)
    save_predictions(path, sets)
    write_json(path / "predictions" / "backend.json", {"config_hash": HASH})
    write_rows(directory.results_file, [row for each in sets for row in each.rows(HASH)])
    write_json(directory.selection_file, {"alpha": chosen, "config_hash": HASH})
    if class_names is not None:
        facts = {"class_names": list(class_names), **HASHES}
        write_json(directory.endpoints_file, facts)
        write_inside(path, sets[-1], chosen, SEED)
    return path


def write_matched_run(
    path: Path, sets: Sequence[Predictions], matched_references: Mapping[str, str]
) -> Path:
    """Write a run whose rows name what shifts are set against, and return its path."""
    write_run(path, sets)
    rows = with_matched_references(read_rows(path), matched_references)
    write_rows(RunDirectory(path).results_file, rows)
    return path


def write_baselines(path: Path, sets: Sequence[str], models: int = 8, seed: int = 0) -> Path:
    """Write a CSV of accuracies that lie near a line of logits, and return its path."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-1.0, 2.0, models)
    columns = [x, *(0.8 * x - 0.5 + 0.05 * rng.normal(size=models) for _ in sets[1:])]
    accuracies = 1 / (1 + np.exp(-np.stack(columns, axis=1)))
    lines = [",".join(["model", *sets])]
    lines += [
        ",".join([f"model {place}", *(f"{value:.4f}" for value in row)])
        for place, row in enumerate(accuracies)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path
