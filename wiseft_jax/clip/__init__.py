"""The CLIP part: loading, towers, prompts, zero-shot head, classifier, export, retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Classifier": "classifier",
        "Clip": "load",
        "SALIENCY": "saliency",
        "class_directions": "saliency",
        "export_classifier": "export",
        "load_classifier": "export",
        "load_clip": "load",
        "saliency_maps": "saliency",
        "saliency_scores": "saliency",
        "zero_shot_classifier": "classifier",
        "zero_shot_head": "zero_shot",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.clip.classifier import Classifier as Classifier
    from wiseft_jax.clip.classifier import zero_shot_classifier as zero_shot_classifier
    from wiseft_jax.clip.export import export_classifier as export_classifier
    from wiseft_jax.clip.export import load_classifier as load_classifier
    from wiseft_jax.clip.load import Clip as Clip
    from wiseft_jax.clip.load import load_clip as load_clip
    from wiseft_jax.clip.saliency import SALIENCY as SALIENCY
    from wiseft_jax.clip.saliency import class_directions as class_directions
    from wiseft_jax.clip.saliency import saliency_maps as saliency_maps
    from wiseft_jax.clip.saliency import saliency_scores as saliency_scores
    from wiseft_jax.clip.zero_shot import zero_shot_head as zero_shot_head
