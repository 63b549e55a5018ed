"""WiSE-FT, the whole method: fine-tune, interpolate, evaluate every alpha, choose one.

Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022 (arXiv 2109.01903):

1. *Standard fine-tuning.* Start from the zero-shot classifier ``theta_0`` (CLIP's image encoder and
   a linear head made of its text embeddings) and minimise the cross-entropy on the reference
   distribution: ``theta_1``.
2. *Weight-space ensembling.* For ``alpha`` in [0, 1] the merged classifier is

       wse(x, alpha) = f(x, (1 - alpha) * theta_0 + alpha * theta_1),

   at the inference cost of one model. alpha = 0 is zero-shot, alpha = 1 is fine-tuned.
3. Somewhere between the ends the merged model is more accurate under distribution shift than both,
   at little or no cost on the reference. alpha = 0.5 is a good default; a validation set of the
   reference may choose it; the shifted sets must not.

Every step is a pure function of parameter trees ``{"encoder", "head": {"kernel", "bias"}}``; the
trees are interpolated whole, head included, and features are normalised after the merge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.select import Selection
from wiseft_jax.evaluation.sweep import SweepResult, sweep
from wiseft_jax.training.config import TrainConfig
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.weights.interpolate import lerp

ALPHAS = tuple(step / 10 for step in range(11))
"""The grid of the paper's figures."""


@dataclasses.dataclass(frozen=True)
class WiseFT:
    """What the method returns.

    Attributes:
      theta_0: The zero-shot parameters.
      theta_1: The fine-tuned parameters.
      sweep: Rows and predictions of every dataset at every alpha.
      selection: The chosen alpha, the rule that chose it, and what it costs.
      theta_alpha: ``lerp(theta_0, theta_1, selection.alpha)``: the model to ship.
    """

    theta_0: Params
    theta_1: Params
    sweep: SweepResult
    selection: Selection
    theta_alpha: Params


def wise_ft(
    classifier: Classifier,
    theta_0: Params,
    train: Dataset,
    validation: Dataset,
    test_sets: Sequence[Dataset] = (),
    *,
    config: TrainConfig,
    alphas: Sequence[float] = ALPHAS,
    rule: str = "constant",
    select_on: str | None = None,
    run_dir: Path | None = None,
    resume: bool = False,
    fine_tune_with: Callable[..., Params] = fine_tune,
    sweep_with: Callable[..., SweepResult] = sweep,
) -> WiseFT:
    """Fine-tune ``theta_0``, then weigh it against itself: steps 1 to 3 of the paper.

    Args:
      classifier: The model as pure functions of its parameters.
      theta_0: The zero-shot parameters, from ``zero_shot_classifier``.
      train: Labelled images of the reference distribution.
      validation: Held-out images of the reference distribution; the only ones that may choose.
      test_sets: The reference test set and the shifted sets, for the report alone.
      config: How to fine-tune.
      alphas: The grid of mixing coefficients.
      rule: How to choose alpha: a name of ``evaluation.select.RULES``.
      select_on: The name of the dataset to choose on when it isn't ``validation``; naming a test or
        shifted set here is the only way to let it choose.
      run_dir: Where checkpoints and logs go; nothing is written without it.
      resume: Continue from the last checkpoint in ``run_dir``.
      fine_tune_with: ``fine_tune``, or the same with options bound (a mesh, say).
      sweep_with: ``sweep``, or the same with options bound.

    Returns:
      Both ends, the curve between them, the chosen alpha and the merged parameters.

    Example:
      >>> clip = load_clip("glyphclip")
      >>> classifier, theta_0 = zero_shot_classifier(clip, train.class_names)
      >>> result = wise_ft(classifier, theta_0, train, validation, [test, sketch], config=config)
      >>> result.selection.alpha
      0.5
    """
    theta_1 = fine_tune_with(
        classifier, theta_0, train, validation, config, run_dir=run_dir, resume=resume
    )
    result = sweep_with(classifier, theta_0, theta_1, [validation, *test_sets], alphas)
    selection = result.select(rule, select_on=select_on)
    theta_alpha = lerp(theta_0, theta_1, selection.alpha)
    return WiseFT(theta_0, theta_1, result, selection, theta_alpha)
