"""What a recipe hands to the loop: which parameters are trained, on what, by which function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.typing import Params, PyTree
from wiseft_jax.data.source import Dataset
from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.training.config import Plan, TrainConfig
from wiseft_jax.training.step import LogitsFn, LossFn


@dataclasses.dataclass(frozen=True)
class Problem:
    """One fine-tuning problem.

    Batches are dictionaries with ``label``, ``mask``, ``index`` (position in the dataset, stays on
    the host) and what ``logits`` reads.

    Attributes:
      params: The parameters that are trained: all of them, for weight decay falls on each; frozen
        ones may be among them, where ``factors`` says so.
      logits: ``(evaluated parameters, batch) -> logits``, pure.
      batches: ``start_step -> batches``; endless, batch k a pure function of (seed, k).
      eval_batches: Dataset -> its batches, every example once, padding masked. Both are iterators
        with ``close()``.
      theta: Trained parameters -> the classifier's whole tree.
      loss: What is minimised; None: the cross-entropy of ``logits``.
      evaluated: Trained parameters -> those that ``logits`` takes, made once a validation.
      factors: What ``learning_rate_factors`` returned.
      solved: Whether ``params`` are the result already, and no step is to be taken.
    """

    params: Params
    logits: LogitsFn
    batches: Callable[[int], Any]
    eval_batches: Callable[[Dataset], Any]
    theta: Callable[[Params], Params]
    loss: LossFn | None = None
    evaluated: Callable[[Params], Params] = lambda params: params
    factors: PyTree | None = None
    solved: bool = False


@dataclasses.dataclass(frozen=True)
class Task:
    """What a recipe is made from.

    Attributes:
      classifier: The model.
      theta_0: The zero-shot parameters.
      train: The training set.
      config: How to fine-tune.
      plan: The steps of the run.
      layout: The devices, and how parameters lie on them.
      num_threads: Decoding threads.
      mixing: How images are mixed, in recipes that train on images.
      validation: Held-out images; L-BFGS chooses its penalty on them.
      run_dir: Where a probe by L-BFGS is kept; None: nowhere.
      resume: Whether the one that is there is taken.
    """

    classifier: Classifier
    theta_0: Params
    train: Dataset
    config: TrainConfig
    plan: Plan
    layout: Layout
    num_threads: int = 16
    mixing: MixingConfig = MixingConfig()
    validation: Dataset | None = None
    run_dir: Path | None = None
    resume: bool = False

    def without_steps(self) -> Task:
        """Return the task of a problem that is solved already."""
        plan = dataclasses.replace(self.plan, total_steps=0, warmup_steps=0, eval_steps=())
        return dataclasses.replace(self, plan=plan)


def device_batch(batch: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a host batch that goes to the devices."""
    return {name: value for name, value in batch.items() if name != "index"}
