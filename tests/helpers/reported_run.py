"""A run directory as ``report`` reads it: images in folders, rows and predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.results import write_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import write_json
from wiseft_jax.data.config import DataConfig
from wiseft_jax.evaluation.predictions import Predictions, save_predictions
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.reporting.report import write_report

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
CLASSES = ("cat & <b>dog", "fox")
PER_CLASS = 12


def write_images(root: Path, seed: int = 0) -> Path:
    """Write a folder for each class, of images larger than a thumbnail, with a place in EXIF."""
    rng = np.random.default_rng(seed)
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for place in range(PER_CLASS):
            pixels = rng.integers(0, 255, (6, 8, 3), np.uint8).repeat(20, 0).repeat(20, 1)
            exif = Image.Exif()
            exif[0x010E] = "secret place"
            Image.fromarray(pixels).save(root / name / f"{place:02d}.jpg", exif=exif)
    return root


def predictions_of(
    name: str, split: Any, role: Any, ids: Sequence[str], labels: np.ndarray, seed: int = 0
) -> Predictions:
    """Return answers that differ along alpha."""
    rng = np.random.default_rng([seed, *name.encode()])
    chances = np.array([0.5, 0.7, 0.85, 0.75, 0.6])[:, None]
    right = rng.random((len(ALPHAS), len(ids))) < chances
    top1 = np.where(right, labels, 1 - labels).astype(np.int32)
    margin = rng.random(right.shape).astype(np.float32)
    return Predictions(name, split, role, ALPHAS, top1, right, margin, labels, tuple(ids))


def write_reported_run(path: Path, data: Path, *, seed: int = 0, **changes: Any) -> Path:
    """Write a run on images below ``data``, made where they aren't there yet.

    Args:
      path: The run directory.
      data: Gets ``train``, ``test`` and ``fog``.
      seed: Of the predictions.
      **changes: Fields of the configuration.
    """
    for place, name in enumerate(("train", "test", "fog")):
        if not (data / name).is_dir():
            write_images(data / name, place)
    specs = {"train": f"folder:{data / 'train'}", "test": f"test=folder:{data / 'test'}"}
    config = ExperimentConfig(
        name="mine", data=DataConfig(**specs, shifts=(f"fog=folder:{data / 'fog'}",))
    )
    config = dataclasses.replace(config, **changes)
    directory = RunDirectory(path)
    directory.prepare(config, resume=False, overwrite=False)
    found = []
    sets = (("train-validation", "validation", "reference", "train"),)
    for name, split, role, folder in (*sets, ("test", "test", "reference", "test"),
                                      ("fog", "test", "shift", "fog")):  # fmt: skip
        ids = [str(p) for each in CLASSES for p in sorted((data / folder / each).iterdir())]
        labels = np.repeat(np.arange(2, dtype=np.int32), PER_CLASS)
        found.append(predictions_of(name, split, role, ids, labels, seed))
    save_predictions(path, found)
    rows = [row for each in found for row in each.rows(config_hash(config))]
    write_rows(directory.results_file, rows)
    selection = {"alpha": 0.5, "rule": "constant", "reason": "the default."}
    write_json(directory.selection_file, selection)
    write_json(directory.endpoints_file, {"class_names": list(CLASSES), "theta_0": "abc"})
    write_report(directory.report_file, rows, selection=selection, title="WiSE-FT: mine")
    return path
