"""The CLIP part: loading, towers, prompts, zero-shot head, classifier, export, retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Classifier": "classifier",
        "Clip": "load",
        "export_classifier": "export",
        "load_classifier": "export",
        "load_clip": "load",
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
    from wiseft_jax.clip.zero_shot import zero_shot_head as zero_shot_head
