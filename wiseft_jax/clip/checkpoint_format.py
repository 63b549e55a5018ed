"""Which kind of checkpoint a name means, what describes it, and its parameters."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wiseft_jax.clip.convert import from_hf
from wiseft_jax.clip.hub import OPENCLIP_CONFIG, OPENCLIP_WEIGHTS, resolve_directory
from wiseft_jax.clip.openclip import (
    from_openclip,
    openclip_preprocess,
    openclip_settings,
    read_openclip_config,
)
from wiseft_jax.clip.openclip_names import is_openclip
from wiseft_jax.clip.openclip_shapes import settings_of_shapes
from wiseft_jax.clip.processor import PREPROCESSOR_FILE, read_preprocess
from wiseft_jax.clip.reading import AS_STORED, Reading, option_text
from wiseft_jax.clip.towers import TEXT_KEYS, VISION_KEYS
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.tensors import SAFETENSORS, read_names, read_tensors
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.core.typing import Params, PyTree

CONFIG_FILE = "config.json"
Format = Literal["clip", "vision", "openclip"]
"""transformers' CLIPModel; its CLIPVisionModel, with a projection or without; OpenCLIP's."""

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint that was found.

    Attributes:
      format: Its kind.
      directory: Where it lies, with its configuration and tokenizer.
      weights: What ``read_tensors`` takes.
    """

    format: Format
    directory: Path
    weights: Path

    @functools.cached_property
    def tensors(self) -> dict[str, np.ndarray]:
        """Its tensors, by the file's names."""
        return read_tensors(self.weights)

    def settings(self, reading: Reading, base: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the content of a ``config.json`` of the whole CLIP.

        Args:
          reading: How it is read.
          base: The ``config.json`` of the CLIP whose text side goes with it.

        Raises:
          InputError: Names the file and what is wrong with it, or what can't be told.
        """
        if self.format != "openclip":
            own = read_settings(self.directory)
        elif (self.directory / OPENCLIP_CONFIG).is_file():
            model = read_openclip_config(self.directory)["model_cfg"]
            own = openclip_settings(model, str(self.directory / OPENCLIP_CONFIG), reading)
        else:
            own = settings_of_shapes(self.tensors, str(self.weights), reading, base)
        if base is None:
            return _whole(own, self.directory)
        vision = own if self.format == "vision" else own["vision_config"]
        return {**base, "vision_config": {**vision, "projection_dim": base["projection_dim"]}}

    def params(self, template: PyTree, reading: Reading, base: Params | None = None) -> Params:
        """Return the parameters as the canonical tree, strictly.

        Args:
          template: The shapes of a whole CLIP.
          reading: How it is read.
          base: The canonical parameters of the CLIP whose text side goes with it.

        Raises:
          InputError: Lists every key that is missing, unknown, misshapen or not finite.
        """
        source, tensors = str(self.weights), self.tensors
        read = self._reader()
        if base is None:
            return read(tensors, template, source, reading)
        tensors, dropped = _image_side(tensors, self.format)
        if dropped:
            _log.info("%s: the text side is the base's; %d tensors not read", source, len(dropped))
        wanted: list[str] = list(VISION_KEYS)
        taken: list[str] = list(TEXT_KEYS)
        if not any(name.endswith(("visual.proj", "visual_projection.weight")) for name in tensors):
            wanted.remove("visual_projection")
            taken.append("visual_projection")
            _log.info("%s: has no projection; the base's is used", source)
        own = read(tensors, {key: template[key] for key in wanted}, source, reading)
        _check_fits(source, {key: base[key] for key in taken}, template)
        return {**own, **{key: base[key] for key in taken}}

    def _reader(self) -> Callable[..., Params]:
        if self.format != "openclip":
            return from_hf
        stated = (self.directory / OPENCLIP_CONFIG).is_file()
        return functools.partial(from_openclip, described_by=OPENCLIP_CONFIG if stated else None)

    def preprocess(self, image_size: int, base: Preprocess | None = None) -> Preprocess:
        """Return how its images are prepared.

        Args:
          image_size: Side of the model's images in pixels.
          base: Of the base, which holds where the checkpoint says nothing.
        """
        path = self.directory / OPENCLIP_CONFIG
        if self.format == "openclip" and path.is_file():
            return openclip_preprocess(read_openclip_config(self.directory), image_size, str(path))
        stated = (self.directory / PREPROCESSOR_FILE).is_file()
        if not stated and base is not None and base.size == image_size:
            _log.info("%s: no %s; the base's holds", self.directory, PREPROCESSOR_FILE)
            return base
        return read_preprocess(self.directory, image_size)


def find_checkpoint(name_or_path: str | Path) -> Checkpoint:
    """Return the checkpoint that a name means.

    Of a directory with ``config.json`` transformers' weights are read, else OpenCLIP's.

    Args:
      name_or_path: What ``load_clip`` takes: a file ``*.safetensors`` too.

    Raises:
      InputError: There is none.
    """
    path = Path(name_or_path).expanduser()
    if path.suffix == ".safetensors" and path.is_file():
        directory, weights = path.parent, path
        openclip = is_openclip(read_names(path))
        if not openclip and not (directory / CONFIG_FILE).is_file():
            raise InputError(f"{directory / CONFIG_FILE}: missing; it describes {path.name}.")
    else:
        directory = resolve_directory(name_or_path)
        weights, openclip = _weights_of(directory)
    if openclip:
        return Checkpoint("openclip", directory, weights)
    kind = read_settings(directory)["model_type"]
    return Checkpoint("vision" if kind == "clip_vision_model" else "clip", directory, weights)


def read_settings(directory: Path) -> dict[str, Any]:
    """Return the checked content of ``config.json``, of a CLIP or of its image tower alone.

    Raises:
      InputError: It is missing, not JSON, or of another kind of model.
    """
    path = directory / CONFIG_FILE
    if not path.is_file():
        raise InputError(f"{path}: missing; expected a CLIP model's directory.")
    try:
        settings = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}).") from error
    if RunDirectory(directory).is_run():
        raise InputError(RunDirectory(directory).instead_of_model())
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind == "clip_text_model":
        raise InputError(f"{path}: model_type is {kind!r}, which has no image tower.")
    if kind not in ("clip", "clip_vision_model"):
        raise InputError(f"{path}: model_type is {kind!r}; expected 'clip'.")
    return settings


def find_settings(directory: Path, reading: Reading = AS_STORED) -> dict[str, Any]:
    """Return the content of a ``config.json`` of the whole CLIP in a directory; reads no weights.

    Raises:
      InputError: Nothing there describes one.
    """
    if not (directory / CONFIG_FILE).is_file() and (directory / OPENCLIP_CONFIG).is_file():
        return Checkpoint("openclip", directory, directory).settings(reading)
    return _whole(read_settings(directory), directory)


def _weights_of(directory: Path) -> tuple[Path, bool]:
    """Return what to read in a directory, and whether it has OpenCLIP's names."""
    named = directory / OPENCLIP_WEIGHTS
    if (directory / CONFIG_FILE).is_file():
        if named.is_file() and not (directory / SAFETENSORS).is_file():
            return named, True
        return directory, False
    if named.is_file():
        return named, True
    if (directory / OPENCLIP_CONFIG).is_file():
        return directory, True
    plain = directory / SAFETENSORS
    return directory, plain.is_file() and is_openclip(read_names(plain))


def _whole(settings: dict[str, Any], directory: Path) -> dict[str, Any]:
    path = directory / CONFIG_FILE
    if settings["model_type"] == "clip_vision_model":
        raise InputError(
            f"{path}: model_type is 'clip_vision_model', one tower of a CLIP; the zero-shot head "
            f"needs both. Give the CLIP that it was fine-tuned from too ({option_text('base')})."
        )
    for key in ("text_config", "vision_config"):
        if not any(isinstance(settings.get(name), dict) for name in (key, f"{key}_dict")):
            raise InputError(f"{path}: expected objects 'text_config' and 'vision_config'.")
    return settings


def _image_side(tensors: Mapping[str, Any], kind: Format) -> tuple[dict[str, Any], list[str]]:
    """Split off the tensors of a text side, of which a part may be left."""
    text = (
        ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection",
         "logit_scale", "text.")
        if kind == "openclip"
        else ("text_model", "text_projection", "logit_scale")
    )  # fmt: skip
    dropped = [name for name in tensors if name.removeprefix("module.").startswith(text)]
    return {name: tensor for name, tensor in tensors.items() if name not in dropped}, dropped


def _check_fits(source: str, taken: Params, template: PyTree) -> None:
    expected = flatten_paths(template)
    for path, leaf in flatten_paths(taken).items():
        if leaf.shape != expected[path].shape:
            raise InputError(
                f"{source}: the base's {path} is {leaf.shape}, this tower needs"
                f" {expected[path].shape}; give the CLIP that it was fine-tuned from."
            )
