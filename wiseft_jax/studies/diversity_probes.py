"""Linear probes on disjoint halves of the training images: two heads on one encoder."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.predictions import Predictions, load_predictions, save_predictions
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies.diversity_config import DiversityConfig
from wiseft_jax.studies.grid_files import StudyDirectory

logger = logging.getLogger(__name__)

PROBES_DIR = "probes"
FIRST, SECOND = 0.0, 1.0
"""The alphas under which the two probes of a split are stored."""
_FACTS_FILE = "probes.json"
_BATCH = 64


def probes(
    config: DiversityConfig,
    base: ExperimentConfig,
    data: ExperimentData,
    directory: StudyDirectory,
) -> list[dict[str, Predictions]]:
    """Return for each split the predictions of its two probes, by dataset.

    The features of the training images are computed once (and cached). Both probes have the same
    encoder, so one pass over each set gives both. What is stored already isn't made again.

    Args:
      config: The study.
      base: Names the CLIP, and how images are read.
      data: The datasets; the training images are split.
      directory: Where predictions go.
    """
    facts = {
        "schema": 1,
        "model": base.model.name,
        "probe_c": list(config.probe_c),
        "datasets": {
            each.name: each.fingerprint() for each in (data.train, data.validation, *data.tests)
        },
    }
    places = [
        directory.path / PROBES_DIR / f"seed-{config.seed}-split-{split}"
        for split in range(config.probe_splits)
    ]
    made = None
    for split, place in enumerate(places):
        stored = place / _FACTS_FILE
        if stored.is_file() and read_json(stored) == facts:
            continue
        made = made or _Probes(config, base, data)
        logger.info("linear probes on halves, split %d of %d", split + 1, len(places))
        predictions = made.of_split(split)
        save_predictions(place, predictions.values())
        write_json(stored, facts)  # last: it says that the rest is there
    return [load_predictions(place) for place in places]


class _Probes:
    """The zero-shot model, and the features of its training images."""

    def __init__(
        self, config: DiversityConfig, base: ExperimentConfig, data: ExperimentData
    ) -> None:
        from wiseft_jax.core.mesh import Layout, num_batch_shards
        from wiseft_jax.experiment import load_start
        from wiseft_jax.training.features import encode_dataset

        self.config, self.base, self.data = config, base, data
        start = ExperimentConfig(model=base.model)  # with the image tower and a head alone
        self.classifier, self.theta_0 = load_start(start, data.class_names)
        layout = Layout.of(base.mesh).for_training()
        batch_size = _BATCH * num_batch_shards(layout.mesh)
        options = {"batch_size": batch_size, "num_threads": base.data.num_threads}
        encode = [
            encode_dataset(self.classifier, self.theta_0, each, layout, **options)
            for each in (data.train, data.validation)
        ]
        self.train, self.validation = (_rows(each) for each in encode)

    def of_split(self, split: int) -> dict[str, Predictions]:
        """Return what the probes of a split predict on validation and test sets."""
        from wiseft_jax.evaluation.sweep import sweep

        ends = [{"encoder": self.theta_0["encoder"], "head": head} for head in self._heads(split)]
        sets = [self.data.validation, *self.data.tests]
        result = sweep(
            self.classifier,
            ends[0],
            ends[1],
            sets,
            (FIRST, SECOND),
            backend="linear",
            batch_size=self.base.sweep.batch_size,
            keep_logits="ends",
            mesh=self.base.mesh,
            num_threads=self.base.data.num_threads,
            config_hash=hash_json(dataclasses.asdict(self.config)),
        )
        return result.predictions

    def _heads(self, split: int) -> list[Any]:
        from wiseft_jax.training.lbfgs_probe import fit_probe

        features, labels = self.train
        order = numpy_stream(self.config.seed, "probes on halves", split).permutation(len(labels))
        middle = len(order) // 2
        heads = []
        for half in (np.sort(order[:middle]), np.sort(order[middle:])):
            missing = len(self.data.class_names) - len(np.unique(labels[half]))
            if missing:
                logger.warning("a half of the training images lacks %d classes", missing)
            probe = fit_probe(
                features[half],
                labels[half],
                len(self.data.class_names),
                self.config.probe_c,
                self.validation,
            )
            heads.append(probe.head)
        return heads


def _rows(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return L2-normalised features, and labels."""
    if len(arrays["index"]) == 0:
        raise InputError("no training or validation image could be read, so there is no probe")
    features = arrays["features"]
    return features / np.linalg.norm(features, axis=1, keepdims=True), arrays["label"]
