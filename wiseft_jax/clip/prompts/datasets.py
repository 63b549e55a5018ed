"""Templates of the data sets that the CLIP papers report, and of the WILDS.

Sources: openai/CLIP, ``data/prompts.md`` (MIT licence; Radford et al. 2021, arXiv 2103.00020), for
all but these: mlfoundations/wise-ft, ``src/templates`` (MIT licence), for FMoW and iWildCam;
LAION-AI/CLIP_benchmark (MIT licence) for SVHN, which ``prompts.md`` doesn't have. Typing errors are
theirs.
"""

from __future__ import annotations

CIFAR_TEMPLATES = (
    "a photo of a {}.",
    "a blurry photo of a {}.",
    "a black and white photo of a {}.",
    "a low contrast photo of a {}.",
    "a high contrast photo of a {}.",
    "a bad photo of a {}.",
    "a good photo of a {}.",
    "a photo of a small {}.",
    "a photo of a big {}.",
    "a photo of the {}.",
    "a blurry photo of the {}.",
    "a black and white photo of the {}.",
    "a low contrast photo of the {}.",
    "a high contrast photo of the {}.",
    "a bad photo of the {}.",
    "a good photo of the {}.",
    "a photo of the small {}.",
    "a photo of the big {}.",
)
"""Of CIFAR-10 and of CIFAR-100."""

CARS_TEMPLATES = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a photo of my {}.",
    "i love my {}!",
    "a photo of my dirty {}.",
    "a photo of my clean {}.",
    "a photo of my new {}.",
    "a photo of my old {}.",
)

DTD_TEMPLATES = (
    "a photo of a {} texture.",
    "a photo of a {} pattern.",
    "a photo of a {} thing.",
    "a photo of a {} object.",
    "a photo of the {} texture.",
    "a photo of the {} pattern.",
    "a photo of the {} thing.",
    "a photo of the {} object.",
)

EUROSAT_TEMPLATES = (
    "a centered satellite photo of {}.",
    "a centered satellite photo of a {}.",
    "a centered satellite photo of the {}.",
)

FOOD101_TEMPLATES = ("a photo of {}, a type of food.",)

GTSRB_TEMPLATES = (
    'a zoomed in photo of a "{}" traffic sign.',
    'a centered photo of a "{}" traffic sign.',
    'a close up photo of a "{}" traffic sign.',
)

MNIST_TEMPLATES = ('a photo of the number: "{}".',)

RESISC45_TEMPLATES = (
    "satellite imagery of {}.",
    "aerial imagery of {}.",
    "satellite photo of {}.",
    "aerial photo of {}.",
    "satellite view of {}.",
    "aerial view of {}.",
    "satellite imagery of a {}.",
    "aerial imagery of a {}.",
    "satellite photo of a {}.",
    "aerial photo of a {}.",
    "satellite view of a {}.",
    "aerial view of a {}.",
    "satellite imagery of the {}.",
    "aerial imagery of the {}.",
    "satellite photo of the {}.",
    "aerial photo of the {}.",
    "satellite view of the {}.",
    "aerial view of the {}.",
)

SUN397_TEMPLATES = (
    "a photo of a {}.",
    "a photo of the {}.",
)

SVHN_TEMPLATES = (
    "a photo of the number {} written on a sign",
    "an outdoor house number {}",
    "the number {} in the center of the image",
    "an outdoor number {} writte on a sign",
    "an outdoor number {}",
    "a centered image of the number {}",
)

FMOW_TEMPLATES = (
    "satellite photo of a {}.",
    "aerial photo of a {}.",
    "satellite photo of {an}.",
    "aerial photo of {an}.",
    "satellite photo of a {} in asia.",
    "aerial photo of a {} in asia.",
    "satellite photo of a {} in africa.",
    "aerial photo of a {} in africa.",
    "satellite photo of a {} in the americas.",
    "aerial photo of a {} in the americas.",
    "satellite photo of a {} in europe.",
    "aerial photo of a {} in europe.",
    "satellite photo of a {} in oceania.",
    "aerial photo of a {} in oceania.",
    "a photo of a {}.",
    "{}.",
)
"""``{an}`` is the class with its article, underscores as spaces."""

IWILDCAM_TEMPLATES = (
    "a photo of {}.",
    "{} in the wild.",
)
