"""Where a data set lies that TensorFlow Datasets, or ``wiseft data prepare``, prepared."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etils import epath

from wiseft_jax.core.errors import InputError, did_you_mean, few, how_far
from wiseft_jax.data.prepared_shards import find_path, is_remote, read_manifest

_INFO_FILE = "dataset_info.json"
_JSON_FILES = (_INFO_FILE, "features.json")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_ROOTED = ("/", "~", "./", "../")
_DATA_DIR = "~/tensorflow_datasets"
_DEPTH = 3  # OUT/NAME/CONFIG/VERSION
_MOST_FOLDERS = 1_000


def find_builder(target: str, data_dir: str | None) -> Any:
    """Return TFDS's builder of a prepared data set.

    Args:
      target: The directory of a version, or what TFDS calls the data set: ``NAME[/CONFIG]``, with
        ``:VERSION`` behind it or not.
      data_dir: Where TFDS looks; None is ``TFDS_DATA_DIR``, then ``~/tensorflow_datasets``.

    Raises:
      InputError: It isn't there (says what is, and how to prepare it), not finished, or damaged.
    """
    directory = find_path(target)
    if (directory / _INFO_FILE).exists():
        return _opened(directory)
    _refuse_unfinished(target, directory)
    if is_remote(target):
        raise InputError(
            f"tfds:{target}: no prepared data set is there; expected the directory of a version, as"
            " in tfds:gs://BUCKET/FOLDER/NAME/1.0.0:SPLIT"
        )
    if target.startswith(_ROOTED) or _VERSION.fullmatch(Path(target).name):
        raise _no_version(target, data_dir)
    where = data_dir or os.environ.get("TFDS_DATA_DIR")  # TFDS looks when it is imported
    builder = _by_name(target, where)
    if builder is not None:
        return builder
    if Path(target.split("/")[0]).is_dir():
        raise _no_version(target, data_dir)
    raise _not_prepared(target, data_dir)


def remedy(directory: epath.Path) -> str:
    """Return what to do about a damaged data set, as the end of a message.

    Args:
      directory: Of its version.
    """
    if read_manifest(directory) is not None:
        return (
            "prepare it again: the wiseft data prepare command that made it checks every shard, and"
            " writes anew what is damaged"
        )
    return f"prepare it again: remove {directory}, and have TFDS download and prepare it"


def _by_name(target: str, where: str | None) -> Any:
    """Return the builder of what TFDS calls so; None if there is none."""
    from tensorflow_datasets.core import naming, read_only_builder, registered

    try:
        name, given = naming.parse_builder_name_kwargs(target)
    except ValueError:
        raise InputError(
            f"tfds:{target}: neither a name of TFDS (NAME, NAME/CONFIG, NAME:1.0.0) nor a directory"
        ) from None
    root = find_path(where or _DATA_DIR)
    try:
        return read_only_builder.builder_from_files(target, data_dir=where)
    except registered.DatasetNotFoundError:
        pass
    except Exception as error:  # TFDS and protobuf raise many kinds on damaged files
        for directory in _versions_below(root / name.name):
            if _unreadable(directory):
                raise _damaged(directory, error) from error
        raise InputError(f"tfds:{target}: {error}") from error
    if given.get("config"):
        return None
    return _without_config(target, root / name.name, given.get("version"))


def _without_config(target: str, folder: epath.Path, wanted: Any) -> Any:
    """Return the newest version that has no configuration; None if there is none.

    TFDS looks for none of them where its own data set of that name has configurations.
    """
    from tensorflow_datasets.core.utils import version

    for each in reversed(version.list_all_versions(os.fspath(folder))):
        directory = folder / str(each)
        if wanted is not None and not each.match(str(wanted)):
            continue
        if (directory / _INFO_FILE).exists():
            return _opened(directory)
        _refuse_unfinished(target, directory)
    return None


def _refuse_unfinished(target: str, directory: epath.Path) -> None:
    manifest = read_manifest(directory)
    if manifest is not None and manifest["finished"]:
        raise InputError(f"{directory / _INFO_FILE}: no such file; {remedy(directory)}")
    if manifest is not None:
        raise InputError(
            f"tfds:{target}: wiseft data prepare hasn't finished there; give the same command again"
        )


def _opened(directory: epath.Path) -> Any:
    from tensorflow_datasets.core import read_only_builder

    try:
        return read_only_builder.builder_from_directory(os.fspath(directory))
    except Exception as error:  # TFDS and protobuf raise many kinds on damaged files
        raise _damaged(directory, error) from error


def _damaged(directory: epath.Path, error: Exception) -> InputError:
    file, reason = _unreadable(directory) or (directory, f"{type(error).__name__}: {error}")
    return InputError(f"{file}: can't be read ({reason}); {remedy(directory)}")


def _unreadable(directory: epath.Path) -> tuple[epath.Path, str] | None:
    """Return which of TFDS's own files is no JSON, and why; None: they all are."""
    for name in _JSON_FILES:
        try:
            json.loads((directory / name).read_text())
        except ValueError as error:
            return directory / name, str(error)
        except OSError as error:
            return directory / name, error.strerror or str(error)
    return None


def _no_version(target: str, data_dir: str | None) -> InputError:
    """Return the error for a path that is no prepared data set: with what there is near it.

    Near a relative path is where TFDS looks, too: there it is named ``NAME[/CONFIG]:VERSION``.
    """
    given = there = Path(target).expanduser()
    while not there.exists():
        there = there.parent
    is_there = there == given
    what = "no prepared data set is in this directory" if is_there else "no such directory"
    around = {Path.cwd(), *Path.cwd().parents}
    found: list[str] = []
    if there.absolute() not in around:  # where there may be anything
        below = _versions_below(epath.Path(there.absolute()))
        found = [str(there / Path(each).relative_to(there.absolute())) for each in below]
    if not found:
        hint = "expected the directory of a version, as in OUT/NAME/1.0.0"
        hint = hint if is_there else how_far(given)
    elif is_there and len(found) == 1:
        hint = f"did you mean {found[0]}?"
    else:
        close = "" if is_there else did_you_mean(str(given), found).strip()
        hint = close.replace("Did", "did", 1) or f"prepared there: {few(found)}"
    if not found and (named := _named_version(target, data_dir)):
        hint = f"did you mean {named}?"
    return InputError(f"tfds:{target}: {what}; {hint}")


def _named_version(target: str, data_dir: str | None) -> str:
    """Return how what lies at a path below the place where TFDS looks is named; or nothing."""
    where = data_dir or os.environ.get("TFDS_DATA_DIR") or _DATA_DIR
    if target.startswith(_ROOTED) or not (find_path(where) / target / _INFO_FILE).exists():
        return ""
    name, _, version = target.rpartition("/")
    return f"tfds:{name}:{version}:SPLIT, which lies in {where}"


def _versions_below(folder: epath.Path) -> list[epath.Path]:
    """Return the directories of versions in a folder, sorted; those of the first folders of it."""
    return sorted(_walk(folder, _DEPTH, [_MOST_FOLDERS]))


def _walk(folder: epath.Path, depth: int, left: list[int]) -> Iterator[epath.Path]:
    left[0] -= 1
    if left[0] < 0 or not folder.is_dir():
        return
    if (folder / _INFO_FILE).exists():
        yield folder
    elif depth:
        for each in sorted(folder.iterdir()):
            if not each.name.startswith("."):
                yield from _walk(each, depth - 1, left)


def _not_prepared(target: str, data_dir: str | None) -> InputError:
    from tensorflow_datasets.core import load, naming

    where = data_dir or os.environ.get("TFDS_DATA_DIR") or _DATA_DIR
    prepared = find_path(where)
    names = [path.name for path in prepared.iterdir()] if prepared.is_dir() else []
    names = sorted(name for name in names if not name.startswith((".", "downloads")))
    there = f" Prepared there: {', '.join(names)}." if names else " Nothing is prepared there."
    name = naming.parse_builder_name_kwargs(target)[0]
    known = load.list_builders(with_community_datasets=False)
    if name.namespace is None and name.name not in known:
        close = did_you_mean(target, names) or did_you_mean(name.name, [*names, *known])
        return InputError(
            f"tfds:{target}: no prepared data in {where}.{there} TensorFlow Datasets knows no data"
            f" set {name.name!r} either.{close} To look elsewhere, set TFDS_DATA_DIR."
        )
    argument = f", data_dir={data_dir!r}" if data_dir else ""
    command = (
        f'python -c "import tensorflow_datasets as tfds; tfds.builder({target!r}{argument}, '
        f"file_format='array_record').download_and_prepare()\""
    )
    return InputError(
        f"tfds:{target}: no prepared data in {where}.{there}{did_you_mean(target, names)} "
        "To prepare it (downloads; some need TensorFlow: pip install 'wiseft-jax[tf]'):\n"
        f"  {command}\nTo look elsewhere, set TFDS_DATA_DIR."
    )
