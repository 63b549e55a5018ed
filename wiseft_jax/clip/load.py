"""Load a CLIP: configuration, weights, tokenizer, preprocessing; the only user of transformers."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import jax
import jax.numpy as jnp

from wiseft_jax.clip.architectures import architecture_settings
from wiseft_jax.clip.checkpoint_format import find_checkpoint, find_settings
from wiseft_jax.clip.openclip import LEGACY_EOS
from wiseft_jax.clip.positions import at_resolution
from wiseft_jax.clip.reading import AS_STORED, Reading
from wiseft_jax.clip.scan_tower import ScanTower
from wiseft_jax.clip.tokenize import TOKENIZER_FILES, Tokenizer, check_merges, make_tokenizer
from wiseft_jax.clip.towers import Tower, l2_normalise, normalise_pixels
from wiseft_jax.clip.transformers_tower import TransformersTower
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.lfs import POINTER, pointer_text
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.trees import hash_tree
from wiseft_jax.core.typing import ComputeDtype, Params, PyTree, Remat, TowerName

_TOWER_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "projection_dim",
    "hidden_act",
    "layer_norm_eps",
    "attention_dropout",
    "initializer_range",
    "initializer_factor",
)
_TEXT_FIELDS = (
    *_TOWER_FIELDS,
    "max_position_embeddings",
    "vocab_size",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)
_VISION_FIELDS = (*_TOWER_FIELDS, "image_size", "patch_size", "num_channels")

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
    """A CLIP model: two towers into one space, and what comes with them.

    Attributes:
      params: ``{text_model, vision_model, text_projection, visual_projection, logit_scale}``, in
        the tower's layout; float32 host arrays, whatever the compute dtype.
      config: transformers' ``CLIPConfig``.
      tower: Both encoders as functions of ``params``.
      tokenizer: Texts to token ids.
      preprocess: How its images are prepared.
      source: The name or path that it was loaded from.
    """

    params: Params
    config: Any
    tower: Tower
    tokenizer: Tokenizer
    preprocess: Preprocess
    source: str

    @functools.cached_property
    def fingerprint(self) -> str:
        """The content hash of the parameters, whichever tower has them."""
        return hash_tree(self.tower.to_canonical(self.params))

    @functools.cached_property
    def image_encoder(self) -> Callable[..., Any]:
        """The compiled ``(params, uint8[B, S, S, 3]) -> L2-normalised float32[B, D]``."""

        def encode(params: Params, images: Any) -> Any:
            pixels = normalise_pixels(images, self.preprocess)
            return l2_normalise(self.tower.image_features(params, pixels))

        return jax.jit(encode)

    @functools.cached_property
    def text_encoder(self) -> Callable[..., Any]:
        """The compiled ``(params, ids, mask) -> L2-normalised float32[B, D]``.

        It computes in float32 whatever the model's dtype: a head is made once and used for long.
        """
        tower = self.tower.with_dtype("float32")

        def encode(params: Params, ids: Any, mask: Any) -> Any:
            return l2_normalise(tower.text_features(params, ids, mask))

        return jax.jit(encode)


def load_clip(
    name_or_path: str | Path,
    dtype: ComputeDtype | str = "float32",
    tower: TowerName | str = "transformers",
    remat: Remat | str = "none",
    reading: Reading = AS_STORED,
) -> Clip:
    """Load a CLIP model with its tokenizer and preprocessing.

    Weights are read from safetensors (PyTorch's, Flax's or OpenCLIP's layout, sharded or not) or
    Flax msgpack, without PyTorch and without a random initialisation.

    Args:
      name_or_path: ``"glyphclip"`` (embedded), a directory, a ``.safetensors`` file, or a hub id
        ``owner/name[@revision]``.
      dtype: What the towers compute in; the parameters stay float32.
      tower: ``"transformers"`` (its Flax modules, the reference) or ``"scan"`` (ours on the same
        parameters: it compiles faster and needs less memory).
      remat: What the backward pass computes again to save memory: ``"none"``, all but matrix
        products (``"dots"``), or everything in a layer (``"full"``).
      reading: What its files don't say, and what may be missing from them.

    Returns:
      The model.

    Raises:
      InputError: Names the file or key, what was expected, what was found, and what to do.

    Example:
      >>> clip = load_clip("glyphclip")
      >>> sorted(clip.params)
      ['logit_scale', 'text_model', 'text_projection', 'vision_model', 'visual_projection']
    """
    checkpoint = find_checkpoint(name_or_path)
    directory = checkpoint.directory
    base = load_clip(reading.base) if reading.base else None
    settings = checkpoint.settings(reading, config_settings(base.config) if base else None)
    config = _built(directory, settings)
    built, template = _tower(directory, config, dtype, tower, remat)
    params = checkpoint.params(template, reading, base.params if base else None)
    preprocess = checkpoint.preprocess(
        config.vision_config.image_size, base.preprocess if base else None
    )
    if reading.image_size is not None and reading.image_size != preprocess.size:
        size, source = reading.image_size, str(checkpoint.weights)
        params, preprocess = at_resolution(params, config, preprocess, size, source)
        built, _ = _tower(directory, config, dtype, tower, remat)
    if base and not any((directory / name).is_file() for name in TOKENIZER_FILES):
        tokenizer = base.tokenizer
    else:
        tokenizer = read_tokenizer(directory, config.text_config.max_position_embeddings)
    _check_tokenizer(directory, tokenizer, config)
    params = built.from_canonical(params)
    return Clip(params, config, built, tokenizer, preprocess, str(name_or_path))


def make_tower(
    config: Any,
    dtype: ComputeDtype | str = "float32",
    tower: TowerName | str = "transformers",
    remat: Remat | str = "none",
) -> Tower:
    """Return the tower of a configuration; weights aren't needed.

    Args:
      config: A ``CLIPConfig``.
      dtype: What it computes in.
      tower: As in ``load_clip``.
      remat: As in ``load_clip``.

    Raises:
      InputError: A name is unknown; lists those that there are.
    """
    _check_names(dtype, tower, remat)
    facts: dict[str, Any] = {"config": config, "dtype": dtype, "remat": remat}
    if tower == "scan":
        return ScanTower(**facts)
    return TransformersTower(**facts, module=clip_module(config, dtype))


def clip_module(config: Any, dtype: ComputeDtype | str = "float32") -> Any:
    """Return transformers' ``FlaxCLIPModule`` of a configuration (it takes NHWC, and no wrapper).

    Args:
      config: A ``CLIPConfig``.
      dtype: What it computes in.
    """
    if dtype not in get_args(ComputeDtype):
        raise unknown_name("compute dtype", dtype, get_args(ComputeDtype))
    logging.getLogger("transformers.modeling_flax_utils").addFilter(_not_deprecation)
    from transformers.models.clip.modeling_flax_clip import FlaxCLIPModule

    return FlaxCLIPModule(config, dtype=jnp.dtype(dtype))


def resnet_module(settings: Mapping[str, Any], dtype: ComputeDtype | str = "float32") -> Any:
    """Return transformers' ``FlaxResNetModule``: images to a map of features (NHWC), no head.

    Its stem halves the sides twice, whatever the configuration.

    Args:
      settings: What tells a ``ResNetConfig`` from the default one, which is that of ResNet-50:
        ``embedding_size``, ``hidden_sizes``, ``depths``, ``layer_type``.
      dtype: What it computes in.

    Raises:
      InputError: Settings that can't be built.
    """
    logging.getLogger("transformers.modeling_flax_utils").addFilter(_not_deprecation)
    from transformers import ResNetConfig
    from transformers.models.resnet.modeling_flax_resnet import FlaxResNetModule

    try:
        config = ResNetConfig.from_dict(dict(settings))
    except Exception as error:  # a wrong value fails in whatever line reads it
        raise InputError(f"not the settings of a ResNet ({error}): {dict(settings)}") from error
    if config.downsample_in_bottleneck:
        raise InputError(
            "downsample_in_bottleneck: expected false, found true, which transformers' Flax ResNet"
            " doesn't do; give a ResNet that downsamples in its 3 x 3 convolutions"
        )
    return FlaxResNetModule(config, dtype=jnp.dtype(dtype))


def published_config(name: str) -> Any:
    """Return the ``CLIPConfig`` of a published CLIP: a name of ``ARCHITECTURES``, or its hub id.

    Raises:
      InputError: If it is neither.
    """
    settings = architecture_settings(name)
    from transformers import CLIPConfig

    return CLIPConfig.from_dict(settings)


def read_config(directory: Path) -> Any:
    """Read ``config.json``, or OpenCLIP's, as transformers' ``CLIPConfig``.

    Raises:
      InputError: It is missing, not JSON, of another kind of model, or can't be built.
    """
    return _built(directory, find_settings(directory))


def config_settings(config: Any) -> dict[str, Any]:
    """Return the content of a ``config.json`` for float32 weights; inverse of ``read_config``."""
    text = {field: getattr(config.text_config, field) for field in _TEXT_FIELDS}
    vision = {field: getattr(config.vision_config, field) for field in _VISION_FIELDS}
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "dtype": "float32",
        "projection_dim": config.projection_dim,
        "logit_scale_init_value": config.logit_scale_init_value,
        "text_config": {"model_type": "clip_text_model", **text},
        "vision_config": {"model_type": "clip_vision_model", **vision},
    }


def read_tokenizer(directory: Path, context_length: int) -> Tokenizer:
    """Read a tokenizer from ``tokenizer.json``, or from ``vocab.json`` and ``merges.txt``.

    Args:
      directory: The model's directory.
      context_length: Tokens in a row, from ``config.json``.
    """
    files = {
        name: (directory / name).read_bytes()
        for name in TOKENIZER_FILES
        if (directory / name).is_file()
    }
    for name, data in files.items():
        if data.startswith(POINTER):
            raise InputError(f"{directory / name}: {pointer_text('the tokenizer')}.")
    try:
        if "tokenizer.json" in files:
            from tokenizers import Tokenizer as Backend

            backend = Backend.from_str(files["tokenizer.json"].decode())
        elif "vocab.json" in files and "merges.txt" in files:
            from transformers import CLIPTokenizerFast

            check_merges(files["vocab.json"], files["merges.txt"], str(directory))
            backend = CLIPTokenizerFast(
                str(directory / "vocab.json"), str(directory / "merges.txt")
            ).backend_tokenizer
        else:
            found = ", ".join(files) or "none of them"
            raise InputError(
                f"{directory}: no tokenizer. Expected tokenizer.json, or vocab.json and "
                f"merges.txt; found {found}. Copy them from the original model."
            )
    except InputError:
        raise
    except Exception as error:  # `tokenizers` raises bare Exception
        raise InputError(f"{directory}: the tokenizer's files are damaged ({error}).") from error
    return make_tokenizer(backend, context_length, files, str(directory))


def _check_tokenizer(directory: Path, tokenizer: Tokenizer, config: Any) -> None:
    text = config.text_config
    if tokenizer.vocabulary_size > text.vocab_size:
        raise InputError(
            f"{directory}: the tokenizer has {tokenizer.vocabulary_size} tokens, config.json's "
            f"text_config.vocab_size is {text.vocab_size}; they don't belong together."
        )
    if text.eos_token_id not in (LEGACY_EOS, tokenizer.end_id):
        raise InputError(
            f"{directory}: config.json's text_config.eos_token_id is {text.eos_token_id}, the "
            f"tokenizer's <|endoftext|> is {tokenizer.end_id}; texts would be pooled at the wrong "
            "token. Make them equal."
        )
    if text.eos_token_id == LEGACY_EOS and tokenizer.end_id != tokenizer.vocabulary_size - 1:
        _log.warning(
            "%s: text_config.eos_token_id is 2, so texts are pooled at their largest token id, but "
            "<|endoftext|> (%d) is not the largest of the vocabulary (%d)",
            directory,
            tokenizer.end_id,
            tokenizer.vocabulary_size - 1,
        )


def _check_names(dtype: str, tower: str, remat: str) -> None:
    for kind, value, known in (
        ("compute dtype", dtype, ComputeDtype),
        ("tower", tower, TowerName),
        ("remat", remat, Remat),
    ):
        if value not in get_args(known):
            raise unknown_name(kind, value, get_args(known))


def _tower(directory: Path, config: Any, *options: str) -> tuple[Tower, PyTree]:
    """Return the tower, and the shapes of the canonical tree."""
    _check_names(*options)
    try:
        tower = make_tower(config, *options)
        return tower, tower.to_canonical(tower.template())
    except Exception as error:  # a wrong value fails in whatever line of the model reads it
        raise _unbuildable(directory, error) from error


def _built(directory: Path, settings: dict[str, Any]) -> Any:
    from transformers import CLIPConfig

    try:
        return CLIPConfig.from_dict(settings)
    except Exception as error:  # a wrong value fails in whatever line reads it
        raise _unbuildable(directory, error) from error


def _unbuildable(directory: Path, error: Exception) -> InputError:
    reason = f"{type(error).__name__}: {error}"
    return InputError(f"{directory / 'config.json'}: no CLIP can be built from it ({reason}).")


def _not_deprecation(record: logging.LogRecord) -> bool:
    return "JAX classes are deprecated" not in record.getMessage()
