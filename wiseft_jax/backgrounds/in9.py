"""ImageNet-9: nine classes, and which of ImageNet's thousand belong to each.

Source: Xiao, Engstrom, Ilyas and Madry, "Noise or Signal: The Role of Image Backgrounds in Object
Recognition", ICLR 2021 (arXiv 2006.09994), and MadryLab/backgrounds_challenge, whose
``in_to_in9.json`` is the map (commit 46d224bb02a2); a test holds the SHA-256 of its content.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int, Integer

from wiseft_jax.core.errors import InputError

IN9_CLASSES: tuple[str, ...] = (
    "00_dog",
    "01_bird",
    "02_wheeled vehicle",
    "03_reptile",
    "04_carnivore",
    "05_insect",
    "06_musical instrument",
    "07_primate",
    "08_fish",
)
"""The release's folders, spaces and all; sorted order gives the label."""

IN9_NAMES: tuple[str, ...] = tuple(folder.split("_", 1)[1] for folder in IN9_CLASSES)
"""What a prompt says for each."""

NOT_IN_IN9 = -1
IMAGENET_CLASSES = 1000

_MEMBERS: tuple[str, ...] = (
    "151-170 173-268",
    "7-24 87-100 127-146",
    "407 408 428 436 444 468 511 547 555 561 565 569 573 586 603 609 612 627 656 661 665 670 671"
    " 675 690 705 717 734 751 757 791 802 803 817 820 829 847 864 866 867 870 880",
    "33-68",
    "269-280 286-299 356-362 387-388",
    "300-326",
    "401 402 420 432 486 494 513 541 546 558 566 577 579 593 594 641 642 683 684 687 699 776 822"
    " 875 881 889",
    "365-384",
    "0-6 389-397",
)
"""ImageNet's indices of each class, ranges inclusive."""


def _indices(text: str) -> Iterator[int]:
    for part in text.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _make_map() -> Int[np.ndarray, "1000"]:
    found = np.full(IMAGENET_CLASSES, NOT_IN_IN9, np.int32)
    for label, text in enumerate(_MEMBERS):
        found[list(_indices(text))] = label
    found.setflags(write=False)
    return found


IMAGENET_TO_IN9: Int[np.ndarray, "1000"] = _make_map()
"""ImageNet's index -> label of ImageNet-9; -1 for the 630 classes that are in none. Read-only."""


def to_in9(predictions: Integer[np.ndarray, "*N"]) -> Int[np.ndarray, "*N"]:
    """Return ImageNet-9's labels of predictions among ImageNet's thousand classes.

    The arg max is taken over all thousand logits first; a prediction outside of the nine classes
    becomes -1 and is wrong, whatever the label.

    Args:
      predictions: Indices in 0..999.

    Raises:
      InputError: If an index is out of range.
    """
    wrong = (predictions < 0) | (predictions >= IMAGENET_CLASSES)
    if wrong.any():
        found = predictions[wrong].ravel()[0]
        raise InputError(f"predictions: expected ImageNet's indices 0 to 999, found {found}")
    return IMAGENET_TO_IN9[predictions]
