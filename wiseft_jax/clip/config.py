"""Which model an experiment starts from; imports nothing heavy until it is loaded."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

from wiseft_jax.clip.reading import Activation, Reading
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.typing import ComputeDtype, Remat, TowerName

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Which CLIP, and how its zero-shot head is made."""

    name: str = "glyphclip"
    """`glyphclip` (the small embedded one), a directory, a `.safetensors` file, or a hub id."""
    templates: str = "simple"
    """A prompt set (`simple`, `imagenet`, `digits`), or a text or JSON file of templates."""
    compute_dtype: ComputeDtype = "float32"
    """Precision of the towers; parameters, optimizer, reductions and the head stay float32."""
    tower: TowerName = "transformers"
    """`transformers`: its Flax modules; `scan`: ours on the same parameters, lean and fast."""
    remat: Remat = "none"
    """What a backward pass computes again: `none`, all but matmuls (`dots`), or all (`full`)."""
    base: str = ""
    """Another CLIP, whose text side goes with `name`, of which only the image tower is read."""
    allow_missing: tuple[str, ...] = ()
    """Patterns (`visual.ln_*`) of tensors that may be missing from the file, or be in excess."""
    activation: Activation = "auto"
    """Of an OpenCLIP file: `gelu`, `quick_gelu`, or what its configuration says (`auto`)."""
    image_size: int | None = None
    """Side of the images in pixels, to which positions are interpolated; else the model's own."""

    def __post_init__(self) -> None:
        """Check the size."""
        if self.image_size is not None and self.image_size < 1:
            raise InputError(f"model.image_size: expected pixels, found {self.image_size}")

    def reading(self) -> Reading:
        """Return how the checkpoint is read."""
        return Reading(self.base, self.allow_missing, self.activation, self.image_size)


def load_model(
    config: ModelConfig,
    class_names: Sequence[str],
    *,
    two_towers: bool = False,
    repeats: bool = False,
) -> tuple[Any, Any]:
    """Return ``(classifier, theta_0)``: the zero-shot classifier of ``class_names``.

    Args:
      config: Which CLIP.
      class_names: The classes.
      two_towers: Whether the classifier makes its head of a text tower in ``theta_0``, which may be
        trained; else the head is in ``theta_0``.
      repeats: Whether a name may stand for several classes; see ``check_class_names``.
    """
    from wiseft_jax.clip.classifier import zero_shot_classifier
    from wiseft_jax.core.distributed import same_parameters

    make: Any = zero_shot_classifier
    if two_towers:
        from wiseft_jax.clip.two_towers import two_tower_classifier as make
    clip = _load(config)
    classifier, theta_0 = make(clip, tuple(class_names), config.templates, repeats=repeats)
    return classifier, same_parameters(theta_0)


def load_shapes(
    config: ModelConfig,
    class_names: Sequence[str],
    *,
    two_towers: bool = False,
    repeats: bool = False,
) -> tuple[Any, Any]:
    """Return what ``load_model`` does, with shapes in place of parameters; no prompt is embedded.

    The checkpoint is read, so that one that can't be is found.

    Args:
      config: Which CLIP.
      class_names: The classes.
      two_towers: As in ``load_model``.
      repeats: As in ``load_model``.

    Returns:
      ``(classifier, theta)``, the latter of ``jax.ShapeDtypeStruct``.
    """
    from wiseft_jax.clip.classifier import shaped_classifier

    make: Any = shaped_classifier
    if two_towers:
        from wiseft_jax.clip.two_towers import shaped_two_tower_classifier as make
    return make(_load(config), tuple(class_names), config.templates, repeats=repeats)


def _load(config: ModelConfig) -> Any:
    from wiseft_jax.clip.load import load_clip

    if config.name == "glyphclip" and config.templates != "digits":
        warn_of_photographs("model.name")
    options = (config.compute_dtype, config.tower, config.remat)
    return load_clip(config.name, *options, reading=config.reading())


def warn_of_photographs(option: str) -> None:
    """Warn that the embedded model, which an option names, isn't made for photographs.

    Args:
      option: What names it.
    """
    logger.warning(
        "%s: the embedded glyphclip knows rendered digits and letters only; photographs want"
        " another CLIP, a directory or a hub id",
        option,
    )
