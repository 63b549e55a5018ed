"""Finished runs as they lie on the disk, with predictions of a few images; nothing is trained."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.core.results import write_rows
from wiseft_jax.core.run_directory import RunDirectory, describe
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.predictions import Predictions, save_predictions
from wiseft_jax.experiment import ExperimentConfig

ALPHAS = (0.0, 0.5, 1.0)
SETS = {"test": "reference", "sketch": "shift", "50%_off & more": "shift"}
"""The names of the sets -> their roles; one is a trap for LaTeX."""


def predictions(name: str, *, n: int = 40, seed: int = 0, first: int = 0) -> Predictions:
    """Return random predictions of ``n`` images, whose ids count from ``first``."""
    rng = np.random.default_rng([seed, len(name)])
    labels = np.asarray([(first + i) % 2 for i in range(n)], np.int32)
    correct = rng.random((len(ALPHAS), n)) < 0.7
    return Predictions(
        dataset=name,
        split="test",
        role="reference" if SETS.get(name) == "reference" else "shift",
        alphas=ALPHAS,
        top1=np.where(correct, labels, 1 - labels).astype(np.int32),
        correct=correct,
        margin=np.ones((len(ALPHAS), n), np.float32),
        labels=labels,
        ids=tuple(f"{name}/{first + i}.png" for i in range(n)),
    )


def write_run(path: Path, *, seed: int = 0, first: int = 0, **training: Any) -> RunDirectory:
    """Write a finished run: configuration, log, ends, predictions, rows, the choice of 0.5."""
    base = ExperimentConfig(name=path.name)
    config = dataclasses.replace(base, training=dataclasses.replace(base.training, **training))
    directory = RunDirectory(path)
    directory.prepare(config, resume=False, overwrite=False)
    own = describe(config)["config_hash"]
    found = [predictions(name, seed=seed, first=first) for name in SETS]
    save_predictions(path, found)
    write_rows(directory.results_file, [row for each in found for row in each.rows(own)])
    facts = {"alpha": 0.5, "sentence": "alpha = 0.5: why", "reason": "why", "config_hash": own}
    write_json(directory.selection_file, facts)
    ends = {"class_names": ["a", "b"], "train": "t", "validation": "v"}
    write_json(directory.endpoints_file, ends | {"theta_0": "0", "theta_1": f"{seed}"})
    directory.train_log_file.write_text(json.dumps({"step": 7, "loss": 0.5}) + "\n")
    return directory
