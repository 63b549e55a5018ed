"""The table of prompt sets."""

from __future__ import annotations

import dataclasses

from wiseft_jax.clip.prompts.datasets import (
    CARS_TEMPLATES,
    CIFAR_TEMPLATES,
    DTD_TEMPLATES,
    EUROSAT_TEMPLATES,
    FMOW_TEMPLATES,
    FOOD101_TEMPLATES,
    GTSRB_TEMPLATES,
    IWILDCAM_TEMPLATES,
    MNIST_TEMPLATES,
    RESISC45_TEMPLATES,
    SUN397_TEMPLATES,
    SVHN_TEMPLATES,
)
from wiseft_jax.clip.prompts.imagenet import IMAGENET_TEMPLATES


@dataclasses.dataclass(frozen=True)
class PromptSet:
    """Templates with where they come from.

    ``{}`` stands for the class name, ``{an}`` for the class name with its article.

    Attributes:
      templates: The templates, in the source's order.
      source: Where they were published.
      licence: The source's licence.
    """

    templates: tuple[str, ...]
    source: str
    licence: str


PROMPT_SETS: dict[str, PromptSet] = {
    "cars": PromptSet(
        CARS_TEMPLATES,
        source="openai/CLIP, data/prompts.md (StanfordCars)",
        licence="MIT",
    ),
    "cifar10": PromptSet(
        CIFAR_TEMPLATES,
        source="openai/CLIP, data/prompts.md (CIFAR10)",
        licence="MIT",
    ),
    "cifar100": PromptSet(
        CIFAR_TEMPLATES,
        source="openai/CLIP, data/prompts.md (CIFAR100)",
        licence="MIT",
    ),
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
    "dtd": PromptSet(
        DTD_TEMPLATES,
        source="openai/CLIP, data/prompts.md (DescribableTextures)",
        licence="MIT",
    ),
    "eurosat": PromptSet(
        EUROSAT_TEMPLATES,
        source="openai/CLIP, data/prompts.md (EuroSAT)",
        licence="MIT",
    ),
    "fmow": PromptSet(
        FMOW_TEMPLATES,
        source="mlfoundations/wise-ft, src/templates/fmow_template.py",
        licence="MIT",
    ),
    "food101": PromptSet(
        FOOD101_TEMPLATES,
        source="openai/CLIP, data/prompts.md (Food101)",
        licence="MIT",
    ),
    "gtsrb": PromptSet(
        GTSRB_TEMPLATES,
        source="openai/CLIP, data/prompts.md (GTSRB)",
        licence="MIT",
    ),
    "imagenet": PromptSet(
        IMAGENET_TEMPLATES,
        source="openai/CLIP, notebooks/Prompt_Engineering_for_ImageNet.ipynb",
        licence="MIT",
    ),
    "iwildcam": PromptSet(
        IWILDCAM_TEMPLATES,
        source="mlfoundations/wise-ft, src/templates/iwildcam_template.py",
        licence="MIT",
    ),
    "mnist": PromptSet(
        MNIST_TEMPLATES,
        source="openai/CLIP, data/prompts.md (MNIST)",
        licence="MIT",
    ),
    "resisc45": PromptSet(
        RESISC45_TEMPLATES,
        source="openai/CLIP, data/prompts.md (RESISC45)",
        licence="MIT",
    ),
    "simple": PromptSet(
        ("a photo of a {}.",),
        source="Radford et al. 2021, arXiv 2103.00020, section 3.1.4",
        licence="MIT",
    ),
    "sun397": PromptSet(
        SUN397_TEMPLATES,
        source="openai/CLIP, data/prompts.md (SUN397)",
        licence="MIT",
    ),
    "svhn": PromptSet(
        SVHN_TEMPLATES,
        source="LAION-AI/CLIP_benchmark, en_zeroshot_classification_templates.json (svhn)",
        licence="MIT",
    ),
}
