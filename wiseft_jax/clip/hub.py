"""From what the user names to a local directory: the embedded model, a directory, a hub id."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from wiseft_jax.core.errors import InputError, did_you_mean
from wiseft_jax.core.tensors import FLAX_MSGPACK, SAFETENSORS, SAFETENSORS_INDEX

EMBEDDED_NAME = "glyphclip"
EMBEDDED_DIRECTORY = Path(__file__).parent.parent / "quickstart" / "model"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
_SMALL_FILES = ["*.json", "merges.txt"]

_log = logging.getLogger(__name__)


def resolve_directory(name_or_path: str | Path) -> Path:
    """Return the local directory of a model.

    Args:
      name_or_path: ``"glyphclip"`` (the embedded model), a directory, or a hub id
        ``owner/name`` or ``owner/name@revision``, which is downloaded into the hub's cache.

    Raises:
      InputError: It is none of them; the hub has no such model, is offline, or refuses.
    """
    name = str(name_or_path)
    if name == EMBEDDED_NAME:
        return EMBEDDED_DIRECTORY
    path = Path(name).expanduser()
    if name and path.is_dir():
        return path
    if name and path.exists():
        raise InputError(f"{name}: this is a file; give the directory that holds config.json.")
    if isinstance(name_or_path, Path) or not _HUB_ID.fullmatch(name):
        raise InputError(
            f"{name!r}: no such directory (looked at {path.absolute()}), and not a hub id, which "
            f"would look like owner/name.{did_you_mean(name, [EMBEDDED_NAME])}"
        )
    return _download(name)


def _download(name: str) -> Path:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository, _, revision = name.partition("@")
    both = f"{name!r}: no directory {Path(name).absolute()}, so it was taken for a hub id, and "

    def fetch(patterns: list[str]) -> Path:
        return Path(
            snapshot_download(repository, revision=revision or None, allow_patterns=patterns)
        )

    try:
        _log.info("%s: reading from the Hugging Face hub (or its cache)", name)
        directory = fetch(_SMALL_FILES)
        for weights in ([SAFETENSORS], [SAFETENSORS_INDEX, "model-*.safetensors"], [FLAX_MSGPACK]):
            directory = fetch([*_SMALL_FILES, *weights])
            if (directory / weights[0]).is_file():
                break
    except LocalEntryNotFoundError as error:
        reason = (
            "HF_HUB_OFFLINE is set and the hub's cache doesn't hold it. Unset HF_HUB_OFFLINE, or "
            if constants.HF_HUB_OFFLINE
            else f"the hub can't be reached and its cache doesn't hold it ({error}). "
        )
        raise InputError(f"{both}{reason}give a local directory.") from error
    except GatedRepoError as error:
        raise InputError(f"{both}access to it is gated: log in with `hf auth login`.") from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise InputError(f"{both}the hub has no such model or revision ({error}).") from error
    except (HfHubHTTPError, OSError) as error:
        raise InputError(f"{both}the download failed ({error}).") from error
    return directory
