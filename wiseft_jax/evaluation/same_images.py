"""Which sets show the same images: corruptions and copies of one test set, say.

What several such sets have in common (an image that is hard in all of them) doesn't cancel in the
mean over sets, so that an interval of it which takes them as independent is too narrow.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from wiseft_jax.core.hashing import hash_json
from wiseft_jax.evaluation.predictions import Predictions


def first_with_images(sets: Iterable[Predictions]) -> dict[str, str]:
    """Return set -> the first one that shows the same images, in the same order.

    Sets of as many examples with the same labels and the same ids, apart from the set's own name
    before them (``rotated[3]`` and ``noisy[3]``). Of sets that are alike by chance nothing is lost:
    images that have nothing in common agree as often as chance says.

    Args:
      sets: In the order of which the first counts.
    """
    firsts: dict[str, str] = {}
    found = {}
    for each in sets:
        ids = [name.removeprefix(each.dataset) for name in each.ids]
        key = hash_json([ids, np.asarray(each.labels).tolist()])
        found[each.dataset] = firsts.setdefault(key, each.dataset)
    return found
