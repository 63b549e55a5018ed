"""``published:ID[/VARIANT][:SPLIT][@ROOT]``: a data set of the catalog, as its authors ship it.

Class names are what prompts say, labels count in the order of the class list.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8

from wiseft_jax.core.hashing import hash_json
from wiseft_jax.data.border import LOOKED_AT, without_border
from wiseft_jax.data.decode import BadImageError, decode_image
from wiseft_jax.data.entry import LabelRule
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.published_arrays import open_arrays
from wiseft_jax.data.published_folders import open_folders
from wiseft_jax.data.published_split import PublishedSplit, find_split
from wiseft_jax.data.published_tables import open_table
from wiseft_jax.data.published_video import open_reviewed_video, open_video
from wiseft_jax.data.source import ArraySource, Source, evenly
from wiseft_jax.data.specs import SourceOptions, Spec

logger = logging.getLogger(__name__)

_SHOWN = 5

LABEL_RULES: dict[LabelRule, Callable[[PublishedSplit], FileSource | ArraySource]] = {
    "folder": open_folders,
    "imagenet_folder": open_folders,
    "integer_folder": open_folders,
    "table": open_table,
    "arrays": open_arrays,
    "video": open_video,
    "reviewed_video": open_reviewed_video,
}
"""How an image gets its label -> what opens a split that is labelled so."""


class BorderlessSource:
    """A source without the border of its images, which is cut off the pixels as they are read.

    It isn't a ``FileSource``: whoever opens the files would have the border.

    Args:
      source: The images.
      border_px: How wide the border is.

    Attributes:
      catalog_id: Its id in the catalog.
    """

    def __init__(self, source: FileSource | ArraySource, border_px: int) -> None:
        self.catalog_id = source.catalog_id
        self.name = source.name
        self.class_names = source.class_names
        self.labels = source.labels
        self.ids: Sequence[str] = source.ids
        self.border_px = border_px
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def read(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """Return the pixels within the border.

        Raises:
          BadImageError: The image can't be decoded, or is nothing but border.
        """
        where, border = self.ids[index], self.border_px
        image = decode_image(self._source.read(index), where)
        width, height = image.size
        if min(width, height) <= 2 * border:
            raise BadImageError(where, f"{width} x {height} is nothing but a border of {border} px")
        return np.asarray(image.crop((border, border, width - border, height - border)))

    def fingerprint(self) -> str:
        """Return the hash of the images with their border, and its width."""
        return hash_json([self._source.fingerprint(), "border", self.border_px])


def open_source(spec: Spec, options: SourceOptions) -> Source:
    """Open ``published:ID[/VARIANT][:SPLIT][@ROOT]``.

    ROOT is the folder that has the data set's folder, or that folder; by default ``options.root``,
    then ``WISEFT_DATA_ROOT``. VARIANT is ``CORRUPTION/SEVERITY``. A data set with a single split
    needs no SPLIT. What is passed over, and a count that isn't the published one, is logged.

    Raises:
      InputError: No such data set, split or variant, or it isn't there as its authors ship it; says
        where it should be, and what else to use.

    Example:
      >>> open_source(parse_spec("published:imagenet-c/fog/3@/data"), SourceOptions())
    """
    found = find_split(spec, options)
    source = LABEL_RULES[found.split.labels](found)
    source.catalog_id = found.id
    _tell_counts(found, source)
    if not found.entry.border_px:
        return source
    logger.info("%s: a border of %d px is cut off each image", spec.name, found.entry.border_px)
    if isinstance(source, FileSource):
        _tell_missing_border(found, source)
    return BorderlessSource(source, found.entry.border_px)


def _tell_missing_border(found: PublishedSplit, source: FileSource) -> None:
    looked = evenly(len(source), LOOKED_AT)
    bare = without_border(source, looked)
    if bare:
        logger.warning(
            "%s: %d of %d images that were looked at have no red border (%s): somebody cut it off,"
            " and the %d px that are cut off each side are the picture's (wiseft data check %s)",
            found.name, len(bare), len(looked), bare[0], found.entry.border_px, found.id,
        )  # fmt: skip


def _tell_counts(found: PublishedSplit, source: Source) -> None:
    expected = found.split.images
    if expected is not None and len(source) != expected and not found.split.derived:
        logger.warning(
            "%s: %d images, its authors ship %d; is it all there?",
            found.name, len(source), expected,
        )  # fmt: skip
    counts = np.bincount(source.labels, minlength=len(source.class_names))
    empty = [name for name, n in zip(source.class_names, counts, strict=True) if n == 0]
    if empty:
        more = ", ..." if len(empty) > _SHOWN else ""
        logger.warning(
            "%s: %d of %d classes %s no images: %s%s",
            found.name, len(empty), len(counts), "has" if len(empty) == 1 else "have",
            ", ".join(empty[:_SHOWN]), more,
        )  # fmt: skip
