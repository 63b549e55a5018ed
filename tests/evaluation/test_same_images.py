"""Sets that show the same images: found by ids and labels, whatever the sets are called."""

from __future__ import annotations

import dataclasses

import numpy as np

from tests.studies.grids import predictions
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.same_images import first_with_images


def made(name: str, count: int = 6) -> Predictions:
    return predictions(np.ones((2, count), bool), (0.0, 1.0), name, "test", "shift")


def test_sets_with_the_same_ids_but_for_their_name_and_the_same_labels_are_one():
    others = dataclasses.replace(made("c"), labels=np.array([0, 0, 1, 0, 0, 0], np.int32))
    files = tuple(f"{place}.png" for place in range(6))
    named = [dataclasses.replace(made(name), ids=files) for name in ("d", "e")]
    turned = dataclasses.replace(made("f"), ids=files[::-1])
    sets = [made("a"), made("b"), others, *named, turned, made("g", 5)]
    assert first_with_images(sets) == {
        "a": "a", "b": "a", "c": "c", "d": "d", "e": "d", "f": "f", "g": "g",
    }  # fmt: skip
