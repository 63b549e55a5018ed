"""Shared types, and the glossary of array axes.

Axes: ``B`` batch, ``H`` height, ``W`` width, ``C`` channels, ``N`` examples, ``K`` classes,
``D`` feature width, ``T`` tokens (context length), ``A`` alphas.

Images are ``uint8[B, H, W, 3]`` (RGB, NHWC) up to the device; the classifier normalises them inside
the compiled function. Labels are ``int32``; -1 marks an example that doesn't count (padding).
Accuracies are fractions in [0, 1]. ``alpha`` 0 is zero-shot, 1 is fine-tuned.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

PyTree: TypeAlias = Any
"""A tree of arrays."""

Params: TypeAlias = PyTree
"""A nested ``dict[str, ...]`` of arrays."""

Role: TypeAlias = Literal["reference", "shift", "matched_reference"]
"""What a set is a sample of. ``matched_reference``: images of the reference, but of those classes
alone that a shift has; the axis that the shift is set against, and no shift itself."""

Split: TypeAlias = Literal["train", "validation", "test"]
ComputeDtype: TypeAlias = Literal["float32", "bfloat16"]
TowerName: TypeAlias = Literal["transformers", "scan"]
Remat: TypeAlias = Literal["none", "dots", "full"]
"""What a backward pass recomputes: nothing, all but the matmuls, everything in a layer."""
