"""Whether images have the border that their authors put around them, and the reader cuts off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Integer

from wiseft_jax.data.border import without_border
from wiseft_jax.data.doctor_report import Finding
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.published_split import PublishedSplit
from wiseft_jax.data.source import evenly

_MOST = 64  # decoded a second time


def border_finding(
    found: PublishedSplit,
    source: FileSource,
    unfit: Integer[np.ndarray, "M"],
    sample: int | None,
) -> Finding | None:
    """Return which images lack their border, of a few evenly spread ones.

    Args:
      found: The split.
      source: Its images.
      unfit: Indices of files that aren't worth opening.
      sample: How many images are opened at most; None: as many as are looked at.
    """
    border = found.entry.border_px
    most = _MOST if sample is None else min(_MOST, sample)
    fit = np.setdiff1d(np.arange(len(source)), unfit)
    if not border or not most or not len(fit):
        return None
    looked = fit[evenly(len(fit), most)]
    bare = without_border(source, looked)
    if not bare:
        return None
    have = "has" if len(bare) == 1 else "have"
    return Finding(
        "cropped_border",
        f"{len(bare):,} of {len(looked):,} images that were looked at {have} no red border:"
        " somebody cut it off",
        tuple(bare),
        f"get it as its authors ship it; published:{found.id} cuts {border} px off each side of"
        " every image, here of the picture itself",
        f"a red border around each image of {Path(source.root).name}",
        "none",
        "warning",
        found.name,
    )
