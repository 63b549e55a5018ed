"""Turn any source of images into a prepared data set of TFDS: ArrayRecord, read at random.

``OUT/NAME[/CONFIG]/1.0.0`` gets what ``tfds.builder_from_directory`` and ``tfds:`` open. Records of
a split keep the order of their source (TFDS shuffles by key; here the pipeline does, anew in each
epoch), and what is left out leaves no gap. The same source and options, with the same versions of
Pillow and array_record, give the same bytes, in one go or in many.
"""

from __future__ import annotations

import collections
import dataclasses
import importlib.metadata
import io
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from etils import epath

from wiseft_jax.core.errors import InputError, counted, first_few
from wiseft_jax.core.run_lock import hold
from wiseft_jax.core.writers import check_writable
from wiseft_jax.data.archive import ArchiveSource
from wiseft_jax.data.decode import BadImageError, check_decodes, decode_image, is_plain
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.kept_facts import KeptFacts
from wiseft_jax.data.prepared_shards import (
    MANIFEST_FILE,
    Manifest,
    SplitPlan,
    clear_temporaries,
    evenly_cut,
    find_path,
    is_remote,
    write_shards,
)
from wiseft_jax.data.source import Source, evenly

if TYPE_CHECKING:
    from wiseft_jax.data.prepared_builder import ImageBuilder

logger = logging.getLogger(__name__)

VERSION = "1.0.0"

_AS_THEY_ARE = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # how JPEG and PNG begin
_MIB = 1 << 20
_SAMPLE = 64
_MOST_SHARDS = 99_999
_SHOWN = 5
_LIBRARIES = ("array_record", "pillow")
_NAME = re.compile(r"[a-zA-Z]\w*", re.ASCII)
_CONFIG = re.compile(r"[\w.-]*", re.ASCII)
_SPLIT = re.compile(r"\w+", re.ASCII)


@dataclasses.dataclass(frozen=True)
class PrepareOptions:
    """How to prepare.

    Attributes:
      name: What TFDS calls the data set: a letter, then letters, digits and underscores.
      config: What it calls the variant; empty: there is none.
      shard_mib: About how large a shard becomes, in MiB.
      skip_unreadable: Leave out, and list, images that can't be read.
      overwrite: Remove what an earlier call made there.
      num_threads: How many images are read and checked at once.
    """

    name: str
    config: str = ""
    shard_mib: float = 256.0
    skip_unreadable: bool = False
    overwrite: bool = False
    num_threads: int = 16


def prepare(
    splits: Mapping[str, Source], out: str | Path, options: PrepareOptions
) -> dict[str, Any]:
    """Prepare splits that share their classes; go on where an earlier call with the same ended.

    JPEG and PNG files of upright RGB or grey pixels keep their bytes; anything else becomes a PNG
    of its pixels, upright and RGB. Each image is decoded once, to see that it can be.

    Args:
      splits: Name -> images.
      out: The directory of prepared data sets, ``TFDS_DATA_DIR`` for example; may be ``gs://``.
      options: How.

    Returns:
      ``directory``, the number of ``classes``, and by split: ``spec``, ``images``, ``shards``,
      ``bytes``, ``skipped`` (``"image: reason"``) and ``empty_classes``.

    Raises:
      InputError: A name, the classes or ``out`` don't fit; what is there was begun otherwise; no
        image of a split can be read.
      FaultyDataError: Images can't be read; lists those of the shard.

    Example:
      >>> prepare({"test": open_source("folder:photos")}, "data", PrepareOptions("photos"))
    """
    class_names = _check(splits, options)
    directory = prepared_directory(out, options)
    facts = _facts(splits, class_names, options)
    if not is_remote(directory):
        _refuse_inside(splits, Path(directory))
        check_writable(Path(directory))
    with _held(directory):
        clear_temporaries(directory)
        if options.overwrite:
            _remove(directory)
        directory.mkdir(parents=True, exist_ok=True)
        manifest = Manifest(directory, facts)
        if not manifest.go_on(
            "Give what it was begun with, another --name or --out, or --overwrite to begin again"
        ):
            _refuse_strangers(directory)
            manifest.shard_counts = _shard_counts(splits, options)
            manifest.write()
        _builder(splits, directory, manifest, options).download_and_prepare()
        return _report(splits, directory, manifest)


def prepared_directory(out: str | Path, options: PrepareOptions) -> epath.Path:
    """Return where a data set is prepared: ``OUT/NAME[/CONFIG]/VERSION``."""
    parts = [options.name, options.config, VERSION]
    return find_path(out).joinpath(*filter(None, parts))


def _held(directory: epath.Path) -> Any:
    path = Path(directory)
    if not is_remote(directory):
        path.mkdir(parents=True, exist_ok=True)
    return hold(path, "data set", "--name or --out")


def _check(splits: Mapping[str, Source], options: PrepareOptions) -> tuple[str, ...]:
    if not _NAME.fullmatch(options.name) or not _CONFIG.fullmatch(options.config):
        raise InputError(
            f"--name {'/'.join(filter(None, (options.name, options.config)))}: TFDS wants a letter,"
            " then letters, digits and underscores; and behind a / the same with dots and dashes"
        )
    if not 0 < options.shard_mib < float("inf"):
        raise InputError(f"--shard-mib {options.shard_mib}: expected a size above 0")
    if not splits:
        raise InputError("no split is named")
    for name, source in splits.items():
        if not _SPLIT.fullmatch(name) or name == "all":
            raise InputError(
                f"split {name!r}: TFDS wants letters, digits and underscores, and keeps 'all' for"
                " the sum of the splits; name it with --split NAME"
            )
        if not len(source):
            raise InputError(f"split {name!r}: {source.name} has no images")
    (first, source), *others = splits.items()
    for name, other in others:
        if other.class_names != source.class_names:
            differ = sorted(set(other.class_names) ^ set(source.class_names))
            raise InputError(
                f"splits {first!r} and {name!r} have other classes"
                f" ({first_few(differ, _SHOWN) or 'the order'}),"
                " and a data set of TFDS has one list; give a split without images of a class an"
                " empty folder for it, or prepare them as two: --split, --name"
            )
    return source.class_names


def _refuse_inside(splits: Mapping[str, Source], directory: Path) -> None:
    """Refuse to write into a source: the next call would find more in it."""
    given = {_root(each) for each in splits.values() if not isinstance(each, ArchiveSource)}
    roots = {Path(root).absolute() for root in given if root}
    if len(roots) > 1:  # a folder of splits is a source too
        roots |= set.intersection(*({root.parent} for root in roots))
    for root in sorted(roots):
        if directory.is_relative_to(root):
            raise InputError(
                f"{directory}: it would lie among the images of {root}; give another --name or"
                " --out"
            )


def _facts(
    splits: Mapping[str, Source], class_names: Sequence[str], options: PrepareOptions
) -> dict[str, Any]:
    return {
        "name": options.name,
        "config": options.config,
        "version": VERSION,
        "shard_mib": options.shard_mib,
        "class_names": list(class_names),
        "images": {name: len(source) for name, source in splits.items()},
        "source_facts": {name: KeptFacts.of(each).to_json() for name, each in splits.items()},
        "source_fingerprints": {name: source.fingerprint() for name, source in splits.items()},
        "versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def _refuse_strangers(directory: epath.Path) -> None:
    found = sorted(path.name for path in _entries(directory))
    if found:
        raise InputError(
            f"{directory}: wiseft data prepare didn't write what is there"
            f" ({counted(len(found), 'file')}: {first_few(found, _SHOWN)}), and leaves it alone;"
            " give another --name or --out"
        )


def _remove(directory: epath.Path) -> None:
    if not (directory / MANIFEST_FILE).exists():
        _refuse_strangers(directory)
        return
    logger.warning("%s: what was prepared there is removed", directory)
    for path in sorted(_entries(directory), key=lambda path: path.name == MANIFEST_FILE):
        path.unlink()  # the manifest last: without it nobody would know whose files they are


def _entries(directory: epath.Path) -> list[epath.Path]:
    """Return what a directory has; a bucket has no empty ones, so one that isn't there is empty."""
    return list(directory.iterdir()) if directory.exists() else []


def _shard_counts(splits: Mapping[str, Source], options: PrepareOptions) -> dict[str, int]:
    """Return how many shards a split becomes, by the mean size of a few of its images."""
    counts = {}
    for name, source in splits.items():
        sizes = []
        for index in evenly(len(source), _SAMPLE):
            try:
                sizes.append(len(encoded_image(source, int(index))))
            except (BadImageError, OSError):
                continue  # it will be named when its shard is written
        total = float(np.mean(sizes)) * len(source) if sizes else 0.0
        wanted = int(np.ceil(total / (options.shard_mib * _MIB)))
        counts[name] = min(max(wanted, 1), len(source), _MOST_SHARDS)
    return counts


def encoded_image(source: Source, index: int) -> bytes:
    """Return an image as it is kept: plain JPEG and PNG files byte for byte, all else as PNG.

    Plain is what every reader of TFDS decodes alike: RGB or grey, upright, without transparency.

    Raises:
      BadImageError: It can't be decoded.
    """
    data, where = source.read(index), source.ids[index]
    if isinstance(data, bytes) and data.startswith(_AS_THEY_ARE) and is_plain(data, where):
        check_decodes(data, where)
        return data
    buffer = io.BytesIO()
    decode_image(data, where).save(buffer, "PNG")
    return buffer.getvalue()


def _builder(
    splits: Mapping[str, Source],
    directory: epath.Path,
    manifest: Manifest,
    options: PrepareOptions,
) -> ImageBuilder:
    from wiseft_jax.data.prepared_builder import ImageBuilder

    def write(builder: ImageBuilder) -> Manifest:
        plans = []
        for name, source in splits.items():
            count = manifest.shard_counts[name]
            plans.append(_plan(name, source, builder.shard_files(name, count), builder))
        write_shards(
            directory,
            plans,
            manifest,
            skip_unreadable=options.skip_unreadable,
            num_threads=options.num_threads,
        )
        for name, source in splits.items():
            if not sum(facts["images"] for facts in manifest.of_split(name)):
                raise InputError(f"split {name!r}: no image of {source.name} can be read")
        return manifest

    label_names = unique_names(manifest.facts["class_names"])
    return ImageBuilder(options.name, options.config, label_names, directory, write)


def _plan(name: str, source: Source, files: tuple[str, ...], builder: ImageBuilder) -> SplitPlan:
    names, labels = file_names(source), np.asarray(source.labels)
    repeated = [each for each, count in collections.Counter(names).items() if count > 1]
    if repeated:
        logger.warning(
            "%s: %s there more than once: %s",
            name,
            counted(len(repeated), "file name is", "file names are"),
            first_few(repeated, _SHOWN),
        )

    def make_record(index: int) -> bytes:
        return builder.record(encoded_image(source, index), int(labels[index]), names[index])

    return SplitPlan(name, evenly_cut(len(source), len(files)), files, make_record, names)


def file_names(source: Source) -> list[str]:
    """Return what images are called below the source's folder, wherever that lies."""
    root = _root(source)
    prefix = f"{root.rstrip(os.sep)}{os.sep}" if root else ""
    return [
        each[len(prefix) :] if each.startswith(prefix) else os.path.relpath(each, root)
        for each in source.ids
    ]


def _root(source: Source) -> str:
    """Return the folder that the ids of a source are in; empty if they are no paths."""
    if isinstance(source, FileSource | ArchiveSource):
        return str(source.root)
    folders = {os.path.dirname(each) for each in source.ids}  # noqa: PTH120
    return os.path.commonpath(folders) if all(map(os.path.isabs, folders)) else ""


def unique_names(class_names: Sequence[str]) -> list[str]:
    """Return names that TFDS can store: unique, without line breaks or blanks around them.

    A repeated name gets its label behind it, ``missile (744)``. The manifest has the names as they
    are, and those are what ``tfds:`` gives.
    """
    wanted = [" ".join(name.split()) or f"class {label}" for label, name in enumerate(class_names)]
    taken: dict[str, int] = {}
    for label, name in enumerate(wanted):
        unique = name
        while unique in taken or (unique != name and unique in wanted):
            unique = f"{unique} ({label})"
        taken[unique] = label
    changed = [each for each, label in taken.items() if each != class_names[label]]
    if changed:
        logger.warning(
            "%s repeated, or no single line: TFDS's list has %s; tfds: gives them as they are",
            counted(len(changed), "class name is", "class names are"), first_few(changed, _SHOWN),
        )  # fmt: skip
    return list(taken)


def _report(
    splits: Mapping[str, Source], directory: epath.Path, manifest: Manifest
) -> dict[str, Any]:
    class_names = manifest.facts["class_names"]
    facts = {}
    for name, source in splits.items():
        shards = manifest.of_split(name)
        labels = np.asarray(source.labels)
        counts = np.bincount(labels[labels >= 0], minlength=len(class_names))
        facts[name] = {
            "spec": f"tfds:{directory}:{name}",
            "images": sum(shard["images"] for shard in shards),
            "shards": len(shards),
            "bytes": sum(shard["bytes"] for shard in shards),
            "skipped": [line for shard in shards for line in shard["skipped"]],
            "empty_classes": [class_names[label] for label in np.flatnonzero(counts == 0)],
        }
    return {"directory": str(directory), "classes": len(class_names), "splits": facts}
