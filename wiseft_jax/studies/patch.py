"""The patch study: paste a square, and see which augmentation makes a model look at its edges.

SmoothMix (Lee et al., CVPR Workshops 2020) claims that models trained with images that have strong
edges in them, as CutMix and Cutout make, attend to such edges in a test image. Models that differ
in their augmentation alone are trained, and asked about the same images with and without a pasted
square. Whatever that shows is reported.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.core.config_io import config_hash, read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.saliency import enlarge_map
from wiseft_jax.core.softmax import softmax
from wiseft_jax.core.tensors import read_tensors
from wiseft_jax.core.writers import write_json, write_text
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies.continued import prepare_study, read_model_rows
from wiseft_jax.studies.patch_config import Cell, PatchConfig
from wiseft_jax.studies.patch_measures import (
    TestImages,
    alpha_curve,
    examples_file,
    make_test_images,
    measure,
    write_examples,
)
from wiseft_jax.studies.patch_models import (
    MODELS_DIR,
    Family,
    Saliency,
    Subject,
    make_families,
    trained,
)
from wiseft_jax.studies.patch_summary import differences, mean_curves, over_seeds
from wiseft_jax.studies.patched import predicted

logger = logging.getLogger(__name__)

ROWS_FILE = "rows.jsonl"
SUMMARY_FILE = "summary.json"
DATA_FILE = "data.json"
_SCHEMA = 1
_MAY_CHANGE = ("seeds", "bootstrap_samples")
"""What a study that goes on may change: it has the models that are there, and more or fewer."""


def prepare(directory: RunDirectory, config: PatchConfig, *, overwrite: bool) -> None:
    """Make the study's directory, or check that what is there is of the same study.

    Raises:
      InputError: If there is another study, or something else; names what differs.
    """
    prepare_study(directory, config, overwrite=overwrite, may_change=_MAY_CHANGE)


def check_data(directory: RunDirectory, data: ExperimentData) -> None:
    """Write what the study's models are trained and measured on, or check that it is that still.

    Args:
      directory: What ``prepare`` made.
      data: The datasets.

    Raises:
      InputError: If there are models of other images or classes, or of nobody knows which.
    """
    path = directory.path / DATA_FILE
    facts = {
        "schema": _SCHEMA,
        "class_names": list(data.class_names),
        "train": data.train.fingerprint(),
        "tests": {each.name: each.fingerprint() for each in data.tests},
    }
    if not path.is_file():
        models = directory.path / MODELS_DIR
        measured = (directory.path / ROWS_FILE).is_file()  # whose rows say on what
        if not measured and models.is_dir() and any(models.iterdir()):
            raise InputError(
                f"{models}: models are there, and no {DATA_FILE} says on which images and classes"
                " they were trained; give another --out, or --overwrite"
            )
        write_json(path, facts)
        return
    stored = read_json(path)
    found = stored if isinstance(stored, dict) else {}
    differing = [name for name, value in facts.items() if found.get(name) != value]
    if differing:
        raise InputError(
            f"{directory.path}: its models were trained or measured on other images than today's,"
            f" or for other classes ({', '.join(differing)} differ, see {DATA_FILE}); give another"
            " --out, or --overwrite"
        )


def patch_study(
    config: PatchConfig,
    experiment: ExperimentConfig,
    data: ExperimentData,
    directory: RunDirectory,
    saliency: Saliency | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train and measure what isn't yet in ``directory``, and sum up all of it.

    Args:
      config: The study.
      experiment: Names the CLIP, the devices, and how images are read.
      data: The datasets; square images, of the CLIP's size when prepared.
      directory: What ``prepare`` made.
      saliency: The maps of a CLIP; Grad-CAM on tokens by default.

    Returns:
      ``(summary, sheet)``: what ``summary.json`` holds, and what a sheet of pictures shows
      (``sheet_rows``).
    """
    from wiseft_jax.core.hashing import hash_json

    identity = hash_json([data.train.fingerprint(), *(each.fingerprint() for each in data.tests)])
    rows = _read_rows(directory, identity)
    check_data(directory, data)
    families = make_families(config, experiment, data, saliency)
    images = make_test_images(config, data, _preprocess(families))
    done = {(row["family"], row["mixer"], row["seed"]) for row in rows}
    for place, cell in enumerate(config.cells, 1):
        stored = examples_file(directory.path, cell).is_file()
        if (cell.family, cell.mixer, cell.seed) in done and stored:
            continue
        logger.info("model %d of %d: %s", place, len(config.cells), cell.name)
        started = time.monotonic()
        subject = trained(cell, families[cell.family], directory.path)
        row = _row(config, experiment, data, subject, images, directory.path)
        row |= {"data": identity, "secs": round(time.monotonic() - started, 1)}
        rows = [*(each for each in rows if not _is_of(each, cell)), row]
        write_text(directory.path / ROWS_FILE, "".join(json.dumps(each) + "\n" for each in rows))
        _tell(cell, row["values"])
    ordered = [row for cell in config.cells for row in rows if _is_of(row, cell)]
    summary = _summary(config, ordered, images, directory.path)
    write_json(directory.path / SUMMARY_FILE, summary)
    first = [cell for cell in config.cells if cell.seed == 0]
    subjects = [trained(cell, families[cell.family], directory.path) for cell in first]
    return summary, sheet_rows(subjects, images, data.class_names)


def sheet_rows(
    subjects: Sequence[Subject],
    images: TestImages,
    class_names: Sequence[str],
    kind: str = "image",
    flipped: int = 4,
    kept: int = 2,
) -> list[dict[str, Any]]:
    """Return the rows of the paper's picture: a patched image, and each model's map, class, score.

    They aren't picked by eye: of the images that all models answer rightly without a patch, the
    first ``flipped`` for which a patch changes any model's answer, and the first ``kept`` for which
    it changes none.

    Args:
      subjects: The models.
      images: The test images.
      class_names: In the order of labels.
      kind: Of patch.
      flipped: How many where an answer changes.
      kept: How many where none does.

    Returns:
      For each image ``image`` uint8[H, W, 3], ``mask`` bool[H, W], ``label``, and ``models``: for
      each ``family``, ``mixer``, ``map`` float32[H, W] (raw, of the answer), ``answer``, ``right``
      and ``score`` (the answer's probability).
    """
    patched = images.patched[kind]
    clean = images.sets[images.reference][0]
    before = np.stack([predicted(each.logits(clean)) for each in subjects])
    logits = [each.logits(patched.images) for each in subjects]
    after = np.stack([predicted(each) for each in logits])
    known = (before == images.labels[None]).all(0)
    changed = (after != before).any(0)
    order = np.arange(len(clean))
    chosen = [*order[known & changed][:flipped], *order[known & ~changed][:kept]]
    if not chosen:
        return []
    height, width = patched.images.shape[1:3]
    shown = patched.images[chosen]
    maps = [
        [enlarge_map(each, height, width, "bilinear") for each in subject.maps(shown, of[chosen])]
        for subject, of in zip(subjects, after, strict=True)
    ]
    return [
        {
            "image": patched.images[index],
            "mask": patched.masks[index],
            "label": class_names[int(images.labels[index])],
            "models": [
                {
                    "family": subject.cell.family,
                    "mixer": subject.cell.mixer,
                    "map": maps[model][place],
                    "answer": class_names[int(after[model, index])],
                    "right": bool(after[model, index] == images.labels[index]),
                    "score": float(softmax(logits[model][index][None]).max()),
                }
                for model, subject in enumerate(subjects)
            ],
        }
        for place, index in enumerate(chosen)
    ]


def _row(
    config: PatchConfig,
    experiment: ExperimentConfig,
    data: ExperimentData,
    subject: Subject,
    images: TestImages,
    directory: Path,
) -> dict[str, Any]:
    values, examples = measure(subject, images)
    curve = None
    if subject.family.theta_0 is not None:
        curve = alpha_curve(subject, images, config.alphas, data.class_names, experiment)
    write_examples(directory, subject.cell, examples)
    return {
        "schema": _SCHEMA,
        "family": subject.cell.family,
        "mixer": subject.cell.mixer,
        "seed": subject.cell.seed,
        "n": len(images.labels),
        "values": values,
        "alphas": list(config.alphas) if curve else None,
        "curve": curve,
        "config_hash": config_hash(config),
    }


def _summary(
    config: PatchConfig, rows: list[dict[str, Any]], images: TestImages, directory: Path
) -> dict[str, Any]:
    examples: dict[tuple[str, str], list[Any]] = {}
    for cell in config.cells:
        found = read_tensors(examples_file(directory, cell))
        examples.setdefault((cell.family, cell.mixer), []).append(found)
    return {
        "schema": _SCHEMA,
        "config_hash": config_hash(config),
        "reference": images.reference,
        "n": len(images.labels),
        "n_shifts": sum(len(images.sets[name][1]) for name in images.shifts),
        "n_corruptions": len(images.corrupted) * len(images.labels),
        "seeds": config.seeds,
        "epochs": config.epochs,
        "patch_size": config.patch_size,
        "patch_area": next(iter(images.patched.values())).area,
        "shifts": images.shifts,
        "measures": over_seeds(rows),
        "differences": differences(examples, config.bootstrap_samples),
        "curves": mean_curves(rows),
    }


def _preprocess(families: dict[str, Family]) -> Any:
    return next(iter(families.values())).model.preprocess


def _is_of(row: dict[str, Any], cell: Cell) -> bool:
    return (row["family"], row["mixer"], row["seed"]) == (cell.family, cell.mixer, cell.seed)


def _read_rows(directory: RunDirectory, identity: str) -> list[dict[str, Any]]:
    path = directory.path / ROWS_FILE
    if not path.is_file():
        return []
    rows = read_model_rows(path, "measure")
    if any(row["data"] != identity for row in rows):
        raise InputError(
            f"{directory.path}: its models were trained or measured on other images than today's;"
            " give another --out, or --overwrite"
        )
    logger.info("%s: %d models are there already", directory.path, len(rows))
    return rows


def _tell(cell: Cell, values: dict[str, float]) -> None:
    logger.info(
        "%s: clean %.1f %%, patched %.1f %%, flips %.1f %%, energy inside %.1f %%",
        cell.name,
        100 * values["clean"],
        100 * values["patched/image"],
        100 * values["flip/image"],
        100 * values["energy/image"],
    )
