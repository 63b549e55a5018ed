"""Which ``config.json`` a plan's model has; checked before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from wiseft_jax.clip.architectures import ARCHITECTURES, find_architecture
from wiseft_jax.clip.hub import (
    EMBEDDED_DIRECTORY,
    EMBEDDED_NAME,
    OPENCLIP_CONFIG,
    download_config,
    is_hub_id,
)
from wiseft_jax.core.errors import InputError, unknown_name

_OTHERWISE = (
    "give as --model.name a directory with its config.json, or an architecture, for which no hub is"
    " asked (ViT-B/32, ViT-B/16, ViT-L/14, ...)"
)


def find_config(name: str) -> Path | None:
    """Return the directory of a model's ``config.json``, or OpenCLIP's; None of a published CLIP.

    Published models are known by their hub ids too, so nothing is fetched for them.

    Args:
      name: Embedded, an architecture, a directory, or a hub id, whose ``config.json`` is fetched.

    Raises:
      InputError: If it is none of them, or has no ``config.json``.
    """
    if name == EMBEDDED_NAME:
        return EMBEDDED_DIRECTORY
    if find_architecture(name) is not None:
        return None
    directory = Path(name).expanduser()
    if directory.is_dir():
        if not any((directory / name).is_file() for name in ("config.json", OPENCLIP_CONFIG)):
            raise InputError(f"{directory / 'config.json'}: missing; {_OTHERWISE}.")
        return directory
    if not is_hub_id(name) or name.startswith("ViT-"):
        raise unknown_name("model", name, [EMBEDDED_NAME, *ARCHITECTURES])
    return download_config(name, _OTHERWISE)
