"""From what the user names to a local directory: the embedded model, a directory, a hub id."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from wiseft_jax.core.errors import InputError, did_you_mean, how_far
from wiseft_jax.core.tensors import FLAX_MSGPACK, SAFETENSORS, SAFETENSORS_INDEX

OPENCLIP_CONFIG = "open_clip_config.json"
OPENCLIP_WEIGHTS = "open_clip_model.safetensors"
EMBEDDED_NAME = "glyphclip"
EMBEDDED_DIRECTORY = Path(__file__).parent.parent / "quickstart" / "model"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
_SMALL_FILES = ["*.json", "merges.txt"]

_log = logging.getLogger(__name__)


def is_hub_id(name: str) -> bool:
    """Return whether a name has the form of a hub id: ``owner/name`` or ``owner/name@revision``."""
    return _HUB_ID.fullmatch(name) is not None


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
        pickled = path.suffix in (".pt", ".pth", ".bin")
        raise InputError(
            f"{name}: this is a file; give a directory, or a .safetensors file."
            + " Pickled weights are converted once, by scripts/convert_torch.py." * pickled
        )
    if isinstance(name_or_path, Path) or not is_hub_id(name):
        raise InputError(
            f"{name!r}: no such directory (looked at {path.absolute()}), and not a hub id, which "
            f"would look like owner/name; {how_far(path)}{did_you_mean(name, [EMBEDDED_NAME])}"
        )
    return _download(name)


def download_config(name: str, otherwise: str) -> Path:
    """Return the directory of a hub id's ``config.json``, or OpenCLIP's; no weights are fetched.

    Args:
      name: ``owner/name`` or ``owner/name@revision``, neither checked.
      otherwise: What to give instead, for the messages.

    Raises:
      InputError: The hub has no such model, is offline, or refuses.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    repository, _, revision = name.partition("@")

    def fetch(file: str) -> Path:
        return Path(hf_hub_download(repository, file, revision=revision or None)).parent

    with _explaining(name, otherwise):
        try:
            return fetch("config.json")
        except EntryNotFoundError as missing:  # of an offline hub's cache too
            try:
                return fetch(OPENCLIP_CONFIG)
            except EntryNotFoundError:
                raise missing from None


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")

    def fetch(patterns: list[str]) -> Path:
        return Path(
            snapshot_download(repository, revision=revision or None, allow_patterns=patterns)
        )

    with _explaining(name, "give a local directory"):
        _log.info("%s: reading from the Hugging Face hub (or its cache)", name)
        directory = fetch(_SMALL_FILES)
        for weights in (
            [SAFETENSORS],
            [SAFETENSORS_INDEX, "model-*.safetensors"],
            [FLAX_MSGPACK],
            [OPENCLIP_WEIGHTS],
        ):
            directory = fetch([*_SMALL_FILES, *weights])
            if (directory / weights[0]).is_file():
                break
    return directory


@contextlib.contextmanager
def _explaining(name: str, otherwise: str) -> Iterator[None]:
    """Turn what the hub's library raises into one message, with both meanings of the name."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    path = Path(name)
    near = how_far(path)
    known = path.absolute().parent.is_dir() or "Did you mean" in near
    near = f" ({near.rstrip('.')})" if known else ""
    both = f"{name!r}: no directory {path.absolute()}{near}, so it was taken for a hub id, and "
    try:
        yield
    except LocalEntryNotFoundError as error:
        reason = (
            "HF_HUB_OFFLINE is set and the hub's cache doesn't hold it. Unset HF_HUB_OFFLINE, or "
            if constants.HF_HUB_OFFLINE
            else f"the hub can't be reached and its cache doesn't hold it ({error}). Try again, or "
        )
        raise InputError(f"{both}{reason}{otherwise}.") from error
    except GatedRepoError as error:
        raise InputError(f"{both}access to it is gated: log in with `hf auth login`.") from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise InputError(
            f"{both}the hub has no such model or revision ({error}). Check the name, or"
            f" {otherwise}."
        ) from error
    except EntryNotFoundError as error:
        raise InputError(
            f"{both}the model there has no such file ({error}); {otherwise}."
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise InputError(f"{both}the download failed ({error}); {otherwise}.") from error
