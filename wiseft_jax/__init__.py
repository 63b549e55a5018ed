"""WiSE-FT, SmoothMix and Noise-or-Signal in JAX: robust fine-tuning and weight-space methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__version__ = "0.1.0"

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Classifier": "clip.classifier",
        "Clip": "clip.load",
        "CurveConfig": "evaluation.curve_config",
        "Dataset": "data.source",
        "LearnAlphasConfig": "training.learn_config",
        "LogitClassifier": "clip.logit_classifier",
        "RaceConfig": "evaluation.race_config",
        "Selection": "evaluation.select",
        "SweepResult": "evaluation.sweep",
        "TrainConfig": "training.config",
        "array_dataset": "data.source",
        "benchmark_rules": "evaluation.rule_costs",
        "best_set": "core.paired",
        "curve": "evaluation.curve",
        "delta_logits": "clip.delta",
        "evaluate": "evaluation.evaluator",
        "export_classifier": "clip.export",
        "fine_tune": "training.fine_tune",
        "learn_alphas": "training.learn_alphas",
        "lerp": "weights.interpolate",
        "load_classifier": "clip.export",
        "load_clip": "clip.load",
        "load_dataset": "data.load",
        "mcnemar": "core.paired",
        "race": "evaluation.racing",
        "read_rows": "core.results",
        "sweep": "evaluation.sweep",
        "zero_shot_classifier": "clip.classifier",
        "zero_shot_head": "clip.zero_shot",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.clip.classifier import Classifier as Classifier
    from wiseft_jax.clip.classifier import zero_shot_classifier as zero_shot_classifier
    from wiseft_jax.clip.delta import delta_logits as delta_logits
    from wiseft_jax.clip.export import export_classifier as export_classifier
    from wiseft_jax.clip.export import load_classifier as load_classifier
    from wiseft_jax.clip.load import Clip as Clip
    from wiseft_jax.clip.load import load_clip as load_clip
    from wiseft_jax.clip.logit_classifier import LogitClassifier as LogitClassifier
    from wiseft_jax.clip.zero_shot import zero_shot_head as zero_shot_head
    from wiseft_jax.core.paired import best_set as best_set
    from wiseft_jax.core.paired import mcnemar as mcnemar
    from wiseft_jax.core.results import read_rows as read_rows
    from wiseft_jax.data.load import load_dataset as load_dataset
    from wiseft_jax.data.source import Dataset as Dataset
    from wiseft_jax.data.source import array_dataset as array_dataset
    from wiseft_jax.evaluation.curve import curve as curve
    from wiseft_jax.evaluation.curve_config import CurveConfig as CurveConfig
    from wiseft_jax.evaluation.evaluator import evaluate as evaluate
    from wiseft_jax.evaluation.race_config import RaceConfig as RaceConfig
    from wiseft_jax.evaluation.racing import race as race
    from wiseft_jax.evaluation.rule_costs import benchmark_rules as benchmark_rules
    from wiseft_jax.evaluation.select import Selection as Selection
    from wiseft_jax.evaluation.sweep import SweepResult as SweepResult
    from wiseft_jax.evaluation.sweep import sweep as sweep
    from wiseft_jax.training.config import TrainConfig as TrainConfig
    from wiseft_jax.training.fine_tune import fine_tune as fine_tune
    from wiseft_jax.training.learn_alphas import learn_alphas as learn_alphas
    from wiseft_jax.training.learn_config import LearnAlphasConfig as LearnAlphasConfig
    from wiseft_jax.weights.interpolate import lerp as lerp
