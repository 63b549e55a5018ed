"""Which alternatives to WiSE-FT a study compares with it, and which models have to be trained.

Wortsman et al. 2022 (arXiv 2109.01903), appendix "alternatives to WiSE-FT": ensembles of outputs,
averages over training, random interpolation, early stopping, regularisers towards zero-shot, and
smaller learning rates.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.errors import InputError
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.studies.grid import base_of_study
from wiseft_jax.studies.grid_axes import check_read
from wiseft_jax.studies.grid_config import Variation, replaced

RATE = "training.learning_rate"
EMA = "training.options.ema_decay"
L2 = "training.options.l2_to_theta_0"
DISTILL = "training.options.distill_to_theta_0"
TEMPERATURE = "training.options.distill_temperature"
FIELDS = (RATE, EMA, L2, DISTILL, TEMPERATURE)
"""What tells the trained models of a study apart."""

STANDARD = "standard"
METHODS = {
    "wise_ft": ("WiSE-FT", "alpha"),
    "output_ensemble": ("ensemble of logits", "alpha"),
    "probability_ensemble": ("ensemble of probabilities", "alpha"),
    "bernoulli": ("random interpolation", "alpha"),
    "ema": ("moving average (EMA)", "decay"),
    "early_stopping": ("early stopping", "steps"),
    "l2_to_theta_0": ("L2 to zero-shot", "strength"),
    "distillation": ("distillation from zero-shot", "strength"),
    "learning_rate": ("smaller learning rate", "rate"),
}
"""Method -> what it is called, and what tells its points apart."""
NEEDED = (0.0, 0.5, 1.0)
"""Alphas that the curve of every study needs; other models are swept at 1 alone."""


@dataclasses.dataclass(frozen=True)
class AlternativesConfig:
    """What WiSE-FT is compared with. An empty list leaves an alternative out."""

    learning_rates: tuple[float, ...] = (0.3, 0.1)
    """Smaller learning rates, as parts of the preset's."""
    ema_decays: tuple[float, ...] = (0.99, 0.998)
    """Decays b of the usual average over the steps' weights, which begins at zero-shot."""
    l2: tuple[float, ...] = (0.01, 0.1)
    """Strengths of the penalty s/2 |theta - theta_0|^2."""
    distillation: tuple[float, ...] = (0.3, 3.0)
    """Strengths of the divergence from zero-shot's outputs."""
    distill_temperature: float = 2.0
    """Temperature of that."""
    early_stops: int = 8
    """After so many even parts of the fine-tuning its weights are kept and evaluated; 0: none."""
    bernoulli_alphas: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    """Probabilities with which each weight is taken from the fine-tuned model."""
    bernoulli_draws: int = 2
    """Draws at each of them; accuracies are means over draws."""
    seed: int = 0
    """Of these draws, and of the bootstrap."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        ranges: dict[str, tuple[Callable[[float], bool], str]] = {
            "learning_rates": (lambda part: 0 < part < 1, "parts in (0, 1)"),
            "ema_decays": (lambda decay: 0 < decay < 1, "numbers in (0, 1)"),
            "l2": (lambda strength: strength > 0, "numbers > 0"),
            "distillation": (lambda strength: strength > 0, "numbers > 0"),
            "bernoulli_alphas": (lambda alpha: 0 < alpha < 1, "probabilities in (0, 1)"),
        }
        for name, (fits, expected) in ranges.items():
            values = tuple(float(value) for value in getattr(self, name))
            object.__setattr__(self, name, values)
            wrong = [v for v in values if not (math.isfinite(v) and fits(v))]
            if wrong or len({*values}) < len(values):
                raise InputError(f"{name}: expected distinct {expected}, found {list(values)}")
        for name, least in (("early_stops", 0), ("bernoulli_draws", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(
                    f"{name}: expected an integer >= {least}, found {getattr(self, name)}"
                )


@dataclasses.dataclass(frozen=True)
class Trained:
    """A model that a study trains.

    Attributes:
      method: A key of ``METHODS``, or ``STANDARD``.
      value: What tells it from others of the method; None of the standard one.
      variation: Its configuration.
    """

    method: str
    value: float | None
    variation: Variation


def base_config(config: ExperimentConfig) -> ExperimentConfig:
    """Return what the study varies: swept directly, without merged models.

    Raises:
      InputError: If the alphas lack one that the study needs; a shared directory of checkpoints.
    """
    lacking = [alpha for alpha in NEEDED if alpha not in config.sweep.alphas]
    if lacking:
        raise InputError(
            f"sweep.alphas: the study needs {', '.join(f'{alpha:g}' for alpha in NEEDED)} among"
            f" them, and {', '.join(f'{alpha:g}' for alpha in lacking)} is missing"
        )
    sweep = dataclasses.replace(config.sweep, method="direct")
    base = base_of_study(config, keep_checkpoints=False)
    return dataclasses.replace(base, sweep=sweep)


def models_to_train(config: AlternativesConfig, base: ExperimentConfig) -> list[Trained]:
    """Return the models of a study, the standard one first.

    Args:
      config: The study.
      base: What ``base_config`` returned.

    Raises:
      InputError: If the recipe doesn't read an option; says which list to leave empty.
    """
    training = base.training
    found = [Trained(STANDARD, None, _standard(config, base))]
    plans: list[tuple[str, str, tuple[float, ...], dict[str, Any]]] = [
        ("ema", "--ema-decays", config.ema_decays, {EMA: None}),
        ("l2_to_theta_0", "--l2", config.l2, {L2: None}),
        (
            "distillation",
            "--distillation",
            config.distillation,
            {DISTILL: None, TEMPERATURE: config.distill_temperature},
        ),
        (
            "learning_rate",
            "--learning-rates",
            tuple(float(f"{part * training.learning_rate:.6g}") for part in config.learning_rates),
            {RATE: None},
        ),
    ]
    # Of one alpha no rule has a choice; this one doesn't warn that 0.5 is missing.
    rule: Any = "validation_best"
    short = dataclasses.replace(base.sweep, alphas=(1.0,), keep_logits="ends", rule=rule)
    other = dataclasses.replace(base, sweep=short)
    for method, option, values, fields in plans:
        for value in values:
            varied = {name: value if fixed is None else fixed for name, fixed in fields.items()}
            try:
                changed = replaced(other, varied)
                check_read(changed, varied)
            except InputError as error:
                raise InputError(f"{error}; to leave the alternative out: {option}") from None
            found.append(Trained(method, value, Variation(varied, changed)))
    return found


def _standard(config: AlternativesConfig, base: ExperimentConfig) -> Variation:
    """Return the fine-tuning that WiSE-FT interpolates; early stops are its checkpoints."""
    training, stops = base.training, config.early_stops
    every = training.epochs / stops if stops else training.eval_every_epochs
    own = dataclasses.replace(
        base,
        training=dataclasses.replace(training, eval_every_epochs=every),
        checkpoints=CheckpointConfig(keep_latest=stops + 2, keep_best=0),
        sweep=dataclasses.replace(base.sweep, keep_logits="ends"),
    )
    return Variation({RATE: training.learning_rate}, own)
