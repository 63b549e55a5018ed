"""How the eight variants are built from a user's images; imports nothing heavy."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, Literal

from wiseft_jax.backgrounds.mask_config import MaskOptions
from wiseft_jax.core.errors import InputError

SPLIT = "val"
PATHS = ("source", "masks", "boxes", "data_dir")
"""Fields that say where something lies; what lies there is told by its fingerprint."""


@dataclasses.dataclass(frozen=True)
class BuildConfig(MaskOptions):
    """What to build from, and which images are fit for it."""

    source: str = ""
    """The images: folder:PATH, table:FILE or tfds:NAME:SPLIT; their classes are the classes."""
    masks: str | None = None
    """Masks, for all eight variants: a directory with CLASS/ID.npy (or .png), or ID.npy; or
    feature:NAME, the masks that a tfds: data set has itself."""
    boxes: Path | None = None
    """Boxes: a .csv, .tsv or .jsonl (path, x0, y0, x1, y1; a row an object), or COCO's .json. Alone
    they give original, only_bg_b and only_bg_t; the others take --segment grabcut."""
    segment: Literal["none", "grabcut"] = "none"
    """Make masks from boxes by OpenCV's GrabCut (pip install 'wiseft-jax[segment]')."""
    split: str = SPLIT
    """The folder below each variant to write: a build for each split, all in the same --out
    (`wiseft backgrounds train` takes one to train on and one to test on)."""
    size: int = 224
    """Side of the images: the shorter side is resized to it, the middle is cropped."""
    seed: int = 0
    """Of the pairing of foregrounds and backgrounds."""
    max_box: float = 0.9
    """Images whose box is a larger share of the image are rejected."""
    min_kept: float = 0.5
    """Images of which the crop keeps a smaller share of the box are rejected."""
    small_classes: Literal["stop", "drop"] = "stop"
    """What to do where less than two images of a class are fit: stop, or leave the class out."""
    path_column: str = "path"
    """Of a table: source, and of the boxes."""
    label_column: str = "label"
    """Of a table: source."""
    data_dir: str | None = None
    """Where TFDS looks; None is TFDS_DATA_DIR, then ~/tensorflow_datasets."""

    def __post_init__(self) -> None:
        """Check the numbers, and that the split can be a folder's name."""
        if not re.fullmatch(r"\w[\w.-]*", self.split):
            raise InputError(
                f"--split: expected a folder's name of letters and digits, found {self.split!r}"
            )
        if self.size < 2:
            raise InputError(f"--size: expected at least 2 pixels, found {self.size}")
        if self.seed < 0:
            raise InputError(f"--seed: expected 0 or more, found {self.seed}")
        for name in ("max_box", "min_kept"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(
                    f"--{name.replace('_', '-')}: expected a share in (0, 1], found"
                    f" {getattr(self, name)}"
                )
        MaskOptions.__post_init__(self)

    def check_given(self) -> None:
        """Raise unless it is said what to build from, once.

        Raises:
          InputError: Says what is missing, or too much.
        """
        if not self.source:
            raise InputError(
                "--source: no images are named; give folder:PATH, table:FILE or tfds:NAME:SPLIT"
            )
        if self.masks is None and self.boxes is None:
            more = ", for GrabCut starts from boxes" if self.segment == "grabcut" else ""
            raise InputError(
                f"give --masks DIR or --boxes FILE{more}: what says where the object is?"
            )
        if self.masks is not None and (self.boxes is not None or self.segment == "grabcut"):
            other = "--boxes" if self.boxes is not None else "--segment grabcut"
            raise InputError(
                f"give --masks or {other}, not both: the box of a mask is the smallest around it"
            )
        if self.masks is None and (self.mask_foreground or self.mask_instances):
            raise InputError("--mask-foreground and --mask-instances belong to --masks")

    @property
    def has_masks(self) -> bool:
        """Whether there will be masks, so that all eight variants can be made."""
        return self.masks is not None or self.segment == "grabcut"

    def parameters(self) -> dict[str, Any]:
        """Return what decides the result beside the images, as JSON."""
        fields = {
            name: value for name, value in dataclasses.asdict(self).items() if name not in PATHS
        }
        return fields | {"mask_foreground": list(self.mask_foreground)}
