"""From encoded bytes, or an array, to an upright 8-bit RGB image.

What a file holds, and what comes out:

* transparency (RGBA, LA, a palette or a colour key): composited on white;
* 16-bit grey: scaled by 1/257; 1-bit, grey, palette, CMYK, YCbCr: Pillow's conversion;
* 32-bit integer or float pixels: bad, for their range is unknown;
* EXIF orientation: applied; a colour profile: ignored, as the reference does;
* several frames: the first;
* truncated, empty, not an image, more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``: bad.
"""

from __future__ import annotations

import io
import logging
from typing import IO, Any

import numpy as np
from PIL import Image

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.lfs import POINTER, pointer_text

logger = logging.getLogger(__name__)

ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIXTEEN_BITS = 257  # 65535 / 255


class BadImageError(InputError):
    """An image can't be decoded to the right RGB.

    Args:
      where: The path or record.
      reason: What is wrong with it.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return BadImageError, (self.where, self.reason)


def open_image(data: bytes | IO[bytes], where: str) -> Image.Image:
    """Open an encoded image and check its header; the pixels are not decoded yet.

    Args:
      data: The encoded bytes, or an open file.
      where: The path or record, for messages.

    Raises:
      BadImageError: If it is empty, not an image, or larger than a decompression bomb's limit.
    """
    if not data:
        raise BadImageError(where, "the file is empty")
    try:
        image = Image.open(io.BytesIO(data) if isinstance(data, bytes) else data)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadImageError(where, _too_large("")) from None
    except MemoryError:
        raise
    except Exception as error:
        if _begins(data, POINTER):
            raise BadImageError(where, pointer_text("the image")) from None
        kind = "not an image that Pillow can read"
        detail = "" if isinstance(error, Image.UnidentifiedImageError) else f" ({error})"
        raise BadImageError(where, kind + detail) from None
    width, height = image.size
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise BadImageError(where, _too_large(f"{width} x {height} is "))
    return image


def _begins(data: bytes | IO[bytes], start: bytes) -> bool:
    if isinstance(data, bytes):
        return data.startswith(start)
    data.seek(0)
    return data.read(len(start)) == start


def _too_large(size: str) -> str:
    limit = Image.MAX_IMAGE_PIXELS
    return f"{size}more than {limit} pixels (a decompression bomb?); set PIL.Image.MAX_IMAGE_PIXELS"


def decode_image(data: bytes | np.ndarray, where: str) -> Image.Image:
    """Return an image as upright 8-bit RGB.

    Args:
      data: Encoded bytes, or uint8[H, W, 3].
      where: The path or record, for messages.

    Raises:
      BadImageError: If that can't be done; names ``where`` and the reason.
    """
    if isinstance(data, np.ndarray):
        return Image.fromarray(data)
    image = open_image(data, where)
    try:
        image.load()
        return _upright(_to_rgb(image, where), image, where)
    except (BadImageError, MemoryError):
        raise
    except Exception as error:
        raise _undecodable(where, error) from None


def check_decodes(data: bytes, where: str) -> bool:
    """Decode an image to see whether it can be; a JPEG at an eighth of its size, which is faster.

    Returns:
      Whether it is animated; only the first frame will be used.

    Raises:
      BadImageError: As ``decode_image`` would.
    """
    image = open_image(data, where)
    try:
        animated = bool(getattr(image, "is_animated", False))
        if image.format == "JPEG":
            image.draft(image.mode, (image.width // 8, image.height // 8))
            image.load()
            return animated
    except MemoryError:
        raise
    except Exception as error:
        raise _undecodable(where, error) from None
    decode_image(data, where)
    return animated


def is_plain(data: bytes, where: str) -> bool:
    """Return whether any reader decodes an image to the same pixels, by its header.

    Others than this one differ in what they do with an orientation, transparency, a palette, CMYK,
    and 16 bits.

    Raises:
      BadImageError: It isn't an image.
    """
    image = open_image(data, where)
    if image.mode not in ("RGB", "L") or "transparency" in image.info:
        return False
    return _orientation(image, where) not in _UPRIGHT


def _undecodable(where: str, error: Exception) -> BadImageError:
    return BadImageError(where, f"can't be decoded ({str(error) or type(error).__name__})")


def _to_rgb(image: Image.Image, where: str) -> Image.Image:
    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return image
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        grey = np.rint(np.asarray(image, np.float32) / _SIXTEEN_BITS).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if mode in ("I", "F"):
        raise BadImageError(
            where, f"32-bit pixels (mode {mode}) have no known range; save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _upright(rgb: Image.Image, original: Image.Image, where: str) -> Image.Image:
    method = _UPRIGHT.get(_orientation(original, where))
    return rgb if method is None else rgb.transpose(method)


def _orientation(image: Image.Image, where: str) -> int:
    try:
        return image.getexif().get(ORIENTATION_TAG, 1)
    except Exception as error:  # a damaged EXIF block says nothing about the pixels
        logger.debug("%s: EXIF can't be read (%s); taken as upright", where, error)
        return 1
