"""The images that ``wiseft explain`` is given: files, directories, patterns, sets; and the mask."""

from __future__ import annotations

import dataclasses
import glob
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.core.errors import InputError, missing_path
from wiseft_jax.core.preprocess import Preprocess

logger = logging.getLogger(__name__)

_NAME = 60


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image that is explained.

    Attributes:
      path: Its path, or its id in a data set.
      name: What files about it are called; no other picture's.
      pixels: uint8[S, S, 3], as the model takes it.
      size: (width, height) of the original.
    """

    path: str
    name: str
    pixels: np.ndarray
    size: tuple[int, int]


def read_pictures(texts: Sequence[str], preprocess: Preprocess, most: int) -> list[Picture]:
    """Return the images, at most so many, evenly spaced over all that were found.

    Args:
      texts: Files, directories, patterns, or specs of data sets.
      preprocess: What the model expects.
      most: How many at most.

    Raises:
      InputError: A path or pattern finds nothing, or an image can't be read.
    """
    from wiseft_jax.data.pipeline import load_image
    from wiseft_jax.data.transforms import eval_transform

    found = [(data, position) for data in _datasets(texts) for position in range(len(data))]
    if len(found) > most:
        verb = "is" if most == 1 else "are"
        logger.warning(
            "%d of %d images %s taken, evenly spaced (--max-images)", most, len(found), verb
        )
        places = np.unique(np.linspace(0, len(found) - 1, most).round().astype(int))
        found = [found[place] for place in places]
    prepare, pictures = eval_transform(preprocess), []
    for index, (data, position) in enumerate(found):
        image, path = load_image(data, position), data.id(position)
        stem = re.sub(r"[^\w.-]+", "_", Path(path).stem)[:_NAME].strip("._") or "image"
        pictures.append(Picture(path, f"{index:02d}-{stem}", prepare(image), image.size))
    return pictures


def read_mask(file: Path, pictures: Sequence[Picture], preprocess: Preprocess) -> np.ndarray:
    """Return where a grey picture is white, ``bool[S, S]``, prepared as the images are.

    Raises:
      InputError: It can't be read, is as large as neither the images nor the model's input, or is
        black or white all over.
    """
    from wiseft_jax.data.load import load_images
    from wiseft_jax.data.pipeline import load_image
    from wiseft_jax.data.transforms import eval_transform

    if file.is_dir():
        raise InputError(f"--mask {file}: expected a picture, found a directory")
    image = load_image(load_images([file], name="mask", verify=False), 0)
    sizes = sorted({picture.size for picture in pictures})
    if image.size == (preprocess.size, preprocess.size):
        pixels = np.asarray(image)
    elif sizes == [image.size]:
        smooth = dataclasses.replace(preprocess, interpolation="bilinear")
        pixels = eval_transform(smooth)(image)
    else:
        listed = ", ".join(f"{width} x {height}" for width, height in sizes[:5])
        raise InputError(
            f"--mask {file}: {image.size[0]} x {image.size[1]} pixels; expected the size of all the"
            f" images ({listed}), or of the model's input ({preprocess.size} x {preprocess.size})"
        )
    mask = pixels[..., 0] >= 128
    if mask.all() or not mask.any():
        raise InputError(
            f"--mask {file}: {'white' if mask.all() else 'black'} all over within what the model"
            " sees; expected a part in white"
        )
    return mask


def _datasets(texts: Sequence[str]) -> list[Any]:
    from wiseft_jax.data.load import load_dataset, load_images
    from wiseft_jax.data.specs import SCHEMES

    found = []
    for text in texts:
        if re.match(rf"([^:=/]+=)?({'|'.join(SCHEMES)}):", text) and not Path(text).exists():
            found.append(load_dataset(text, verify=False))
        else:
            found.append(load_images(_files(text), verify=False))
    return found


def _files(text: str) -> list[str]:
    """Return a path as it is, or what a pattern matches (a shell does that already, unquoted)."""
    path = str(Path(text).expanduser())
    if Path(path).exists() or not glob.has_magic(path):
        return [path]
    matched = sorted(glob.glob(path, recursive=True))  # noqa: PTH207  (absolute patterns too)
    if not matched:
        raise missing_path(Path(text), "image that matches the pattern")
    return matched
