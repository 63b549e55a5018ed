"""Evaluation across alphas: sweep, stored predictions, selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "CurveConfig": "curve_config",
        "Predictions": "predictions",
        "RULES": "select",
        "RaceConfig": "race_config",
        "Selection": "select",
        "SweepResult": "sweep",
        "benchmark_rules": "rule_costs",
        "evaluate": "evaluator",
        "race": "racing",
        "select_alpha": "select",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.evaluation.curve_config import CurveConfig as CurveConfig
    from wiseft_jax.evaluation.evaluator import evaluate as evaluate
    from wiseft_jax.evaluation.predictions import Predictions as Predictions
    from wiseft_jax.evaluation.race_config import RaceConfig as RaceConfig
    from wiseft_jax.evaluation.racing import race as race
    from wiseft_jax.evaluation.rule_costs import benchmark_rules as benchmark_rules
    from wiseft_jax.evaluation.select import RULES as RULES
    from wiseft_jax.evaluation.select import Selection as Selection
    from wiseft_jax.evaluation.select import select_alpha as select_alpha
    from wiseft_jax.evaluation.sweep import SweepResult as SweepResult
