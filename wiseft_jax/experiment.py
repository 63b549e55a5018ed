"""One experiment: its root configuration, and the stages that a run directory goes through.

Nothing heavy is imported until a stage runs, so that the command line shows every option at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.clip.config import ModelConfig, load_model, load_shapes
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.config_io import config_hash, read_json
from wiseft_jax.core.endpoints import check_same_data, write_endpoints
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.last_sweep import begin_sweep, end_sweep
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.results import Row, metrics_at
from wiseft_jax.core.run_directory import RunDirectory, describe, model_name
from wiseft_jax.core.tracking_config import TrackingConfig
from wiseft_jax.core.writers import write_json
from wiseft_jax.data.class_lists import is_published
from wiseft_jax.data.config import DataConfig
from wiseft_jax.data.specs import public_spec
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.training.config import (
    RESULT_NEUTRAL,
    TWO_TOWER_RECIPES,
    TrainConfig,
    check_captions,
    check_mixing,
)

logger = logging.getLogger(__name__)

RESUME_MAY_CHANGE = (
    "sweep.",
    "mesh.",
    "model.remat",
    "checkpoints.keep_",
    "checkpoints.save_every_steps",
    "export",
    "data.num_threads",
    "data.matched_references",
    "tracking",
    *(f"training.{name}" for name in RESULT_NEUTRAL),
)
"""Fields that a continued run may change: they decide no weight, but for float rounding."""


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """Everything that decides a result; written into the run directory and hashed into each row."""

    name: str = "experiment"
    """What the run is called, in directories and reports."""
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    training: TrainConfig = TrainConfig()
    mixing: MixingConfig = MixingConfig()
    sweep: SweepConfig = SweepConfig()
    mesh: MeshConfig = MeshConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()
    tracking: TrackingConfig = TrackingConfig()
    export: bool = True
    """Whether the merged model at the chosen alpha is written into the run directory."""

    def __post_init__(self) -> None:
        """Check what concerns several parts."""
        check_mixing(self.training, self.mixing)
        check_captions(self.training, self.data.caption_column)

    @property
    def trains_text(self) -> bool:
        """Whether the recipe trains the text tower, of which the head is made at each alpha."""
        return self.training.recipe in TWO_TOWER_RECIPES

    @property
    def sweeps_curve(self) -> bool:
        """Whether the sweep reads alphas off a curve; one of a head that isn't linear can't."""
        return self.sweep.method == "curve" and not self.trains_text


@dataclasses.dataclass(frozen=True)
class ExperimentData:
    """The datasets of an experiment, labels in the order of ``class_names``.

    Attributes:
      class_names: The classes of the classifier.
      train: Images to fine-tune on.
      validation: Held-out images of the reference distribution, to choose on.
      tests: The reference test set, the shifted sets, the matched references: to report on.
    """

    class_names: tuple[str, ...]
    train: Any
    validation: Any
    tests: tuple[Any, ...]


def load_start(config: ExperimentConfig, class_names: Sequence[str]) -> tuple[Any, Any]:
    """Return ``(classifier, theta_0)`` as the recipe of an experiment takes them."""
    return load_model(config.model, class_names, **_start_options(config, class_names))


def load_start_shapes(config: ExperimentConfig, class_names: Sequence[str]) -> tuple[Any, Any]:
    """Return what ``load_start`` does, with shapes in place of arrays: quick, for a dry run."""
    return load_shapes(config.model, class_names, **_start_options(config, class_names))


def _start_options(config: ExperimentConfig, class_names: Sequence[str]) -> dict[str, bool]:
    return {"two_towers": config.trains_text, "repeats": is_published(class_names)}


def load_data(config: ExperimentConfig) -> ExperimentData:
    """Return the datasets that ``config.data`` names, split by the training seed."""
    from wiseft_jax.data.load import load_data as load

    loaded = load(config.data, seed=config.training.seed)
    tests = (loaded.test, *loaded.shifts, *loaded.matched_references)
    return ExperimentData(loaded.class_names, loaded.train, loaded.validation, tests)


def check_select_on(config: ExperimentConfig, data: ExperimentData) -> None:
    """Raise, before anything is trained, if ``sweep.select_on`` names no dataset.

    Raises:
      InputError: Lists the names that there are.
    """
    names = [dataset.name for dataset in (data.validation, *data.tests)]
    if config.sweep.select_on is not None and config.sweep.select_on not in names:
        raise unknown_name("dataset to select on", config.sweep.select_on, names)


def run(
    config: ExperimentConfig,
    data: ExperimentData,
    run_directory: RunDirectory,
    *,
    resume: bool = False,
    start: tuple[Any, Any] | None = None,
) -> Any:
    """Do the whole job in a prepared run directory and return its ``WiseFT``.

    Args:
      config: What to run.
      data: The datasets.
      run_directory: Where its files go.
      resume: Continue from the last checkpoint that is there.
      start: What ``load_start`` returned for it, where that is at hand.
    """
    from wiseft_jax.core.distributed import is_first
    from wiseft_jax.wise_ft import wise_ft

    classifier, theta_0 = start or load_start(config, data.class_names)
    with _tracked(config, run_directory) as tracker:
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
            fine_tune_with=_configured_fine_tune(config, tracker),
            sweep_with=_configured_sweep(config),
        )
        write_endpoints(run_directory, data, outcome.theta_0, outcome.theta_1)
        if is_first():
            begin_sweep(run_directory, config)
            run_directory.sweep_config_file.unlink(missing_ok=True)  # of what is replaced now
        finish(config, classifier, outcome, run_directory)
        tracker.rows(outcome.sweep.rows, outcome.selection.facts())
    return outcome


def train(
    config: ExperimentConfig,
    data: ExperimentData,
    run_directory: RunDirectory,
    *,
    resume: bool = False,
) -> Any:
    """Fine-tune in a prepared run directory and return ``theta_1``; ``wiseft sweep`` goes on."""
    classifier, theta_0 = load_start(config, data.class_names)
    with _tracked(config, run_directory) as tracker:
        theta_1 = _configured_fine_tune(config, tracker)(
            classifier,
            theta_0,
            data.train,
            data.validation,
            config.training,
            run_dir=run_directory.path,
            resume=resume,
        )
    write_endpoints(run_directory, data, theta_0, theta_1)
    return theta_1


def load_endpoints(config: ExperimentConfig, run_directory: RunDirectory) -> tuple[Any, Any, Any]:
    """Return ``(classifier, theta_0, theta_1)`` of a run whose fine-tuning is complete.

    The images aren't needed; the CLIP that it started from is.

    Raises:
      InputError: If fine-tuning isn't complete, or the CLIP or a checkpoint has changed since.
    """
    from wiseft_jax.core.checkpoint import restore_params
    from wiseft_jax.core.trees import hash_tree

    if not run_directory.endpoints_file.is_file():
        raise InputError(
            f"{run_directory.path}: fine-tuning isn't complete there; continue it with"
            f" wiseft run {run_directory.config_file} --out {run_directory.path} --resume"
        )
    facts = read_json(run_directory.endpoints_file)
    classifier, theta_0 = load_start(config, facts["class_names"])
    trained, step = restore_params(run_directory.path, config=config.checkpoints)
    theta_1 = theta_0 | trained if set(trained) <= set(theta_0) else theta_0 | {"head": trained}
    for name, theta in (("theta_0", theta_0), ("theta_1", theta_1)):
        if hash_tree(theta) != facts[name]:
            raise InputError(
                f"{run_directory.path}: {name} is not the one that this run had: the model"
                f" {config.model.name!r} or the checkpoint (step {step}) changed since"
            )
    return classifier, theta_0, theta_1


def _tracked(config: ExperimentConfig, run_directory: RunDirectory) -> Any:
    """Return what closes the run's tracker, which has writers in process 0 alone."""
    from wiseft_jax.core.distributed import is_first

    tracking = config.tracking if is_first() else TrackingConfig()
    return contextlib.closing(tracking.build(run_directory.path, describe(config)))


def _configured_fine_tune(config: ExperimentConfig, tracker: Any) -> Any:
    from wiseft_jax.training.fine_tune import fine_tune

    options: dict[str, Any] = {"mesh": config.mesh, "checkpoints": config.checkpoints}
    options |= {"mixing": config.mixing, "tracker": tracker}
    return functools.partial(fine_tune, num_threads=config.data.num_threads, **options)


def _configured_sweep(config: ExperimentConfig) -> Any:
    options: dict[str, Any] = {"mesh": config.mesh, "num_threads": config.data.num_threads}
    options |= {"batch_size": config.sweep.batch_size, "config_hash": config_hash(config)}
    options |= {"keep_logits": config.sweep.keep_logits}
    if config.sweep.method == "curve" and config.trains_text:
        logger.warning(
            "sweep.method curve: with training.recipe %s the head is made of the text tower at each"
            " alpha and isn't linear in it, so every alpha is evaluated directly instead",
            config.training.recipe,
        )
    if config.sweeps_curve:
        from wiseft_jax.evaluation.curve import curve

        return functools.partial(curve, config=config.sweep.curve, **options)
    from wiseft_jax.evaluation.sweep import sweep

    own = {name: getattr(config.sweep, name) for name in ("backend", "chunk_size", "calibrate")}
    return functools.partial(sweep, **options, **own)


def sweep_run(
    config: ExperimentConfig,
    data: ExperimentData,
    run_directory: RunDirectory,
    ends: tuple[Any, Any, Any] | None = None,
) -> Any:
    """Evaluate, choose and export again between the stored ends of a finished run.

    Args:
      config: The run's, with other options of the sweep.
      data: The datasets.
      run_directory: The run.
      ends: What ``load_endpoints`` returned for it, where that is at hand.

    Raises:
      InputError: If the training or validation images, or the classes, are not the run's.
    """
    from wiseft_jax.core.distributed import is_first
    from wiseft_jax.weights.interpolate import lerp
    from wiseft_jax.wise_ft import WiseFT

    classifier, theta_0, theta_1 = ends or load_endpoints(config, run_directory)
    check_same_data(data, run_directory)
    datasets = [data.validation, *data.tests]
    result = _configured_sweep(config)(classifier, theta_0, theta_1, datasets, config.sweep.alphas)
    selection = result.select(config.sweep.rule, select_on=config.sweep.select_on)
    theta_alpha = lerp(theta_0, theta_1, selection.alpha)
    outcome = WiseFT(theta_0, theta_1, result, selection, theta_alpha)
    if is_first():
        begin_sweep(run_directory, config)
        write_json(run_directory.sweep_config_file, describe(config))
    finish(config, classifier, outcome, run_directory)
    with _tracked(config, run_directory) as tracker:
        tracker.replay(run_directory.train_log_file)
        tracker.rows(result.rows, selection.facts())
    return outcome


def finish(
    config: ExperimentConfig, classifier: Any, outcome: Any, run_directory: RunDirectory
) -> None:
    """Write, in process 0, the rows, predictions, the chosen alpha and the merged model.

    ``begin_sweep`` comes before: what breaks it off is seen by the record that it leaves.
    """
    from wiseft_jax.core.distributed import is_first

    if not is_first():
        return
    outcome.sweep.save(run_directory.path)
    selection = outcome.selection.facts()
    own = {"config_hash": config_hash(config)}
    write_json(run_directory.selection_file, selection | own)
    if not config.export and run_directory.merged_dir.exists():
        logger.warning("%s: removed, it was of an earlier sweep", run_directory.merged_dir)
        shutil.rmtree(run_directory.merged_dir)
    if config.export:
        export_merged(
            config,
            classifier,
            outcome.theta_0,
            outcome.theta_1,
            selection["alpha"],
            run_directory.merged_dir,
            outcome.sweep.rows,
            chosen=selection["sentence"],
            overwrite=True,
        )
    end_sweep(run_directory)


def export_merged(
    config: ExperimentConfig,
    classifier: Any,
    theta_0: Any,
    theta_1: Any,
    alpha: float,
    directory: Path,
    rows: Sequence[Row],
    chosen: str = "",
    overwrite: bool = False,
    format: str = "hf",
) -> None:
    """Write the model at ``alpha`` as a CLIP directory, with the rows and how it was ``chosen``."""
    from wiseft_jax.clip.export import export_classifier
    from wiseft_jax.clip.two_towers import settled
    from wiseft_jax.core.trees import hash_tree
    from wiseft_jax.weights.interpolate import lerp

    hashes = {
        "config": config_hash(config),
        "theta_0": hash_tree(theta_0),
        "theta_1": hash_tree(theta_1),
    }
    export_classifier(
        directory,
        *settled(classifier, lerp(theta_0, theta_1, alpha)),
        alpha=alpha,
        metrics=metrics_at(rows, alpha),
        rows=rows,
        made=_made(config, chosen, directory),
        hashes=hashes,
        overwrite=overwrite,
        format=format,
    )


def _made(config: ExperimentConfig, chosen: str, directory: Path) -> dict[str, Any]:
    """What a model card tells of a run; of data only what they are called, for exports travel."""
    names = ("recipe", "learning_rate", "batch_size", "epochs", "weight_decay", "seed")
    parts = ("train", "validation", "test")
    sets = {part: (getattr(config.data, part),) for part in parts}
    sets |= {part: getattr(config.data, part) for part in ("shifts", "matched_references")}
    specs = {part: [public_spec(text) for text in texts if text] for part, texts in sets.items()}
    data = {part: texts for part, texts in specs.items() if texts}
    made = {"name": model_name(directory), "experiment": config.name}
    made |= {name: getattr(config.training, name) for name in names}
    return made | {"mixing": config.mixing.name, "data": data, "selection": chosen}
