"""What an image tower expects of its images; a plain fact that crosses between the parts."""

from __future__ import annotations

import dataclasses
from typing import Literal

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """Resize the shorter side to ``resize`` pixels, centre-crop ``size``, divide by 255, normalise.

    The default is CLIP's (Radford et al. 2021, arXiv 2103.00020).
    """

    size: int = 224
    resize: int = 224
    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[float, float, float] = OPENAI_STD
    interpolation: Literal["bicubic", "bilinear", "nearest", "lanczos"] = "bicubic"
