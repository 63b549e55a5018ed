"""Named tensors on disk: safetensors (one file or shards) and Flax msgpack; never a pickle."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.lfs import is_pointer, pointer_text
from wiseft_jax.core.writers import atomic_open

SAFETENSORS = "model.safetensors"
SAFETENSORS_INDEX = "model.safetensors.index.json"
FLAX_MSGPACK = "flax_model.msgpack"
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

_log = logging.getLogger(__name__)


def read_tensors(path: Path | str) -> dict[str, np.ndarray]:
    """Read named tensors as host arrays, in their stored dtypes (bfloat16 through ``ml_dtypes``).

    Args:
      path: A ``.safetensors`` or ``.msgpack`` file, a ``*.safetensors.index.json``, or a directory
        that holds ``model.safetensors``, its sharded form, or ``flax_model.msgpack`` (in this
        order of preference).

    Returns:
      Name -> array. Names from safetensors are as stored (``a.b.c``); names from msgpack are the
      key paths ``a/b/c``.

    Raises:
      InputError: Nothing readable there; a pickle; a damaged file; a shard that is missing.
    """
    path = Path(path)
    if path.is_dir():
        path = _weights_file(path)
    elif not path.is_file():
        raise InputError(f"{path}: no such file.")
    if path.name.endswith(".index.json"):
        return _read_shards(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix == ".msgpack":
        return _read_msgpack(path)
    if path.suffix in PICKLE_SUFFIXES:
        raise _pickle_refused(path.parent, [path.name])
    raise InputError(f"{path}: expected a .safetensors or .msgpack file.")


def read_names(path: Path) -> set[str]:
    """Return the names of a ``.safetensors`` file's tensors; only its header is read.

    Raises:
      InputError: It is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            return set(file.keys())
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def write_tensors(
    path: Path | str, tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays as one safetensors file, atomically; 0-d arrays keep their shape.

    Args:
      path: The file.
      tensors: Name -> array.
      metadata: Strings for the header; transformers wants ``{"format": "pt"}``.
    """
    from safetensors.numpy import save

    # np.asarray, not np.ascontiguousarray: the latter turns shape () into (1,).
    arrays = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    with atomic_open(path) as file:
        file.write(save(arrays, dict(metadata) if metadata else None))


def _weights_file(directory: Path) -> Path:
    present = [
        name
        for name in (SAFETENSORS, SAFETENSORS_INDEX, FLAX_MSGPACK)
        if (directory / name).is_file()
    ]
    if present:
        if len(present) > 1:
            _log.info("%s: reading %s, not %s", directory, present[0], ", ".join(present[1:]))
        return directory / present[0]
    names = sorted(entry.name for entry in directory.iterdir())
    pickles = [name for name in names if name.endswith(PICKLE_SUFFIXES)]
    if pickles:
        raise _pickle_refused(directory, pickles)
    raise InputError(
        f"{directory}: no weights. Expected {SAFETENSORS}, {SAFETENSORS_INDEX} or {FLAX_MSGPACK}; "
        f"found {', '.join(names[:20]) or 'an empty directory'}."
    )


def _pickle_refused(directory: Path, names: list[str]) -> InputError:
    return InputError(
        f"{directory}: the only weights are {', '.join(names)}. Such a file is a pickle: it can "
        "run any code when it is read, so it is not. Convert it once, where PyTorch is installed "
        'and you trust the file: python -c "from transformers import CLIPModel; '
        f"CLIPModel.from_pretrained('{directory}').save_pretrained('{directory}', "
        'safe_serialization=True)" writes model.safetensors beside it.'
    )


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, KeyError, ValueError, EOFError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    if is_pointer(path):
        return _pointer(path)
    return InputError(
        f"{path}: not a readable safetensors file ({error}); {path.stat().st_size} bytes. "
        "It is damaged or was not copied completely: copy or download it again."
    )


def _pointer(path: Path) -> InputError:
    return InputError(f"{path}: {pointer_text('the weights')}.")


def _read_shards(index: Path) -> dict[str, np.ndarray]:
    try:
        weight_map: dict[str, str] = json.loads(index.read_text("utf-8"))["weight_map"]
        shards = sorted(set(weight_map.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{index}: expected JSON with a 'weight_map' from tensor names to files ({error!r})."
        ) from error
    outside = [name for name in shards if Path(name).name != name]
    if outside:
        raise InputError(f"{index}: shards must lie beside the index; found {outside[0]!r}.")
    missing = [name for name in shards if not (index.parent / name).is_file()]
    if missing:
        raise InputError(f"{index}: these shards are missing: {', '.join(missing)}.")
    tensors: dict[str, np.ndarray] = {}
    for name in shards:
        tensors |= _read_safetensors(index.parent / name)
    absent, unlisted = sorted(weight_map.keys() - tensors), sorted(tensors.keys() - weight_map)
    if absent or unlisted:
        raise InputError(
            f"{index}: the shards don't match the index; listed but in no shard: {absent[:5]}; "
            f"in a shard but not listed: {unlisted[:5]}."
        )
    return tensors


def _read_msgpack(path: Path) -> dict[str, np.ndarray]:
    from flax.serialization import msgpack_restore
    from flax.traverse_util import flatten_dict

    try:
        tree = msgpack_restore(path.read_bytes())
        leaves = flatten_dict(tree, sep="/")
        return {str(name): np.asarray(leaf) for name, leaf in leaves.items()}
    except Exception as error:  # msgpack and flax raise many kinds on damaged bytes
        if is_pointer(path):
            raise _pointer(path) from error
        raise InputError(
            f"{path}: not a readable Flax msgpack file ({type(error).__name__}: {error}); "
            f"{path.stat().st_size} bytes. It is damaged or was not copied completely."
        ) from error
