"""One experiment: its root configuration, and the stages that a run directory goes through.

Nothing heavy is imported until a stage runs, so that the command line can show every option at once.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.typing import ComputeDtype
from wiseft_jax.core.writers import write_json
from wiseft_jax.data.config import DataConfig
from wiseft_jax.training.config import TrainConfig

logger = logging.getLogger(__name__)

PAPER_ALPHAS = tuple(step / 10 for step in range(11))


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Which CLIP, and how its zero-shot head is made."""

    name: str = "glyphclip"
    """`glyphclip` (the small embedded one), a local directory, or a Hugging Face hub id."""
    templates: str = "simple"
    """A prompt set (`simple`, `imagenet`), or a text or JSON file with `{}` for the class."""
    compute_dtype: ComputeDtype = "float32"
    """Precision of the towers; parameters and the head stay float32."""


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """Which alphas are evaluated, how, and which one is chosen."""

    alphas: tuple[float, ...] = PAPER_ALPHAS
    """Mixing coefficients: 0 is zero-shot, 1 is fine-tuned."""
    backend: Literal["auto", "map", "vmap"] = "auto"
    """How alphas are batched: `map` over chunks, `vmap` all at once, `auto` by device."""
    batch_size: int = 256
    """Images a batch."""
    chunk_size: int | None = None
    """Alphas evaluated at once by `map`; a measured default when not given."""
    keep_logits: bool = False
    """Store the logits too, not only predictions and margins."""
    rule: Literal["constant", "validation_best", "smallest_within_one_point"] = "constant"
    """How alpha is chosen: 0.5, or by validation accuracy."""
    select_on: str | None = None
    """Name of the dataset to choose on; naming a test or shifted set is an oracle, and is said."""

    def __post_init__(self) -> None:
        if not self.alphas:
            raise InputError("sweep.alphas: expected at least one alpha, found none")


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """Everything that decides a result; written into the run directory and hashed into each row."""

    name: str = "experiment"
    """What the run is called, in directories and reports."""
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    training: TrainConfig = TrainConfig()
    sweep: SweepConfig = SweepConfig()
    export: bool = True
    """Write the merged model at the chosen alpha into the run directory."""


@dataclasses.dataclass(frozen=True)
class ExperimentData:
    """The datasets of an experiment, labels in the order of ``class_names``.

    Attributes:
      class_names: The classes of the classifier.
      train: Images to fine-tune on.
      validation: Held-out images of the reference distribution, to choose on.
      tests: The reference test set, then the shifted sets: to report on.
    """

    class_names: tuple[str, ...]
    train: Any
    validation: Any
    tests: tuple[Any, ...]


def load_model(config: ModelConfig, class_names: Sequence[str]) -> tuple[Any, Any]:
    """Return ``(classifier, theta_0)``: the zero-shot classifier of ``class_names``."""
    from wiseft_jax.clip.classifier import zero_shot_classifier
    from wiseft_jax.clip.load import load_clip

    clip = load_clip(config.name, dtype=config.compute_dtype)
    return zero_shot_classifier(clip, tuple(class_names), config.templates)


def load_data(config: ExperimentConfig) -> ExperimentData:
    """Return the datasets that ``config.data`` names, split by the training seed."""
    from wiseft_jax.data.load import load_data as load

    loaded = load(config.data, seed=config.training.seed)
    tests = (loaded.test, *loaded.shifts)
    return ExperimentData(loaded.class_names, loaded.train, loaded.validation, tests)


def run(
    config: ExperimentConfig,
    data: ExperimentData,
    run_directory: RunDirectory,
    *,
    resume: bool = False,
) -> Any:
    """Do the whole job in a prepared run directory and return its ``WiseFT``."""
    from wiseft_jax.wise_ft import wise_ft

    classifier, theta_0 = load_model(config.model, data.class_names)
    outcome = wise_ft(
        classifier,
        theta_0,
        data.train,
        data.validation,
        data.tests,
        config=config.training,
        alphas=config.sweep.alphas,
        rule=config.sweep.rule,
        select_on=config.sweep.select_on,
        run_dir=run_directory.path,
        resume=resume,
        sweep_with=_configured_sweep(config),
    )
    finish(config, classifier, outcome, run_directory)
    return outcome


def train(
    config: ExperimentConfig,
    data: ExperimentData,
    run_directory: RunDirectory,
    *,
    resume: bool = False,
) -> Any:
    """Fine-tune in a prepared run directory and return ``theta_1``; ``wiseft sweep`` goes on."""
    from wiseft_jax.training.fine_tune import fine_tune

    classifier, theta_0 = load_model(config.model, data.class_names)
    return fine_tune(
        classifier,
        theta_0,
        data.train,
        data.validation,
        config.training,
        run_dir=run_directory.path,
        resume=resume,
    )


def _configured_sweep(config: ExperimentConfig) -> Any:
    import functools

    from wiseft_jax.evaluation.sweep import sweep

    return functools.partial(
        sweep,
        backend=config.sweep.backend,
        batch_size=config.sweep.batch_size,
        chunk_size=config.sweep.chunk_size,
        keep_logits=config.sweep.keep_logits,
        config_hash=config_hash(config),
    )
