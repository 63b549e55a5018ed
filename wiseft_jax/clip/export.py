"""Write a classifier as a directory that other programs read as a CLIP, and read it back.

The layout is one of ``EXPORT_FORMATS``: by default ``model.safetensors``, ``config.json``, the
tokenizer's files and ``preprocessor_config.json``, a pure CLIPModel. Beside them lie
``head.safetensors``, ``wiseft.json``, the rows that were measured and a model card.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wiseft_jax.clip.architectures import architecture_of
from wiseft_jax.clip.classifier import Classifier, make_classifier
from wiseft_jax.clip.convert import from_hf
from wiseft_jax.clip.export_formats import EXPORT_FORMATS
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.model_card import CARD_FILE, model_card
from wiseft_jax.clip.reading import AS_STORED, Reading
from wiseft_jax.clip.towers import VISION_KEYS
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.results import RESULTS_FILE, Row, write_rows
from wiseft_jax.core.run_directory import EXPORT_FACTS_FILE
from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.core.trees import check_same_structure, flatten_paths, hash_tree
from wiseft_jax.core.typing import ComputeDtype, Params, Remat, TowerName
from wiseft_jax.core.writers import write_json, write_text

HEAD_FILE = "head.safetensors"
FACTS_FILE = EXPORT_FACTS_FILE
SCHEMA = 1
_WRITTEN = {HEAD_FILE, FACTS_FILE, CARD_FILE, RESULTS_FILE} | {
    name for each in EXPORT_FORMATS.values() for name in (each.weights, *each.files)
}
_CHECK_IMAGES = 4
_CHECK_TOLERANCE = {"float32": 1e-4, "bfloat16": 3e-2}  # relative to the largest logit

_log = logging.getLogger(__name__)


def export_classifier(
    directory: Path | str,
    classifier: Classifier,
    theta: Params,
    *,
    alpha: float | None,
    metrics: Mapping[str, Any] | None = None,
    rows: Sequence[Row] = (),
    made: Mapping[str, Any] | None = None,
    hashes: Mapping[str, str] | None = None,
    overwrite: bool = False,
    format: str = "hf",
) -> Path:
    """Write a classifier; what is written is read back and must predict the same.

    The directory appears complete or not at all: it is written beside its place, and then renamed.

    Args:
      directory: Where; missing or empty, or an earlier export when ``overwrite``.
      classifier: The functions and fixed facts.
      theta: ``{"encoder", "head"}``; stored in float32.
      alpha: The mixing coefficient that made ``theta``; None when there is none.
      metrics: What was measured, for the record.
      rows: What was measured at every alpha, for ``results.jsonl`` and the model card.
      made: How it was made, for the record and the model card: ``name``, ``recipe``, settings,
        ``data`` (part -> names of sets), ``selection`` (how alpha was chosen, in words).
      hashes: Content hashes for the record, for example of ``theta_0`` and ``theta_1``.
      overwrite: Whether an earlier export there is replaced.
      format: A key of ``EXPORT_FORMATS``.

    Returns:
      The directory.

    Raises:
      InputError: The directory is in use; ``theta`` is not finite or doesn't fit the classifier;
        the format can't say what the model is.
    """
    directory = Path(directory).expanduser()
    if format not in EXPORT_FORMATS:
        raise unknown_name("export format", format, EXPORT_FORMATS)
    theta = jax.tree_util.tree_map(lambda leaf: np.array(leaf, np.float32, order="C"), theta)
    _check_theta(classifier, theta)
    check_free(directory, overwrite)
    facts = {
        "schema": SCHEMA,
        "format": format,
        "class_names": list(classifier.class_names),
        "templates": list(classifier.templates),
        "alpha": alpha,
        "source": _public_source(classifier.source),
        "architecture": architecture_of(classifier.clip_config),
        "hashes": {**(hashes or {}), **_hashes(classifier, theta)},
        "metrics": dict(metrics or {}),
        "made": dict(made or {}),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("wiseft-jax", "jax", "flax", "transformers")
        },
    }
    with _directory_in_place(directory) as temporary:
        params = classifier.tower.to_canonical({**theta["encoder"], **classifier.frozen})
        EXPORT_FORMATS[format].write(temporary, classifier, params)
        write_tensors(temporary / HEAD_FILE, theta["head"])
        facts = json.loads(json.dumps(facts, default=float))
        write_json(temporary / FACTS_FILE, facts)
        write_rows(temporary / RESULTS_FILE, rows)
        write_text(temporary / CARD_FILE, model_card(facts, rows))
        _check_same_predictions(classifier, theta, temporary, format)
    _log.info("exported to %s (alpha %s)", directory, alpha)
    return directory


def load_classifier(
    directory: Path | str,
    dtype: ComputeDtype | str = "float32",
    tower: TowerName | str = "transformers",
    remat: Remat | str = "none",
    reading: Reading = AS_STORED,
) -> tuple[Classifier, Params]:
    """Read what ``export_classifier`` wrote, and check its content hashes.

    Args:
      directory: The directory.
      dtype: What the tower computes in; the parameters stay float32.
      tower: As in ``load_clip``, whichever wrote it.
      remat: As in ``load_clip``.
      reading: As in ``load_clip``; of an image tower alone its ``base`` is the CLIP that it came
        from.

    Returns:
      ``(classifier, theta)``, float32 host arrays.

    Raises:
      InputError: A file is missing, damaged, or not of this export.

    Example:
      >>> classifier, theta = load_classifier("runs/pets/merged")
      >>> logits = jax.jit(classifier.logits)(theta, images)
    """
    directory = Path(directory).expanduser()
    facts = read_facts(directory)
    if not (directory / HEAD_FILE).is_file():
        raise InputError(
            f"{directory / HEAD_FILE}: no such file, though {FACTS_FILE} is there: the copy is"
            " incomplete. Export or copy the directory again."
        )
    stored = dataclasses.replace(reading, image_size=None)  # whose hashes were written
    clip = load_clip(directory, dtype, tower, remat, stored)
    head = read_tensors(directory / HEAD_FILE)
    classifier = make_classifier(clip, tuple(facts["class_names"]), tuple(facts["templates"]))
    theta = {"encoder": {key: clip.params[key] for key in VISION_KEYS}, "head": head}
    _check_theta(classifier, theta, str(directory / HEAD_FILE))
    for name, found in _hashes(classifier, theta).items():
        expected = facts["hashes"].get(name)
        if found != expected:
            file = HEAD_FILE if name == "head" else _weights_file(facts)
            if name == "frozen" and reading.base:
                file = f"(or the base {reading.base}, not the CLIP that this came from)"
            raise InputError(
                f"{directory / file}: damaged or replaced: the content hash of {name} is {found}, "
                f"{FACTS_FILE} says {expected}. Export or copy the directory again."
            )
    if reading.image_size not in (None, clip.preprocess.size):
        clip = load_clip(directory, dtype, tower, remat, reading)
        classifier = make_classifier(clip, classifier.class_names, classifier.templates)
        theta = {"encoder": {key: clip.params[key] for key in VISION_KEYS}, "head": head}
    return classifier, theta


def read_facts(directory: Path) -> dict[str, Any]:
    """Return the checked content of ``wiseft.json``: classes, templates, alpha, hashes, metrics.

    Raises:
      InputError: It is missing, not JSON, of a newer schema, or lacks a field.
    """
    path = directory / FACTS_FILE
    if not path.is_file():
        raise InputError(
            f"{path}: missing; expected a directory written by export. A CLIP without a head is "
            "read by load_clip."
        )
    try:
        facts = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}).") from error
    schema = facts.get("schema") if isinstance(facts, dict) else None
    if schema != SCHEMA:
        raise InputError(f"{path}: schema {schema!r}; this version reads {SCHEMA}.")
    for field, kind in (("class_names", list), ("templates", list), ("hashes", dict)):
        if not isinstance(facts.get(field), kind):
            raise InputError(
                f"{path}: {field} is {facts.get(field)!r}; expected a {kind.__name__}."
            )
    return facts


def _weights_file(facts: Mapping[str, Any]) -> str:
    return EXPORT_FORMATS[str(facts.get("format", "hf"))].weights


def _public_source(source: str) -> str:
    """A hub id or name as it is; of a directory its name alone, for exports travel."""
    return Path(source).name if Path(source).is_dir() else source


def _hashes(classifier: Classifier, theta: Params) -> dict[str, str]:
    """Hash what is written: the same whichever tower has it."""
    canonical = classifier.tower.to_canonical
    frozen = canonical(classifier.frozen)
    trees = {"theta": canonical(theta), "head": theta["head"], "frozen": frozen}
    return {name: hash_tree(tree) for name, tree in sorted(trees.items())}


def _check_theta(classifier: Classifier, theta: Params, name: str = "theta") -> None:
    shapes = classifier.tower.template()
    encoder = {key: shapes[key] for key in VISION_KEYS}
    check_same_structure(theta["encoder"], encoder, name=name, expected_name=classifier.source)
    width, classes = classifier.clip_config.projection_dim, len(classifier.class_names)
    found = {key: np.shape(leaf) for key, leaf in flatten_paths(theta["head"]).items()}
    expected = {"kernel": (width, classes), "bias": (classes,)}
    if found != expected:
        raise InputError(f"{name}: the head is {found}; {classes} classes need {expected}.")
    bad = [key for key, leaf in flatten_paths(theta).items() if not np.isfinite(leaf).all()]
    if bad:
        raise InputError(f"{name}: these parameters are not finite: {', '.join(bad[:5])}.")


def check_free(directory: Path, overwrite: bool) -> None:
    """Raise unless an export may be written to ``directory``.

    Raises:
      InputError: It is in use, and not by an earlier export alone that ``overwrite`` may replace.
    """
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    if not directory.is_dir():
        raise InputError(f"{directory}: expected a directory to write, found a file.")
    if not overwrite:
        raise InputError(
            f"{directory}: exists and is not empty; --overwrite replaces it, or give another place."
        )
    if not (directory / FACTS_FILE).is_file():
        raise InputError(
            f"{directory}: not an earlier export (no {FACTS_FILE}), so it is not overwritten."
        )
    foreign = sorted({entry.name for entry in directory.iterdir()} - _WRITTEN)
    if foreign:
        raise InputError(
            f"{directory}: beside an earlier export there is {', '.join(foreign[:5])}, which would"
            " be lost; move it away, or give another place."
        )


@contextlib.contextmanager
def _directory_in_place(directory: Path) -> Iterator[Path]:
    """Yield a new directory beside ``directory``; at the end it takes its place."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        if directory.exists():
            old = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}.old."))
            directory.rename(old)
            temporary.rename(directory)
            shutil.rmtree(old)
        else:
            temporary.rename(directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_same_predictions(
    classifier: Classifier, theta: Params, directory: Path, format: str
) -> None:
    tower = classifier.tower
    dtype = tower.dtype
    with _readers_silent():  # what they'd tell is of a place that is gone in a moment
        if format == "vision":
            written, theta_written = classifier, _read_image_side(classifier, directory)
        else:
            written, theta_written = load_classifier(directory, dtype, tower.name, tower.remat)
    size = classifier.preprocess.size
    shape = (_CHECK_IMAGES, size, size, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    before = np.asarray(jax.jit(classifier.logits)(theta, images))
    after = np.asarray(jax.jit(written.logits)(theta_written, images))
    allowed = _CHECK_TOLERANCE[dtype] * max(1.0, float(np.abs(before).max()))
    difference = float(np.abs(before - after).max())
    if not difference <= allowed:
        raise RuntimeError(
            f"the export predicts differently: logits differ by {difference:.2g} (allowed "
            f"{allowed:.2g}); nothing was written."
        )


@contextlib.contextmanager
def _readers_silent() -> Iterator[None]:
    """Let what reads a model say nothing but warnings."""
    logger = logging.getLogger("wiseft_jax.clip")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _read_image_side(classifier: Classifier, directory: Path) -> Params:
    """Read an image tower and its head as they were written; strict about keys and shapes."""
    tower = classifier.tower
    template = tower.to_canonical(tower.template())
    wanted = {key: template[key] for key in VISION_KEYS}
    encoder = from_hf(read_tensors(directory), wanted, str(directory))
    head = read_tensors(directory / HEAD_FILE)
    return {"encoder": tower.from_canonical(encoder), "head": head}
