"""The start of programs that run in several processes: two ends, and sets of odd sizes."""

from __future__ import annotations

UNEVEN_SETS = """
import dataclasses

import jax
import numpy as np

from tests.training.toy import CLASS_NAMES, toy_classifier, toy_dataset
from wiseft_jax.core.distributed import gather_json
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.data.source import ArraySource

class TwoBadImages(ArraySource):
    def read(self, index):
        return b"not an image" if index in (4, 11) else super().read(index)

classifier, theta_0 = toy_classifier()
_, theta_1 = toy_classifier(seed=1)
squares = toy_dataset(21, seed=7, name="two-bad")
source = TwoBadImages(squares.source.images, squares.labels, CLASS_NAMES, "two-bad")
datasets = [
    toy_dataset(37, name="uneven"),
    toy_dataset(3, seed=5, name="fewer-than-a-batch"),
    dataclasses.replace(squares, source=source, on_bad_image="skip"),
]
"""
"""``classifier``, ``theta_0``, ``theta_1``, ``datasets``, and what a test's own part needs."""
