"""The quickstart as an experiment: its configuration, and its datasets."""

from __future__ import annotations

import dataclasses

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.data.config import DataConfig
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.experiment import ExperimentConfig, ExperimentData, ModelConfig, SweepConfig
from wiseft_jax.training.config import TrainConfig

EMBEDDED = "quickstart:digits"
QUICKSTART_ALPHAS = tuple(step / 20 for step in range(21))


def quickstart_config() -> ExperimentConfig:
    """Return the configuration of ``wiseft quickstart``; chosen on the validation split alone."""
    return ExperimentConfig(
        name="quickstart",
        model=ModelConfig(name="glyphclip", templates="digits"),
        data=DataConfig(train=EMBEDDED),
        training=TrainConfig(
            learning_rate=1e-3,
            epochs=10,
            batch_size=64,
            warmup_fraction=0.1,
            eval_every_epochs=5,
        ),
        sweep=SweepConfig(
            alphas=QUICKSTART_ALPHAS, method="curve", curve=CurveConfig(exact=True, tol=0.01)
        ),
    )


def embedded_data(config: ExperimentConfig) -> ExperimentData:
    """Return MNIST-5k (train, validation, test) and its six shifts.

    Raises:
      InputError: If the configuration names other data beside the embedded ones; if the packages
        that hold them aren't installed.
    """
    from wiseft_jax.data.source import Dataset, array_dataset
    from wiseft_jax.quickstart.captions import DIGIT_NAMES
    from wiseft_jax.quickstart.data import SHIFTS, quickstart_arrays

    changed = [
        field.name
        for field in dataclasses.fields(DataConfig)
        if field.name not in ("train", "num_threads")
        and getattr(config.data, field.name) != field.default
    ]
    if changed:
        raise InputError(
            f"data.{changed[0]}: the embedded data ({EMBEDDED}) are fixed; leave it out, or give"
            " your own --data.train"
        )
    sets = quickstart_arrays()

    def dataset(name: str, split: Split, role: Role) -> Dataset:
        images, labels = sets[name]
        return array_dataset(images, labels, DIGIT_NAMES, name=name, split=split, role=role)

    return ExperimentData(
        class_names=DIGIT_NAMES,
        train=dataset("train", "train", "reference"),
        validation=dataset("validation", "validation", "reference"),
        tests=(
            dataset("test", "test", "reference"),
            *(dataset(name, "test", "shift") for name in SHIFTS),
        ),
    )
