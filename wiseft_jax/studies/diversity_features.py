"""The image embeddings of a study's models, for CKA: extracted once, kept beside the study."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from wiseft_jax.analysis.layer_features import read_with_facts
from wiseft_jax.core.config_io import from_dict, read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import atomic_open
from wiseft_jax.evaluation.mapped import write_arrays
from wiseft_jax.evaluation.predictions import predictions_file
from wiseft_jax.experiment import ExperimentConfig, ExperimentData, load_endpoints
from wiseft_jax.studies.diversity_config import DiversityConfig
from wiseft_jax.studies.grid_files import StudyDirectory
from wiseft_jax.studies.looked_inside import drawn_positions

logger = logging.getLogger(__name__)

ZERO_SHOT = "zero_shot"
"""What the model that all runs began at is called among them."""
FEATURES_DIR = "features"
_FORMAT = 1
_BATCH = 64


def image_embeddings(
    config: DiversityConfig,
    runs: Sequence[str],
    names: Sequence[str],
    data: ExperimentData,
    directory: StudyDirectory,
) -> dict[str, dict[str, Float32[np.ndarray, "N D"]]]:
    """Return what each model makes of a sample of each set, normalised: what its head multiplies.

    What lies in ``STUDY/features`` of the same weights and images isn't extracted again; a model is
    opened only where something of it is missing.

    Args:
      config: How many images of each set, drawn by which seed.
      runs: Directories of the study's runs.
      names: Sets.
      data: Has the sets.
      directory: The study.

    Returns:
      Set -> model (``ZERO_SHOT``, or a run) -> a row an image, the same images for all of a set's.

    Raises:
      InputError: As ``load_endpoints``; models of one set could read different images.
    """
    known = {each.name: each for each in (data.validation, *data.tests)}
    samples = {
        name: known[name].subset(
            drawn_positions(np.arange(len(known[name])), config.cka_images, config.seed)
        )
        for name in names
    }
    prints = {name: each.fingerprint() for name, each in samples.items()}
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in names}
    read: dict[str, list[int]] = {}
    for model in (ZERO_SHOT, *runs):
        run = RunDirectory(directory.path / (runs[0] if model == ZERO_SHOT else model))
        opened = _Opened(run, zero_shot=model == ZERO_SHOT)
        for name, sample in samples.items():
            path = _file(directory, model, name)
            facts = {"format": _FORMAT, "model": opened.hash, "images": prints[name]}
            stored = _stored(path, facts)
            if stored is None:
                stored = opened.encode(sample)
                _write(path, facts, stored)
            if stored["index"].tolist() != read.setdefault(name, stored["index"].tolist()):
                raise InputError(
                    f"{path}: other images of {name} could be read than for {ZERO_SHOT}; remove"
                    f" {directory.path / FEATURES_DIR} and try again"
                )
            found[name][model] = stored["features"]
    return found


class _Opened:
    """One model of a run, loaded when it is first asked for."""

    def __init__(self, run: RunDirectory, *, zero_shot: bool) -> None:
        self.run, self.end = run, "theta_0" if zero_shot else "theta_1"
        self.hash = str(read_json(run.endpoints_file)[self.end])
        self._model: Any = None

    def encode(self, sample: Any) -> dict[str, np.ndarray]:
        """Return ``features`` and ``index`` of the images that can be read."""
        from wiseft_jax.core.mesh import Layout, num_batch_shards
        from wiseft_jax.training.features import encode_dataset

        stored = self.run.read_config()
        config = from_dict(ExperimentConfig, stored, str(self.run.config_file))
        if self._model is None:
            classifier, theta_0, theta_1 = load_endpoints(config, self.run)
            self._model = classifier, theta_0 if self.end == "theta_0" else theta_1
        classifier, theta = self._model
        layout = Layout.of(config.mesh).for_training()
        logger.info("image embeddings of %s (%s) on %s", self.run.path, self.end, sample.name)
        arrays = encode_dataset(
            classifier,
            theta,
            sample,
            layout,
            batch_size=_BATCH * num_batch_shards(layout.mesh),
            num_threads=config.data.num_threads,
        )
        features = np.asarray(arrays["features"], np.float32)
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        return {"features": features / lengths, "index": arrays["index"]}


def _file(directory: StudyDirectory, model: str, dataset: str) -> Path:
    return directory.path / FEATURES_DIR / Path(model).name / predictions_file(dataset)


def _stored(path: Path, facts: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """Return what a file holds; None where there is none, or it is of other weights or images."""
    if not path.is_file():
        return None
    try:
        arrays, found = read_with_facts(path, "image embeddings", list(facts), _FORMAT)
    except InputError as error:
        logger.warning("%s", error)
        return None
    if found != facts or not {"features", "index"} <= arrays.keys():
        logger.info("%s: of other weights or images, made again", path)
        return None
    return {name: arrays[name] for name in ("features", "index")}


def _write(path: Path, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    with atomic_open(path) as file:
        write_arrays(file, {"facts": np.asarray(json.dumps(dict(facts))), **arrays})
