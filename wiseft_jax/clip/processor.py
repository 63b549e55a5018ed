"""``preprocessor_config.json`` to and from the plain facts of ``core.preprocess``."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess

PREPROCESSOR_FILE = "preprocessor_config.json"
_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's codes

_SIZE = 224
_UNCROPPED = 384

_log = logging.getLogger(__name__)


def read_preprocess(directory: Path, image_size: int | None) -> Preprocess:
    """Read how a model's images are prepared.

    Without the file: the model's image size with CLIP's mean and standard deviation, and a warning.
    With ``crop_pct``, as ConvNext's processor has it, which ResNets use: of a side S under 384 the
    shorter side is resized to S / crop_pct, and S is cropped.

    Args:
      directory: The model's directory.
      image_size: The image tower's input size in pixels, from ``config.json``; None: the file
        decides, or 224.

    Raises:
      InputError: The file is not JSON, contradicts the model, or asks for what isn't supported.
    """
    path = directory / PREPROCESSOR_FILE
    assumed = _SIZE if image_size is None else image_size
    if not path.is_file():
        _log.warning(
            "%s is missing: assuming %d pixels and CLIP's mean and standard deviation",
            path,
            assumed,
        )
        return Preprocess(size=assumed, resize=assumed)
    try:
        settings = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}).") from error
    if not isinstance(settings, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(settings).__name__}.")
    _check_supported(path, settings)
    resize = _pixels(path, "size", settings.get("size", assumed))
    if settings.get("crop_pct") is not None:
        size, resize = resize, _before_crop(path, resize, settings["crop_pct"])
    else:
        size = _pixels(path, "crop_size", settings.get("crop_size", image_size or resize))
        if not settings.get("do_center_crop", True):
            size = resize
    if image_size is not None and size != image_size:
        raise InputError(
            f"{path}: images of {size} pixels, but config.json's image tower takes {image_size}. "
            "Make crop_size and vision_config.image_size equal."
        )
    if resize < size:
        raise InputError(f"{path}: size {resize} is smaller than crop_size {size}.")
    default = Preprocess()
    return Preprocess(
        size=size,
        resize=resize,
        mean=_triple(path, "image_mean", settings.get("image_mean", default.mean)),
        std=_triple(path, "image_std", settings.get("image_std", default.std), positive=True),
        interpolation=_interpolation(path, settings.get("resample", 3)),
    )


def preprocess_settings(preprocess: Preprocess) -> dict[str, Any]:
    """Return the content of a ``preprocessor_config.json`` that says the same."""
    codes = {name: code for code, name in _RESAMPLE.items()}
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": preprocess.resize},
        "resample": codes[preprocess.interpolation],
        "do_center_crop": True,
        "crop_size": {"height": preprocess.size, "width": preprocess.size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocess.mean),
        "image_std": list(preprocess.std),
        "do_convert_rgb": True,
    }


def _before_crop(path: Path, side: int, share: Any) -> int:
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
        raise InputError(f"{path}: crop_pct is {share!r}; expected a number in (0, 1].")
    if side >= _UNCROPPED:
        raise InputError(
            f"{path}: size is {side}; with crop_pct expected fewer than {_UNCROPPED} pixels, from"
            " which on ConvNext's processor squeezes images to a square."
        )
    return int(side / share)


def _check_supported(path: Path, settings: dict[str, Any]) -> None:
    for key in ("do_resize", "do_rescale", "do_normalize"):
        if not settings.get(key, True):
            raise InputError(f"{path}: {key} is false; only CLIP's preprocessing is supported.")
    factor = settings.get("rescale_factor", 1 / 255)
    if not isinstance(factor, int | float) or abs(factor * 255 - 1) > 1e-4:
        raise InputError(f"{path}: rescale_factor is {factor}; only 1/255 is supported.")


def _pixels(path: Path, key: str, value: Any) -> int:
    if isinstance(value, dict):
        if "shortest_edge" in value:
            value = value["shortest_edge"]
        elif value.get("height") == value.get("width"):
            if key == "size":
                _log.warning(
                    "%s: size gives height and width; the shorter side is resized and the centre "
                    "cropped, as CLIP does, not squeezed to a square",
                    path,
                )
            value = value.get("height")
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(
            f"{path}: {key} is {value!r}; expected pixels, {{'shortest_edge': n}} or a square "
            "{'height': n, 'width': n}."
        )
    return value


def _triple(path: Path, key: str, value: Any, positive: bool = False) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(number) for number in value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {key} is {value!r}; expected three numbers.") from error
    if positive and min(red, green, blue) <= 0:
        raise InputError(f"{path}: {key} is {value!r}; expected positive numbers.")
    return red, green, blue


def _interpolation(path: Path, value: Any) -> Any:
    if value not in _RESAMPLE:
        raise InputError(f"{path}: resample is {value!r}; supported: {_RESAMPLE}.")
    return _RESAMPLE[value]
