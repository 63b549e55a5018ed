"""A split of a published data set, found on disk: what every label rule starts from."""

from __future__ import annotations

import dataclasses
import fnmatch
import os
from collections.abc import Sequence
from pathlib import Path

from wiseft_jax.core.errors import (
    InputError,
    counted,
    deepest_existing,
    few,
    missing_path,
    unknown_name,
)
from wiseft_jax.data.catalog import dataset_entry
from wiseft_jax.data.catalog_facts import layout_names, tfds_specs, where_text
from wiseft_jax.data.class_lists import class_keys, class_names
from wiseft_jax.data.entry import DatasetEntry, Split
from wiseft_jax.data.files import missing_files
from wiseft_jax.data.specs import SourceOptions, Spec

ROOT_VARIABLE = "WISEFT_DATA_ROOT"
"""The environment variable that says where published data sets lie, unless a spec does."""


class CutOffError(InputError):
    """A file ends before what it holds does: half a download."""


@dataclasses.dataclass(frozen=True)
class PublishedSplit:
    """A split of a published data set, and where it lies.

    Attributes:
      name: The name in tables and messages.
      id: The data set's id in the catalog.
      entry: What is known of it.
      split: What is known of the split.
      folder: The data set's folder.
      variant: ``corruption`` and ``severity``, of a data set that comes in variants.
      allow_missing: Whether images that a list or table names may be missing; whoever allows it
        looks for them.
    """

    name: str
    id: str
    entry: DatasetEntry
    split: Split
    folder: Path
    variant: dict[str, str]
    allow_missing: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """What its authors call the classes, in label order."""
        return class_keys(self.entry.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What prompts say for the classes, in label order."""
        return class_names(self.entry.classes)

    def paths(self) -> list[Path]:
        """Return where the images lie: the first of the split's paths that exists.

        Raises:
          InputError: None of them does.
        """
        for pattern in self.split.paths:
            path = pattern.format(**self.variant)
            there = self.folder / path
            found = sorted(self.folder.glob(path)) if "*" in path else [there] * there.exists()
            if found:
                return found
        raise self.missing(self.folder / self.split.paths[0].format(**self.variant))

    def file(self, path: str) -> Path:
        """Return a file of the data set's folder.

        Raises:
          InputError: It isn't there.
        """
        if not (self.folder / path).is_file():
            raise self.missing(self.folder / path)
        return self.folder / path

    def missing(self, path: Path) -> InputError:
        """Return the error for a file or folder that isn't there.

        Where nothing says that the root is the data set's own folder, this is looked for below it.
        """
        below, own = path.relative_to(self.folder), Path(self.entry.layout.folder)
        if self.folder.absolute().name != own.name and not (self.folder / below.parts[0]).exists():
            path = self.folder / own / below
        parts = self._parts_beside(path)
        half = f"Other parts are there ({few(parts, 3)}): half a download? " if parts else ""
        return missing_path(path, "file or folder", f"{half}{self.instead()}", parts)

    def _parts_beside(self, path: Path) -> list[str]:
        """Return which parts of the data set lie where a missing one should."""
        folder, _ = deepest_existing(path)
        if not folder.is_dir() or not folder.is_relative_to(self.folder.absolute()):
            return []
        wanted = layout_names(self.entry)
        names = sorted(entry.name for entry in folder.iterdir())
        return [name for name in names if any(fnmatch.fnmatchcase(name, each) for each in wanted)]

    def instead(self) -> str:
        """Return the end of a message: where the authors put it, and what else there is."""
        where = where_text(self.entry.layout, self.split).format(**self.variant)
        text = f"{self.id}:{self.split.name} is, below the root: {where}. Get it: "
        text += f"{self.entry.obtain} (wiseft data info {self.id})."
        prepared = self.tfds_spec()
        return text + (f" Or have TensorFlow Datasets prepare it: {prepared}" if prepared else "")

    def tfds_spec(self) -> str | None:
        """Return the spec of the same split in TensorFlow Datasets; None: it hasn't got it."""
        spec = tfds_specs(self.entry).get(self.split.name)
        if spec is None or self.entry.variants is None:
            return spec
        renamed = dict(self.entry.variants.renamed)
        corruption = self.variant["corruption"]
        return spec.format(
            corruption=renamed.get(corruption, corruption), severity=self.variant["severity"]
        )

    def require_images(self, index: Path, images: Sequence[str]) -> None:
        """Raise unless there are images, and each is there, or may be missing.

        Raises:
          InputError: Lists what is missing.
        """
        if not images:
            raise InputError(f"{index}: no row is of {self.id}:{self.split.name}")
        missing, listed = (0, "") if self.allow_missing else missing_files(images)
        if missing:
            raise InputError(
                f"{index}: {missing:,} of the {counted(len(images), 'image')} that it lists"
                f" {'is' if missing == 1 else 'are'} missing"
                f" (half a download?):{listed}\n{self.instead()}"
            )


def find_split(spec: Spec, options: SourceOptions) -> PublishedSplit:
    """Find the split that a spec names.

    Raises:
      InputError: No such data set, variant or split, no root, or a root that isn't there.
    """
    name, *parts = spec.target.split("/")
    entry = dataset_entry(name)
    splits = {split.name: split for split in entry.layout.splits}
    if not spec.split and len(splits) > 1:
        raise InputError(
            f"{spec}: which split? Write one of"
            f" {', '.join(f'published:{spec.target}:{split}' for split in splits)}"
        )
    split_name = spec.split or next(iter(splits))
    if split_name not in splits:
        raise unknown_name(f"split of {name}", split_name, splits)
    variant = _variant(name, entry, parts)
    given = spec.root or options.root or os.environ.get(ROOT_VARIABLE)
    if not given:
        raise InputError(
            f"{spec}: where does it lie? Write {spec}@ROOT, or set {ROOT_VARIABLE}; ROOT has the"
            f" folder {entry.layout.folder}, or is it. How to get it: wiseft data info {name}"
        )
    root = Path(given).expanduser()
    if not root.exists():
        said = spec if spec.root or options.root else ROOT_VARIABLE
        raise missing_path(
            root,
            "folder",
            f"{said} says that {name} lies there; how to get it: wiseft data info {name}",
        )
    folder = dataset_folder(root, entry)
    return PublishedSplit(spec.name, name, entry, splits[split_name], folder, variant)


def dataset_folder(root: Path, entry: DatasetEntry) -> Path:
    """Return the data set's folder: below ``root``, or ``root`` itself where it isn't there."""
    inside = root / entry.layout.folder
    return inside if inside.is_dir() else root


def _variant(name: str, entry: DatasetEntry, parts: Sequence[str]) -> dict[str, str]:
    if entry.variants is None:
        if parts:
            raise InputError(f"published:{name}/{'/'.join(parts)}: {name} has no variants")
        return {}
    corruptions = (*entry.variants.corruptions, *entry.variants.extra)
    severities = [str(severity) for severity in entry.variants.severities]
    if len(parts) != 2:
        raise InputError(
            f"published:{'/'.join((name, *parts))}: which corruption, how severe? Write"
            f" published:{name}/{corruptions[0]}/{severities[0]}"
        )
    corruption, severity = parts
    if corruption not in corruptions:
        raise unknown_name(f"corruption of {name}", corruption, corruptions)
    if severity not in severities:
        raise unknown_name(f"severity of {name}", severity, severities)
    return {"corruption": corruption, "severity": severity}
