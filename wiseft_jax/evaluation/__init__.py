"""Evaluation across alphas: sweep, stored predictions, selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Predictions": "predictions",
        "RULES": "select",
        "Selection": "select",
        "SweepResult": "sweep",
        "evaluate": "evaluator",
        "select_alpha": "select",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.evaluation.evaluator import evaluate as evaluate
    from wiseft_jax.evaluation.predictions import Predictions as Predictions
    from wiseft_jax.evaluation.select import RULES as RULES
    from wiseft_jax.evaluation.select import Selection as Selection
    from wiseft_jax.evaluation.select import select_alpha as select_alpha
    from wiseft_jax.evaluation.sweep import SweepResult as SweepResult
