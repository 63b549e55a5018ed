"""Models of the study of alternatives that no run of its own makes: parts of runs that are there.

Checkpoints along the fine-tuning, usual averages (EMA), random interpolations. Each is evaluated
once; its predictions lie in the directory of the run whose weights it has, under ``alternatives/``.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.predictions import Predictions, load_predictions, save_predictions
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies.alternatives_config import AlternativesConfig

logger = logging.getLogger(__name__)

MODELS_DIR = "alternatives"
_FACTS_FILE = "model.json"
_SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Part:
    """A model made of the weights of a run.

    Attributes:
      method: A key of ``alternatives_config.METHODS``.
      value: What tells it from others of the method.
      draw: Of a random interpolation, which draw; else 0.
      name: Of its directory.
      make: Returns its parameters.
    """

    method: str
    value: float
    draw: int
    name: str
    make: Callable[[], Any]


def parts_of_standard(
    config: AlternativesConfig, ends: tuple[Any, Any, Any], own: ExperimentConfig, run: RunDirectory
) -> Iterator[Part]:
    """Yield early stops and random interpolations of the standard fine-tuning.

    Args:
      config: The study.
      ends: Its classifier, theta_0 and theta_1.
      own: Its configuration.
      run: Its directory.
    """
    import jax

    from wiseft_jax.core.checkpoint import Checkpoints
    from wiseft_jax.core.rng import stream
    from wiseft_jax.weights.bernoulli import bernoulli_mix

    _, theta_0, theta_1 = ends
    steps = Checkpoints(run.path, own.checkpoints).steps() if config.early_stops else ()
    for step in steps[:-1]:  # the last one is theta_1
        yield Part(
            "early_stopping",
            float(step),
            0,
            f"step-{step:07d}",
            lambda step=step: _restored(own, run, theta_0, step),
        )
    root = jax.random.key(config.seed)
    for alpha in config.bernoulli_alphas:
        for draw in range(config.bernoulli_draws):
            yield Part(
                "bernoulli",
                alpha,
                draw,
                f"bernoulli-{alpha:g}-seed-{config.seed}-draw-{draw}",
                lambda alpha=alpha, draw=draw: bernoulli_mix(
                    theta_0, theta_1, alpha, stream(root, "bernoulli", draw)
                ),
            )


def average_of(decay: float, theta_0: Any, own: ExperimentConfig, run: RunDirectory) -> Part:
    """Return the usual average of a run with ``ema_decay``: it is on the run's own curve.

    Args:
      decay: The decay.
      theta_0: Where the run began.
      own: Its configuration.
      run: Its directory; its weights are the average without its bias towards theta_0.
    """
    from wiseft_jax.core.checkpoint import Checkpoints
    from wiseft_jax.training.averaging import usual_average_alpha
    from wiseft_jax.weights.interpolate import lerp

    steps = max(Checkpoints(run.path, own.checkpoints).steps())
    alpha = usual_average_alpha(decay, steps)
    return Part(
        "ema",
        decay,
        0,
        "usual-average",
        lambda: lerp(theta_0, _restored(own, run, theta_0, steps), alpha),
    )


def evaluated(
    parts: Sequence[Part],
    classifier: Any,
    own: ExperimentConfig,
    data: ExperimentData,
    run: RunDirectory,
) -> list[tuple[Part, dict[str, Predictions]]]:
    """Return each part with its predictions by dataset; what isn't there yet is evaluated.

    Args:
      parts: Of one run.
      classifier: Its classifier.
      own: Its configuration.
      data: The datasets.
      run: Its directory.
    """
    from wiseft_jax.evaluation.evaluator import evaluate

    sets = (data.validation, *data.tests)
    facts = {"schema": _SCHEMA, "datasets": {each.name: each.fingerprint() for each in sets}}
    found = []
    for place, part in enumerate(parts, 1):
        directory = run.path / MODELS_DIR / part.name
        if not _is_there(directory, facts):
            logger.info("%s, model %d of %d: %s", run.path.name, place, len(parts), part.name)
            theta = part.make()
            predictions = [
                evaluate(
                    classifier,
                    theta,
                    each,
                    batch_size=own.sweep.batch_size,
                    mesh=own.mesh,
                    num_threads=own.data.num_threads,
                )
                for each in sets
            ]
            save_predictions(directory, predictions)
            write_json(directory / _FACTS_FILE, facts)  # last: it says that the rest is there
        found.append((part, load_predictions(directory)))
    return found


def _is_there(directory: Path, facts: dict[str, Any]) -> bool:
    path = directory / _FACTS_FILE
    if not path.is_file():
        return False
    stored = read_json(path)
    if not isinstance(stored, dict) or stored.get("schema", 0) > _SCHEMA:
        raise InputError(f"{path}: of a newer version, or damaged; remove {directory} to go on")
    return stored == facts


def _restored(own: ExperimentConfig, run: RunDirectory, theta_0: Any, step: int) -> Any:
    from wiseft_jax.core.checkpoint import restore_params

    trained, _ = restore_params(run.path, step, own.checkpoints)
    return theta_0 | (trained if set(trained) <= set(theta_0) else {"head": trained})
