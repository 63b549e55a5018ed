"""What the papers measured, as data: the numbers that presets are held to.

Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv 2109.01903v3: ImageNet's
validation set, the unweighted mean of its five shifts, and the shifts one by one. Which of its
tables a row is in isn't recorded. What no source at hand says isn't here: such a preset's numbers
are "not recorded".
"""

from __future__ import annotations

import dataclasses

from wiseft_jax.reporting.series import MEAN_OF_SHIFTS

WISE_FT = "arXiv 2109.01903v3; which table: not recorded"

IMAGENET = "imagenet-val"
IMAGENET_SHIFTS = (
    "imagenet-v2-test",
    "imagenet-r-test",
    "imagenet-sketch-test",
    "objectnet-test",
    "imagenet-a-test",
)
"""The sets of "average of the shifts", by the names that their specs give them."""

SET_SIZES = {
    IMAGENET: 50_000,
    "imagenet-v2-test": 10_000,
    "imagenet-r-test": 30_000,
    "imagenet-sketch-test": 50_889,
    "objectnet-test": 18_574,
    "imagenet-a-test": 7_500,
}
"""Set -> its images: a part of it, or more, isn't what the paper measured on."""

ROUNDED_TO = 0.001
"""The papers print tenths of a percentage point."""


OBJECTNET_CAVEAT = (
    "ObjectNet: the border of 2 pixels is cropped here, and the reference implementation never"
    " crops it; whether the paper's numbers come from that code isn't recorded."
)
"""Of its own numbers, and of the mean of the shifts."""


@dataclasses.dataclass(frozen=True)
class PaperNumber:
    """One accuracy that a paper reports.

    Attributes:
      preset: The preset of its experiment, ``task/name``.
      model: The CLIP.
      recipe: How it was fine-tuned.
      alpha: 0 is zero-shot, 1 is fine-tuned.
      dataset: The set's name in a run's rows, or ``MEAN_OF_SHIFTS``.
      value: The accuracy, a fraction.
      source: Where it is printed.
    """

    preset: str
    model: str
    recipe: str
    alpha: float
    dataset: str
    value: float
    source: str


_BY_ALPHA: dict[tuple[str, str, str], tuple[tuple[float, float, float], ...]] = {
    ("imagenet/vit_b16", "ViT-B/16", "end_to_end"): (
        (0.0, 0.683, 0.581),
        (0.1, 0.729, 0.608),
        (0.2, 0.764, 0.625),
        (0.3, 0.789, 0.633),
        (0.4, 0.805, 0.635),
        (0.5, 0.817, 0.630),
        (0.6, 0.824, 0.619),
        (0.7, 0.826, 0.606),
        (0.8, 0.825, 0.589),
        (0.9, 0.821, 0.566),
        (1.0, 0.813, 0.538),
    ),
    ("imagenet/vit_b16_linear", "ViT-B/16", "linear_probe"): (
        (0.0, 0.684, 0.584),
        (0.5, 0.782, 0.610),
        (1.0, 0.799, 0.572),
    ),
    ("imagenet/vit_l14_336", "ViT-L/14@336px", "end_to_end"): (
        (0.0, 0.766, 0.733),
        (0.2, 0.832, 0.767),
        (0.4, 0.862, 0.773),
        (0.5, 0.868, 0.769),
        (0.7, 0.871, 0.749),
        (1.0, 0.862, 0.686),
    ),
}
"""(preset, model, recipe) -> alpha, accuracy on ImageNet, mean of the five shifts."""

_B16_AT_HALF = {
    "imagenet-v2-test": 0.728,
    "imagenet-r-test": 0.787,
    "imagenet-sketch-test": 0.539,
    "objectnet-test": 0.573,
    "imagenet-a-test": 0.522,
}
"""Shift -> accuracy of ViT-B/16, end to end, at alpha 0.5."""

PAPER_NUMBERS: tuple[PaperNumber, ...] = (
    *(
        PaperNumber(*experiment, alpha, dataset, value, WISE_FT)
        for experiment, rows in _BY_ALPHA.items()
        for alpha, reference, shifts in rows
        for dataset, value in ((IMAGENET, reference), (MEAN_OF_SHIFTS, shifts))
    ),
    *(
        PaperNumber("imagenet/vit_b16", "ViT-B/16", "end_to_end", 0.5, dataset, value, WISE_FT)
        for dataset, value in _B16_AT_HALF.items()
    ),
)
"""Every number, experiment by experiment."""


def numbers_of(preset: str) -> tuple[PaperNumber, ...]:
    """Return what the paper says of a preset's experiment; empty: not recorded.

    Example:
      >>> numbers_of("imagenet/vit_b16")[0].value
      0.683
    """
    return tuple(each for each in PAPER_NUMBERS if each.preset == preset)


def presets_with_numbers() -> tuple[str, ...]:
    """Return the presets of which numbers are recorded."""
    return tuple(dict.fromkeys(each.preset for each in PAPER_NUMBERS))


def summary_of(preset: str) -> str:
    """Return the numbers at alpha 0.5, as text in %: ImageNet, then the mean of the shifts.

    Example:
      >>> summary_of("imagenet/vit_b16")
      '81.7, 63.0'
    """
    found = {each.dataset: each.value for each in numbers_of(preset) if each.alpha == 0.5}
    if IMAGENET not in found or MEAN_OF_SHIFTS not in found:
        return "not recorded"
    reference, shifts = 100 * found[IMAGENET], 100 * found[MEAN_OF_SHIFTS]
    return f"{reference:.1f}, {shifts:.1f}"
