"""The table of prompt sets."""

from __future__ import annotations

import dataclasses

from wiseft_jax.clip.prompts.imagenet import IMAGENET_TEMPLATES


@dataclasses.dataclass(frozen=True)
class PromptSet:
    """Templates with where they come from; ``{}`` stands for the class name.

    Attributes:
      templates: The templates, in the source's order.
      source: Where they were published.
      licence: The source's licence.
    """

    templates: tuple[str, ...]
    source: str
    licence: str


PROMPT_SETS: dict[str, PromptSet] = {
    "digits": PromptSet(
        (
            "a photo of the digit {}.",
            "a photo of the number {}.",
            "an image of the handwritten digit {}.",
            "a picture of the printed digit {}.",
            "the digit {}.",
        ),
        source="this project, for the embedded GlyphCLIP",
        licence="Apache-2.0",
    ),
    "imagenet": PromptSet(
        IMAGENET_TEMPLATES,
        source="openai/CLIP, notebooks/Prompt_Engineering_for_ImageNet.ipynb",
        licence="MIT",
    ),
    "simple": PromptSet(
        ("a photo of a {}.",),
        source="Radford et al. 2021, arXiv 2103.00020, section 3.1.4",
        licence="MIT",
    ),
}
