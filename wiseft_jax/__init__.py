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
        "Dataset": "data.source",
        "Selection": "evaluation.select",
        "SweepResult": "evaluation.sweep",
        "TrainConfig": "training.config",
        "array_dataset": "data.source",
        "export_classifier": "clip.export",
        "fine_tune": "training.fine_tune",
        "lerp": "weights.interpolate",
        "load_classifier": "clip.export",
        "load_clip": "clip.load",
        "load_dataset": "data.load",
        "read_rows": "core.results",
        "sweep": "evaluation.sweep",
        "zero_shot_classifier": "clip.classifier",
        "zero_shot_head": "clip.zero_shot",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.clip.classifier import Classifier as Classifier
    from wiseft_jax.clip.classifier import zero_shot_classifier as zero_shot_classifier
    from wiseft_jax.clip.export import export_classifier as export_classifier
    from wiseft_jax.clip.export import load_classifier as load_classifier
    from wiseft_jax.clip.load import Clip as Clip
    from wiseft_jax.clip.load import load_clip as load_clip
    from wiseft_jax.clip.zero_shot import zero_shot_head as zero_shot_head
    from wiseft_jax.core.results import read_rows as read_rows
    from wiseft_jax.data.load import load_dataset as load_dataset
    from wiseft_jax.data.source import Dataset as Dataset
    from wiseft_jax.data.source import array_dataset as array_dataset
    from wiseft_jax.evaluation.select import Selection as Selection
    from wiseft_jax.evaluation.sweep import SweepResult as SweepResult
    from wiseft_jax.evaluation.sweep import sweep as sweep
    from wiseft_jax.training.config import TrainConfig as TrainConfig
    from wiseft_jax.training.fine_tune import fine_tune as fine_tune
    from wiseft_jax.weights.interpolate import lerp as lerp
