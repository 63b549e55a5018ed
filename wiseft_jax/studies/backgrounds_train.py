"""The train-on x test-on study of backgrounds: a model of each variant, tested on each variant.

Xiao, Engstrom, Ilyas and Madry, "Noise or Signal: The Role of Image Backgrounds in Object
Recognition" (ICLR 2021, arXiv 2006.09994), section 3 and appendix: models that see backgrounds
alone learn the classes; models of original images lean on backgrounds; Mixed-Rand, where a
background tells nothing, closes the BG-Gap.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.core.writers import write_json, write_text
from wiseft_jax.studies.backgrounds_train_config import START, Cell, MatrixConfig
from wiseft_jax.studies.backgrounds_train_data import MatrixData
from wiseft_jax.studies.backgrounds_train_models import Kind, answer, make_kinds, trained
from wiseft_jax.studies.backgrounds_train_summary import matrix_of
from wiseft_jax.studies.continued import prepare_study, read_model_rows

logger = logging.getLogger(__name__)

ROWS_FILE = "rows.jsonl"
MATRIX_FILE = "matrix.json"
ANSWERS_DIR = "answers"
_SCHEMA = 1
_MAY_CHANGE = ("seeds", "families", "train_on", "test_on")
"""What a study that goes on may change: it has the models that are there, and more or fewer."""


def prepare(directory: RunDirectory, config: MatrixConfig, *, overwrite: bool) -> None:
    """Make the study's directory, or check that what is there is of the same study.

    Raises:
      InputError: If there is another study, or something else; names what differs.
    """
    prepare_study(directory, config, overwrite=overwrite, may_change=_MAY_CHANGE)


def matrix_study(config: MatrixConfig, data: MatrixData, directory: RunDirectory) -> dict[str, Any]:
    """Train and test what isn't yet in ``directory``, and sum up all of it.

    Args:
      config: The study.
      data: Its images.
      directory: What ``prepare`` made.

    Returns:
      What ``matrix.json`` holds; see ``matrix_of``.

    Raises:
      InputError: What is there was trained or tested on other images, or began from other weights.
    """
    tests = {name: dataset.fingerprint() for name, dataset in data.tests.items()}
    kinds = make_kinds(config, data)
    cells = [
        cell
        for cell in config.cells(tuple(data.extras))
        if cell.train_on != START or kinds[cell.family].start is not None
    ]
    rows = _read_rows(directory)
    for place, cell in enumerate(cells, 1):
        row = rows.get(cell.name)
        images = None if cell.train_on == START else _fingerprint(data, cell)
        weights = kinds[cell.family].weights
        _check_same(directory, row, images, weights, tests)
        if row is not None and tests.keys() <= row["tests"].keys() and _stored(directory, cell):
            continue
        logger.info("model %d of %d: %s", place, len(cells), cell.name)
        started = time.monotonic()
        found = _tested(cell, kinds[cell.family], data, directory.path)
        row = _row(config, cell, data, found, images)
        row |= {"weights": weights, "tests": tests, "secs": round(time.monotonic() - started, 1)}
        rows[cell.name] = row
        text = "".join(json.dumps(each) + "\n" for each in rows.values())
        write_text(directory.path / ROWS_FILE, text)
        _tell(cell, row["right"], row["n"])
    matrix = _matrix(config, data, kinds, [rows[cell.name] for cell in cells], directory.path)
    write_json(directory.path / MATRIX_FILE, matrix)
    return matrix


def answers_file(directory: Path, name: str) -> Path:
    """Return where a model's answers are: test set -> int32[N].

    Args:
      directory: The study's.
      name: The cell's.
    """
    return directory / ANSWERS_DIR / f"{name}.safetensors"


def _tested(cell: Cell, kind: Kind, data: MatrixData, directory: Path) -> dict[str, np.ndarray]:
    """Return a model's answers, which are stored too."""
    theta, answers = None, kind.answers
    if cell.train_on == START:
        assert kind.start is not None
        theta, answers = kind.start
    else:
        theta = trained(cell, kind, data, directory)
    found = {
        name: answer(answers, theta, dataset, kind.preprocess)
        for name, dataset in data.tests.items()
    }
    write_tensors(answers_file(directory, cell.name), found)
    return found


def _row(
    config: MatrixConfig,
    cell: Cell,
    data: MatrixData,
    found: dict[str, np.ndarray],
    images: str | None,
) -> dict[str, Any]:
    labels = {name: dataset.labels for name, dataset in data.tests.items()}
    return {
        "schema": _SCHEMA,
        "family": cell.family,
        "train_on": cell.train_on,
        "seed": cell.seed,
        "right": {name: int((given == labels[name]).sum()) for name, given in found.items()},
        "n": {name: len(given) for name, given in found.items()},
        "n_train": 0 if images is None else len(data.training_set(cell.train_on, cell.seed)),
        "trained_on": images,
        "config_hash": config_hash(config),
    }


def _matrix(
    config: MatrixConfig,
    data: MatrixData,
    kinds: dict[str, Kind],
    rows: list[dict[str, Any]],
    directory: Path,
) -> dict[str, Any]:
    correct = []
    for row in rows:
        name = Cell(row["family"], row["train_on"], row["seed"]).name
        given = read_tensors(answers_file(directory, name))
        correct.append({test: given[test] == data.tests[test].labels for test in data.tests})
    return {
        "schema": _SCHEMA,
        "config_hash": config_hash(config),
        "classes": list(data.class_names),
        "chance": 1 / len(data.class_names),
        "train_on": list(dict.fromkeys(row["train_on"] for row in rows)),
        "test_on": list(data.tests),
        "seeds": config.seeds,
        "epochs": config.epochs,
        "weights": {name: kind.weights for name, kind in kinds.items()},
        **matrix_of(rows, correct, paired=data.paired),
    }


def _fingerprint(data: MatrixData, cell: Cell) -> str:
    return data.training_set(cell.train_on, cell.seed).fingerprint()


def _stored(directory: RunDirectory, cell: Cell) -> bool:
    return answers_file(directory.path, cell.name).is_file()


def _check_same(
    directory: RunDirectory,
    row: dict[str, Any] | None,
    images: str | None,
    weights: str,
    tests: dict[str, str],
) -> None:
    """Refuse a row of other images or starting weights than today's."""
    if row is None:
        return
    name = f"{directory.path}: {row['family']}-{row['train_on']}-{row['seed']}"
    if row.get("weights") != weights:
        raise InputError(
            f"{name} started from other weights ({row.get('weights')}) than today's ({weights});"
            " give the same ones, another --out, or --overwrite"
        )
    others = [kind for kind, value in tests.items() if row["tests"].get(kind, value) != value]
    if row["trained_on"] != images or others:
        what = f"tested on other images ({', '.join(others)})" if others else "trained on others"
        raise InputError(
            f"{name} was {what} than today's; give the same data and --limit, another --out, or"
            " --overwrite"
        )


def _read_rows(directory: RunDirectory) -> dict[str, dict[str, Any]]:
    path = directory.path / ROWS_FILE
    if not path.is_file():
        return {}
    rows = read_model_rows(path, "test")
    logger.info("%s: %d models are there already", directory.path, len(rows))
    return {Cell(row["family"], row["train_on"], row["seed"]).name: row for row in rows}


def _tell(cell: Cell, right: dict[str, int], n: dict[str, int]) -> None:
    shares = [f"{name} {100 * right[name] / n[name]:.1f} %" for name in right]
    logger.info("%s: %s", cell.name, ", ".join(shares))
