"""The images that a report shows: from the run's own data, small, without metadata."""

from __future__ import annotations

import base64
import dataclasses
import io
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.config import DataConfig
from wiseft_jax.data.specs import SourceOptions, Spec, is_spec, open_source, parse_spec

if TYPE_CHECKING:
    from PIL import Image

    from wiseft_jax.reporting.page.flipped import Flip

logger = logging.getLogger(__name__)

MOST_PIXELS = 96
_QUALITY = 82
_LOSSLESS_PIXELS = 48


def thumbnail(image: Image.Image) -> tuple[str, tuple[int, int]]:
    """Return an image of at most 96 x 96 pixels as a data URI, and its (width, height).

    Args:
      image: RGB. Of its metadata (places, cameras, profiles) nothing is kept.
    """
    from PIL import Image

    small = Image.fromarray(np.asarray(image))
    small.thumbnail((MOST_PIXELS, MOST_PIXELS), Image.Resampling.LANCZOS)
    kind, options = ("png", {"optimize": True})
    if max(small.size) > _LOSSLESS_PIXELS:
        kind, options = ("jpeg", {"quality": _QUALITY})
    out = io.BytesIO()
    small.save(out, kind, **options)
    data = base64.b64encode(out.getvalue()).decode()
    return f"data:image/{kind};base64,{data}", small.size


def specs_of(config: DataConfig, names: Iterable[str]) -> dict[str, Spec]:
    """Return the spec that the images of each set come from; held-out ones are the training set's.

    Args:
      config: Of the run; of embedded data there are none.
      names: The sets of its results.
    """
    if not is_spec(config.train):
        return {}
    given = (config.validation, config.test, *config.shifts, *config.matched_references)
    own = {spec.name: spec for spec in (parse_spec(text) for text in given if text)}
    train = parse_spec(config.train)
    return {name: own.get(name, train) for name in names}


def set_classes(spec: Spec, names: Sequence[str]) -> Sequence[str] | None:
    """Return the classes that a set's labels count; None where that isn't known without its data.

    Args:
      spec: Where it comes from.
      names: The run's classes.
    """
    if spec.scheme not in ("tfds", "published"):
        return names
    from wiseft_jax.data.catalog import DATASETS
    from wiseft_jax.data.class_lists import class_names
    from wiseft_jax.data.projecting import is_imagenet

    if not is_imagenet(names):
        return names
    entry = DATASETS.get(spec.target.partition("/")[0]) if spec.scheme == "published" else None
    if entry is None:  # a set of TFDS may be one of the catalog: its own files say that
        return None
    return names if entry.scoring.projection == "none" else class_names(entry.classes)


def roots_of(specs: Iterable[Spec]) -> list[str]:
    """Return the directories that ids of folders and tables lie in, the longest first."""
    found = set()
    for spec in specs:
        if spec.scheme in ("folder", "table"):
            place = spec.path if spec.scheme == "folder" else spec.path.parent
            found |= {str(place), str(place.absolute())}
        elif spec.root:
            found |= {spec.root, str(Path(spec.root).expanduser())}
    return sorted(found, key=lambda each: (-len(each), each))


def openers_of(config: DataConfig, specs: Mapping[str, Spec]) -> dict[str, Callable[[], Any]]:
    """Return for each set what opens its ``Source``.

    Args:
      config: Of the run.
      specs: As ``specs_of`` has them.
    """
    options = SourceOptions(config.path_column, config.label_column, config.data_dir)

    def opener(spec: Spec) -> Callable[[], Any]:
        return lambda: open_source(spec, options)

    return {name: opener(spec) for name, spec in specs.items()}


def with_images(
    flips: Sequence[Flip], openers: Mapping[str, Callable[[], Any]]
) -> tuple[list[Flip], list[str]]:
    """Return the flips with a thumbnail wherever the image is still there.

    Args:
      flips: With ids as the run has them.
      openers: Set -> what opens its ``Source``.

    Returns:
      The flips, and sentences on what couldn't be shown; the log has the details.
    """
    found = dict(enumerate(flips))
    said = []
    for name in dict.fromkeys(flip.name for flip in flips):
        own = {place: flip for place, flip in found.items() if flip.name == name}
        try:
            source = openers[name]()
            places = _places(source.ids, {flip.id for flip in own.values()})
        except (InputError, OSError, KeyError, ImportError) as error:
            logger.warning("the images of %s aren't shown: %s", name, error)
            said.append(f"The images of {name} aren't shown: its data can't be opened any more.")
            continue
        missing = 0
        for place, flip in own.items():
            shown = _shown(source, places.get(flip.id), flip)
            missing += not shown.image
            found[place] = shown
        if missing:
            said.append(
                f"{missing} of {len(own)} images of {name} aren't shown: they can't be read any"
                " more."
            )
    return list(found.values()), said


def _places(ids: Sequence[str], wanted: set[str]) -> dict[str, int]:
    """Return where wanted ids are, the first place of each."""
    found: dict[str, int] = {}
    for place, each in enumerate(ids):
        if each in wanted and each not in found:
            found[each] = place
            if len(found) == len(wanted):
                break
    return found


def _shown(source: Any, place: int | None, flip: Flip) -> Flip:
    from wiseft_jax.data.decode import BadImageError, decode_image

    if place is None:
        logger.warning("%s: isn't in its data any more", flip.id)
        return flip
    try:
        image, size = thumbnail(decode_image(source.read(place), flip.id))
    except (BadImageError, OSError) as error:
        logger.warning("%s isn't shown: %s", flip.id, error)
        return flip
    return dataclasses.replace(flip, image=image, size=size)
