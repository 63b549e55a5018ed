"""Spec strings, what a user writes for a data set: ``[NAME=]SCHEME:TARGET``; see ``SCHEMES``.

Add a scheme in 3 steps: see README.md beside this file.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.errors import InputError, missing_path, unknown_name


@dataclasses.dataclass(frozen=True)
class Scheme:
    """How a scheme is written, and the module of this package that opens it.

    The module has ``open_source(spec, options) -> Source``.
    """

    usage: str
    module: str


SCHEMES: dict[str, Scheme] = {
    "folder": Scheme("folder:PATH (one folder for each class)", "folder"),
    "table": Scheme("table:FILE.csv|tsv|jsonl (columns path and label)", "table"),
    "tfds": Scheme("tfds:NAME[/CONFIG]:SPLIT (prepared by TensorFlow Datasets)", "tfds"),
    "published": Scheme(
        "published:ID[/VARIANT][:SPLIT][@ROOT] (of wiseft data list, as its authors ship it)",
        "published",
    ),
}

_VERSION = re.compile(r"\d+\.\d+\.\d+")
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl")
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_OTHER_ARCHIVES = (".rar", ".7z", ".tar.zst", ".tzst", ".tbz2", ".txz", ".tar.lz", ".tlz")
_GENERIC = {"train", "training", "val", "valid", "validation", "test", "images", "data"}


@dataclasses.dataclass(frozen=True)
class Spec:
    """A parsed spec string.

    Attributes:
      scheme: A key of ``SCHEMES``.
      target: The path, or the name of the TFDS or published data set.
      split: Of a TFDS data set, ``train[:10%]`` for example, or of a published one; else empty.
      name: The name in tables: as given (``NAME=...``), or made from the target.
      root: Where a published data set lies, as given (``@ROOT``); else empty.
    """

    scheme: str
    target: str
    split: str
    name: str
    root: str = ""

    @property
    def path(self) -> Path:
        """The target as a path, ``~`` expanded."""
        return Path(self.target).expanduser()

    def __str__(self) -> str:
        split = f":{self.split}" if self.split else ""
        return f"{self.scheme}:{self.target}{split}" + (f"@{self.root}" if self.root else "")


@dataclasses.dataclass(frozen=True)
class SourceOptions:
    """What opening a source may need beside its spec.

    Attributes:
      path_column: Of a table.
      label_column: Of a table.
      data_dir: Where TFDS looks; None is ``TFDS_DATA_DIR``, then ``~/tensorflow_datasets``.
      captions: Whether a table's labels are captions, of which an image may have several.
      root: Where published data sets lie, unless the spec says; None is ``WISEFT_DATA_ROOT``.
    """

    path_column: str = "path"
    label_column: str = "label"
    data_dir: str | None = None
    captions: bool = False
    root: str | None = None


def parse_spec(text: str) -> Spec:
    """Parse a spec string; the data are not opened.

    Args:
      text: ``[NAME=]SCHEME:TARGET``.

    Raises:
      InputError: Unknown or missing scheme, missing target or split; says what to write instead.

    Example:
      >>> parse_spec("sketches=folder:~/sketches").name
      'sketches'
    """
    name, rest = _split_name(text)
    scheme, colon, target = rest.partition(":")
    if not colon or "/" in scheme or (scheme not in SCHEMES and Path(rest).exists()):
        raise _no_scheme(rest)
    if scheme == "archive":
        raise _no_scheme(target)
    if scheme == "memory":
        raise InputError(f"{text!r}: images in memory come from Python: wiseft_jax.array_dataset")
    if scheme not in SCHEMES:
        raise unknown_name("data scheme", scheme, SCHEMES)
    split = root = ""
    if scheme == "tfds":
        target, split = _split_tfds(target, text)
    elif scheme == "published":
        target, split, root = _split_published(target, text)
    if not target:
        raise InputError(f"{text!r}: nothing after {scheme!r}; write {SCHEMES[scheme].usage}")
    spec = Spec(scheme, target, split, name, root)
    return spec if name else dataclasses.replace(spec, name=_default_name(spec))


def parse_specs(texts: Sequence[str]) -> tuple[Spec, ...]:
    """Parse several specs, whose names must differ.

    Raises:
      InputError: If two have the same name.
    """
    specs = tuple(parse_spec(text) for text in texts)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            first = specs[names.index(name)]
            raise InputError(f"two data sets are called {name!r}; write OTHER_NAME={first}")
    return specs


def is_spec(text: str) -> bool:
    """Return whether a text is a spec, rather than the name of embedded data."""
    return _split_name(text)[1].partition(":")[0] in SCHEMES


def public_spec(text: str) -> str:
    """Return a spec as a record that travels has it: of directories the last name alone.

    Example:
      >>> public_spec("table:/home/ann/pets/train.csv")
      'table:train.csv'
    """
    if not is_spec(text):
        return text  # embedded data
    spec = parse_spec(text)
    target = spec.target.rstrip("/")
    if spec.scheme == "tfds" and _VERSION.fullmatch(target.rpartition("/")[2]):
        target = "/".join(target.split("/")[-2:])  # a prepared directory: NAME/VERSION
    elif spec.scheme in ("folder", "table") or spec.path.is_absolute():
        target = spec.path.absolute().name
    spec = dataclasses.replace(spec, target=target)
    return str(dataclasses.replace(spec, root=""))


def bare_spec(text: str) -> str:
    """Return a spec without the name that it gives and the root that it names.

    Example:
      >>> bare_spec("mine=published:imagenet:val@/data")
      'published:imagenet:val'
    """
    if not is_spec(text):
        return text  # embedded data
    return str(dataclasses.replace(parse_spec(text), root=""))


def open_source(spec: Spec | str, options: SourceOptions | None = None) -> Any:
    """Open a spec and return its ``Source``.

    Raises:
      InputError: If it isn't there, or isn't what its scheme says.
    """
    spec = parse_spec(spec) if isinstance(spec, str) else spec
    module = importlib.import_module(f"wiseft_jax.data.{SCHEMES[spec.scheme].module}")
    return module.open_source(spec, options or SourceOptions())


def require_path(path: Path, what: str) -> None:
    """Raise unless ``path`` exists.

    Raises:
      InputError: Says how far the path exists, and which name there is close.
    """
    if not path.exists():
        raise missing_path(path, what)


def _split_name(text: str) -> tuple[str, str]:
    match = re.match(r"([^:=/]+)=(?=.)", text)
    return (match[1].strip(), text[match.end() :]) if match else ("", text)


def _no_scheme(text: str) -> InputError:
    path = Path(text).expanduser()
    if path.suffix.lower() in TABLE_SUFFIXES:
        hint = f"did you mean 'table:{text}'?"
    elif archive := archive_hint(path):
        hint = archive
    elif path.exists() or "/" in text:
        hint = f"did you mean 'folder:{text}'?"
    else:
        hint = "write one of: " + "; ".join(scheme.usage for scheme in SCHEMES.values())
    return InputError(f"{text!r} doesn't say what kind of data it is; {hint}")


def is_archive_name(name: str) -> bool:
    """Return whether a file is an archive by its name, read by ``data prepare`` or not."""
    return name.lower().endswith((*ARCHIVE_SUFFIXES, *_OTHER_ARCHIVES))


def archive_hint(path: Path) -> str:
    """Return what to do with an archive, as the end of a message; nothing for what is none."""
    name = path.name.lower()
    if name.endswith(ARCHIVE_SUFFIXES):
        return f"unpack it, or make ArrayRecord of it: wiseft data prepare {path} --out DIR"
    return unread_archive(path) if name.endswith(_OTHER_ARCHIVES) else ""


def unread_archive(path: Path) -> str:
    """Return what to do with an archive of another kind, as the end of a message."""
    unpacked = path.with_name(path.name.partition(".")[0] or "DIR")
    return (
        f"of archives {', '.join(ARCHIVE_SUFFIXES)} are read: unpack {path.name}, and give the"
        f" folder, as in folder:{unpacked}"
    )


def _split_tfds(target: str, text: str) -> tuple[str, str]:
    depth, cut = 0, -1
    for position, character in enumerate(target):
        depth += (character == "[") - (character == "]")
        if character == ":" and depth == 0:
            cut = position
    name, split = target[:cut], target[cut + 1 :]
    if cut < 0 or not name or not split:
        raise InputError(f"{text!r}: which split? Write tfds:NAME:SPLIT, as in tfds:mnist:test")
    return name, split


def _split_published(target: str, text: str) -> tuple[str, str, str]:
    what, at, root = target.partition("@")
    name, colon, split = what.partition(":")
    if (colon and not split) or (at and not root):
        raise InputError(
            f"{text!r}: nothing after {'@' if at and not root else ':'!r}; write"
            f" {SCHEMES['published'].usage}"
        )
    return name, split, root


def _default_name(spec: Spec) -> str:
    if spec.scheme == "published":
        return f"{spec.target}-{spec.split}" if spec.split else spec.target
    if spec.scheme == "tfds":
        return f"{_prepared_name(spec)}-{spec.split}"
    path = spec.path.absolute()
    name = path.stem if spec.scheme == "table" else path.name
    if name.lower() in _GENERIC and path.parent.name:
        name = f"{path.parent.name}-{name}"
    return name


def _prepared_name(spec: Spec) -> str:
    """Return what TFDS is given, or of a directory ``.../NAME/VERSION``, remote or not, NAME."""
    if "://" not in spec.target and not spec.path.is_dir():
        return spec.target
    parts = [part for part in spec.target.split("/") if part]
    numbered = len(parts) > 1 and re.fullmatch(r"\d+\.\d+\.\d+", parts[-1])
    return parts[-2] if numbered else parts[-1]
