"""Saliency maps once they are arrays: which methods there are, enlarging a map, numbers of a map.

A map has a number for each place of an image, on the patches' grid or at the pixels. Numbers are of
raw maps; stretching one to [0, 1] is for pictures alone (``reporting``). Imports no jax.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32
from PIL import Image

from wiseft_jax.core.errors import InputError

MethodName: TypeAlias = Literal[
    "grad_cam",
    "gradient_x_input",
    "smooth_grad",
    "integrated_gradients",
    "attention_rollout",
    "chefer",
]
Enlarging: TypeAlias = Literal["nearest", "bilinear", "bicubic"]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclasses.dataclass(frozen=True)
class MethodFacts:
    """What a reader of a method's maps must know.

    Attributes:
      label: Its name in pictures.
      grid: Where it has a value: at ``patches`` or at ``pixels``.
      signed: Whether negative values mean something: evidence against.
      class_agnostic: Whether the map is the same for every class and text: then it explains none.
    """

    label: str
    grid: Literal["patches", "pixels"]
    signed: bool = False
    class_agnostic: bool = False


METHODS: dict[str, MethodFacts] = {
    "grad_cam": MethodFacts("Grad-CAM", "patches"),
    "gradient_x_input": MethodFacts("gradient x input", "pixels", signed=True),
    "smooth_grad": MethodFacts("SmoothGrad", "pixels"),
    "integrated_gradients": MethodFacts("integrated gradients", "pixels", signed=True),
    "attention_rollout": MethodFacts("attention rollout", "patches", class_agnostic=True),
    "chefer": MethodFacts("Chefer relevance", "patches"),
    "class_activation": MethodFacts("class activation", "patches", signed=True),
}
"""Method -> facts; ``clip.saliency.SALIENCY`` has the functions of all but the last.

``class_activation`` is that of a ResNet (``clip.resnet``), whose grid is its last convolution's.
"""


def enlarge_map(
    values: Float[np.ndarray, "h w"], height: int, width: int, how: Enlarging = "nearest"
) -> Float32[np.ndarray, "H W"]:
    """Return a map at the pixels of an image, by Pillow.

    Args:
      values: On any grid.
      height: Rows of the image.
      width: Columns of the image.
      how: ``nearest`` gives each pixel its patch's value, as numbers need it; ``bilinear`` and
        ``bicubic`` (Keys' a = -0.5, which overshoots) are for pictures.
    """
    raw = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.array(raw.resize((width, height), _RESAMPLING[how]), np.float32)


def energy_in_mask(values: Float[np.ndarray, "H W"], mask: Bool[np.ndarray, "H W"]) -> float:
    """Return ``sum(s m) / sum(s)``: how much of a map's mass lies inside a mask.

    Args:
      values: The map s at the pixels, nowhere negative: take the positive part of a signed one.
      mask: Where the object is.

    Returns:
      In [0, 1]; NaN for a map that is 0 everywhere. Of a constant map it is the mask's share.

    Raises:
      InputError: A value is negative or not finite.
    """
    _check_finite(values)
    if values.min() < 0:
        raise InputError(
            "energy in a mask: expected a map without negative values, found"
            f" {values.min():.3g}; take its positive part, np.maximum(map, 0)"
        )
    wide = values.astype(np.float64)
    return _ratio(wide[mask].sum(), wide.sum())


def auroc(values: Float[np.ndarray, "H W"], mask: Bool[np.ndarray, "H W"]) -> float:
    """Return the area under the ROC curve of a map as a score for being inside a mask.

    The chance that a pixel inside has a larger value than one outside, ties counted half: Mann and
    Whitney's statistic from mean ranks.

    Returns:
      0.5 for a map that knows nothing; NaN where the mask is empty or everything.
    """
    from scipy.stats import rankdata

    _check_finite(values)
    inside = int(mask.sum())
    outside = mask.size - inside
    ranks = rankdata(values, axis=None).reshape(values.shape)
    wins = ranks[mask].sum() - inside * (inside + 1) / 2
    return _ratio(wins, inside * outside)


def iou_at_mask_area(values: Float[np.ndarray, "H W"], mask: Bool[np.ndarray, "H W"]) -> float:
    """Return the intersection over union of a mask and as many pixels with the largest values.

    Where values are equal at the limit (all pixels of a patch are), each of these pixels counts by
    the share of them that is taken: the result depends on no order, and a constant map has what
    chance gives.

    Returns:
      In [0, 1]; NaN where the mask is empty.
    """
    _check_finite(values)
    area = int(mask.sum())
    if area == 0:
        return float("nan")
    limit = np.sort(values, axis=None)[-area]
    above, level = values > limit, values == limit
    share = (area - above.sum()) / level.sum()
    common = (above & mask).sum() + share * (level & mask).sum()
    return _ratio(common, 2 * area - common)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _check_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise InputError("a saliency map: expected finite values, found NaN or infinite ones")
