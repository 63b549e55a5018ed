"""How to fine-tune: the configuration, and the run that it makes of a training set."""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import Literal

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.field_checks import as_floats, check_field
from wiseft_jax.data.augmentation import AugmentationConfig
from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.training.options import TrainOptions

logger = logging.getLogger(__name__)

RECIPE_NAMES = (
    "end_to_end",
    "linear_probe",
    "lp_ft",
    "flyp",
    "paint",
    "few_shot",
    "contrastive",
)
TWO_TOWER_RECIPES = ("flyp", "contrastive")
"""Recipes that train the text tower too: the head is made of it again at each alpha."""
RESULT_NEUTRAL = ("eval_every_epochs", "num_workers", "accumulation_steps")
"""Fields that may differ between a run and its continuation: they change rounding at most."""

_FLOAT_FIELDS = (
    "learning_rate",
    "epochs",
    "weight_decay",
    "warmup_fraction",
    "clip_norm",
    "label_smoothing",
    "eval_every_epochs",
)
_DISTILLATION = ("distill_to_theta_0", "distill_temperature")
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Fine-tuning as in the paper (Wortsman et al. 2022, section 3 and appendix C).

    AdamW with betas (0.9, 0.999) and epsilon 1e-8, linear warm-up, then a cosine down to zero.
    """

    recipe: Literal[
        "end_to_end", "linear_probe", "lp_ft", "flyp", "paint", "few_shot", "contrastive"
    ] = "end_to_end"
    """What is trained, and on what: see docs/recipes.md."""
    learning_rate: float = 3e-5
    """The peak. A linear probe wants a much larger one, 1e-2 or so."""
    epochs: float = 10.0
    """Passes over the training set; may be a fraction."""
    batch_size: int = 512
    """Images per step, over all devices."""
    accumulation_steps: int = 1
    """Parts that a batch is computed in, one after the other, to save memory; same gradient."""
    weight_decay: float = 0.1
    """Decoupled (AdamW), on every trained parameter."""
    warmup_steps: int = 500
    """Steps of linear warm-up; `warmup_fraction` wins when it is given."""
    warmup_fraction: float | None = None
    """Warm-up as a fraction of all steps, in [0, 1): the choice for short runs."""
    clip_norm: float | None = 1.0
    """Largest global norm of the gradient; None: no clipping."""
    label_smoothing: float = 0.0
    """Share s of the uniform target: (1 - s) NLL + s mean_c(-log p_c)."""
    seed: int = 0
    """Root seed of order and augmentation."""
    augmentation: AugmentationConfig = AugmentationConfig()
    options: TrainOptions = TrainOptions()
    eval_every_epochs: float | None = 1.0
    """How often validation accuracy is measured (and a checkpoint saved); None: never."""
    num_workers: int = 0
    """Processes that decode images; 0: threads of this one (best below about 16 cores)."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        as_floats(self, _FLOAT_FIELDS)
        if self.recipe not in RECIPE_NAMES:
            raise unknown_name("training.recipe", str(self.recipe), RECIPE_NAMES)
        self._check("learning_rate", _is_positive(self.learning_rate), "a number > 0")
        self._check("epochs", _is_positive(self.epochs), "a number > 0")
        self._check("batch_size", self.batch_size >= 1, "an integer >= 1")
        parts = self.accumulation_steps
        self._check("accumulation_steps", parts >= 1, "an integer >= 1")
        decay_fits = _is_positive(self.weight_decay) or self.weight_decay == 0
        self._check("weight_decay", decay_fits, "a number >= 0")
        self._check("warmup_steps", self.warmup_steps >= 0, "an integer >= 0")
        fraction = self.warmup_fraction
        self._check("warmup_fraction", fraction is None or 0 <= fraction < 1, "a number in [0, 1)")
        clip = self.clip_norm
        self._check("clip_norm", clip is None or _is_positive(clip), "a number > 0, or none")
        self._check("label_smoothing", 0 <= self.label_smoothing < 1, "a number in [0, 1)")
        self._check("seed", 0 <= self.seed < 2**32, "an integer in [0, 2**32)")
        evals = self.eval_every_epochs
        self._check(
            "eval_every_epochs", evals is None or _is_positive(evals), "a number > 0, or none"
        )
        self._check("num_workers", self.num_workers >= 0, "an integer >= 0")
        for field, why in _unread_options(self).items():
            raise InputError(
                f"training.options.{field}: expected its default with training.recipe"
                f" {self.recipe}, found {getattr(self.options, field)!r}: {why}"
            )
        if self.recipe == "linear_probe" and self.augmentation != AugmentationConfig():
            raise InputError(
                "training.augmentation: has no meaning with training.recipe linear_probe, which"
                " trains on features that are computed once; leave it out"
            )
        if self.recipe in TWO_TOWER_RECIPES:
            self._check_contrastive()

    def _check_contrastive(self) -> None:
        """Refuse what a loss over all pairs of a batch can't do."""
        if self.accumulation_steps > 1:
            raise InputError(
                f"training.accumulation_steps: expected 1 with training.recipe {self.recipe}, whose"
                f" loss is over all pairs of a batch, found {self.accumulation_steps}; use a"
                " smaller training.batch_size, or more devices"
            )
        if self.label_smoothing:
            raise InputError(
                f"training.label_smoothing: expected 0 with training.recipe {self.recipe}, whose"
                f" targets are pairs, found {self.label_smoothing}"
            )

    def _check(self, field: str, fits: bool, expected: str) -> None:
        check_field(self, "training", field, fits, expected)

    @property
    def converges(self) -> bool:
        """Whether L-BFGS goes on to convergence, so that no step of a plan is taken."""
        return self.recipe == "linear_probe" and self.options.solver == "lbfgs"

    def plan(self, num_examples: int, num_devices: int = 1) -> Plan:
        """Return the steps that this configuration makes of a training set.

        The batch is never larger than the training set, and is split evenly over the devices. Both
        adjustments are logged.

        Args:
          num_examples: Size of the training set.
          num_devices: How many devices share a batch.

        Raises:
          InputError: If the training set is empty.
        """
        if num_examples < 1:
            raise InputError("the training set is empty: expected at least one image, found 0")
        batch_size = _batch_size(self, num_examples, num_devices)
        total_steps = _steps_after(self.epochs, num_examples, batch_size)
        warmup_steps = self.warmup_steps
        if self.warmup_fraction is not None:
            warmup_steps = round(self.warmup_fraction * total_steps)
        if total_steps <= warmup_steps:
            logger.warning(
                "the run never leaves warm-up: %d steps in all, %d of warm-up, so the learning rate"
                " only rises, to %.3g; give training.warmup_fraction (0.1, say) or a smaller"
                " training.warmup_steps",
                total_steps,
                warmup_steps,
                self.learning_rate * total_steps / warmup_steps,
            )
        return Plan(
            num_examples,
            batch_size,
            total_steps,
            warmup_steps,
            _eval_steps(self, num_examples, batch_size, total_steps),
            self.epochs,
        )


def check_mixing(config: TrainConfig, mixing: MixingConfig) -> None:
    """Refuse mixing with a recipe whose targets can't be mixed.

    Raises:
      InputError: Says which recipe does.
    """
    reasons: dict[str, str] = dict.fromkeys(TWO_TOWER_RECIPES, "whose targets are pairs")
    reasons["linear_probe"] = "which trains on cached features"
    if mixing.name != "none" and mixing.off_last_epochs >= config.epochs:
        logger.warning(
            "mixing.off_last_epochs is %g and training.epochs %g: nothing is mixed at all",
            mixing.off_last_epochs,
            config.epochs,
        )
    if mixing.name != "none" and config.recipe in reasons:
        raise InputError(
            f"mixing.name: expected none with training.recipe {config.recipe},"
            f" {reasons[config.recipe]}, found {mixing.name}; use training.recipe end_to_end"
        )


def check_mixed_batch(plan: Plan, mixing: MixingConfig) -> None:
    """Refuse mixing where a batch is one image.

    Raises:
      InputError: Says how large it must be.
    """
    if mixing.name != "none" and plan.batch_size < 2:
        raise InputError(
            f"mixing.name {mixing.name} mixes images of a batch with each other: expected a"
            f" training.batch_size of 2 or more, found {plan.batch_size}"
        )


def check_captions(config: TrainConfig, caption_column: str | None) -> None:
    """Refuse captions with a recipe that reads none, and the recipe that reads them without.

    Raises:
      InputError: Says which belong together.
    """
    if (caption_column is None) == (config.recipe == "contrastive"):
        raise InputError(
            "data.caption_column: expected a column of the training table with training.recipe"
            f" contrastive, and none with any other, found {caption_column!r} with {config.recipe}"
        )


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run will do, known before anything runs. A step is counted when it is complete.

    Attributes:
      num_examples: Size of the training set.
      batch_size: Images per step, over all devices.
      total_steps: Steps in all, T.
      warmup_steps: Steps of linear warm-up, w.
      eval_steps: After which steps validation accuracy is measured.
      epochs: Passes that are asked for; the last batch may run on into the next.
    """

    num_examples: int
    batch_size: int
    total_steps: int
    warmup_steps: int
    eval_steps: tuple[int, ...]
    epochs: float = math.inf

    def epoch(self, step: int) -> float:
        """Return how many of the ``epochs`` are complete after ``step``."""
        return min(step * self.batch_size / self.num_examples, self.epochs)


def _unread_options(config: TrainConfig) -> dict[str, str]:
    """Return the options that are given and that the recipe would not read, and why."""
    options, recipe = config.options, config.recipe
    unread: dict[str, str] = {}
    if recipe != "few_shot":
        unread["shots"] = "only few_shot draws a few images of each class"
    if recipe != "linear_probe":
        unread["solver"] = "only linear_probe has a choice of solvers"
    if recipe != "lp_ft" and not config.converges:
        unread["probe_c"] = "no probe is brought to convergence"
    if recipe == "linear_probe":
        unread["layer_decay"] = "a probe has no blocks"
    if config.converges:
        for field in ("ema_decay", "l2_to_theta_0", "l1", "freeze", *_DISTILLATION):
            unread[field] = "L-BFGS takes no steps that it could change; use solver adamw"
    if recipe in TWO_TOWER_RECIPES:
        unread |= dict.fromkeys(_DISTILLATION, "its loss is over pairs, not over classes")
    if not options.distill_to_theta_0:
        unread["distill_temperature"] = "it has no meaning without distill_to_theta_0"
    if recipe == "contrastive":
        unread["class_balance"] = "captions are no classes"
    default = TrainOptions()
    return {
        field: why
        for field, why in unread.items()
        if getattr(options, field) != getattr(default, field)
    }


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _batch_size(config: TrainConfig, num_examples: int, num_devices: int) -> int:
    wanted, parts = config.batch_size, config.accumulation_steps
    size = min(wanted, num_examples)
    if size < wanted:
        logger.warning(
            "the training set has %d images, fewer than training.batch_size %d: a batch is the"
            " whole set",
            num_examples,
            wanted,
        )
    multiple = num_devices * parts
    shared = max(size // multiple, 1) * multiple
    if shared != size:
        logger.warning(
            "a batch of %d doesn't split evenly over %d devices%s: training with %d; results will"
            " differ a little from those of another number of devices",
            size,
            num_devices,
            f" in {parts} parts" if parts > 1 else "",
            shared,
        )
    return shared


def _steps_after(epochs: float, num_examples: int, batch_size: int) -> int:
    return max(1, math.ceil(epochs * num_examples / batch_size - _ROUNDING))


def _eval_steps(
    config: TrainConfig, num_examples: int, batch_size: int, total_steps: int
) -> tuple[int, ...]:
    if config.eval_every_epochs is None:
        return ()
    times = math.floor(config.epochs / config.eval_every_epochs + _ROUNDING)
    steps = {
        _steps_after(index * config.eval_every_epochs, num_examples, batch_size)
        for index in range(1, times + 1)
    }
    return (*sorted(step for step in steps if step < total_steps), total_steps)
