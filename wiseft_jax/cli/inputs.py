"""The data of a configuration: the user's own, or the embedded digits."""

from __future__ import annotations

from typing import Any

from wiseft_jax.core.errors import InputError
from wiseft_jax.experiment import ExperimentConfig, ExperimentData, load_data
from wiseft_jax.quickstart.job import EMBEDDED, embedded_data


def experiment_data(config: ExperimentConfig) -> ExperimentData:
    """Return the datasets that ``config`` names.

    Raises:
      InputError: If no training data is named, or it can't be read.
    """
    if not config.data.train:
        raise InputError(
            "data.train: no training images are named; give for example"
            " --data.train folder:PATH (a folder per class) or --data.train table:FILE.csv"
        )
    if config.data.train == EMBEDDED:
        return embedded_data(config)
    return load_data(config)


def data_identity(data: ExperimentData) -> dict[str, Any]:
    """Return what tells the data of an experiment from others: classes, and each set's content."""
    sets = (data.train, data.validation, *data.tests)
    return {
        "class_names": list(data.class_names),
        "sets": {dataset.name: dataset.fingerprint() for dataset in sets},
    }
