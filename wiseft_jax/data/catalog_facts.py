"""The facts of the catalog as plain values, for JSON, and as short texts, for tables and pages."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath
from typing import Any

from wiseft_jax.data.catalog import DATASETS, dataset_entry
from wiseft_jax.data.class_lists import CLASS_LISTS, class_rows
from wiseft_jax.data.entry import DatasetEntry, Layout, Split

SCHEMA = 1
"""Of what ``list_facts`` and ``dataset_facts`` return; a key may be added, never changed."""


def list_facts() -> dict[str, Any]:
    """Return ``{"schema", "datasets": [{"id", "title", ...}]}``, a short row for each data set."""
    rows = [
        {
            "id": name,
            "title": entry.title,
            "classes": CLASS_LISTS[entry.classes].count,
            "split": reported_split(entry).name,
            "images": reported_split(entry).images,
            "derived": reported_split(entry).derived,
            "metrics": list(entry.scoring.metrics),
            "projection": entry.scoring.projection,
            "reference": entry.reference,
            "tfds": None if entry.tfds is None else entry.tfds.name,
            "licence": entry.licence,
        }
        for name, entry in DATASETS.items()
    ]
    return {"schema": SCHEMA, "datasets": rows}


def dataset_facts(name: str, *, classes: bool = False) -> dict[str, Any]:
    """Return all that is known of a data set.

    Args:
      name: Its id.
      classes: Whether to list its classes: label, key, name, ImageNet's indices.

    Raises:
      InputError: There is no such data set.
    """
    entry = dataset_entry(name)
    facts = {"schema": SCHEMA, "id": name, **dataclasses.asdict(entry)}
    facts["classes"] = {"list": entry.classes, **dataclasses.asdict(CLASS_LISTS[entry.classes])}
    if classes:
        rows = class_rows(entry.classes)
        facts["classes"]["rows"] = [
            {"label": label, **dataclasses.asdict(row)} for label, row in enumerate(rows)
        ]
    return facts


def reported_split(entry: DatasetEntry) -> Split:
    """Return the split that accuracy is reported on: the last."""
    return entry.layout.splits[-1]


def images_text(images: int | None, *, derived: bool = False) -> str:
    """Return a number of images as text, and whether it is derived rather than counted."""
    if images is None:
        return "not recorded"
    return f"{images:,} (derived)" if derived else f"{images:,}"


def where_text(layout: Layout, split: Split) -> str:
    """Return where a split lies below the root, and what has its labels, as text.

    Example:
      >>> entry = dataset_entry("dtd")
      >>> where_text(entry.layout, entry.layout.splits[-1])
      'dtd/images; dtd/labels/test1.txt'
    """
    paths = [layout.folder if path == "." else f"{layout.folder}/{path}" for path in split.paths]
    files = [" or ".join(paths)]
    if split.index:
        files.append(f"{layout.folder}/{split.index}")
    if split.column:
        files[-1] += f" [{split.column}]"
    return "; ".join(filter(None, [*files, split.where]))


def layout_names(entry: DatasetEntry) -> frozenset[str]:
    """Return what the files and folders of a data set are called as its authors ship it.

    Of every split and variant; ``*`` stands for anything.

    Example:
      >>> sorted(layout_names(dataset_entry("svhn")))
      ['extra_32x32.mat', 'test_32x32.mat', 'train_32x32.mat']
    """
    fills: list[dict[str, object]] = [{}]
    if entry.variants is not None:
        kinds = (*entry.variants.corruptions, *entry.variants.extra)
        fills = [
            {"corruption": kind, "severity": severity}
            for kind in kinds
            for severity in entry.variants.severities
        ]
    patterns = [
        pattern
        for split in entry.layout.splits
        for pattern in (*split.paths, split.index)
        if pattern is not None
    ]
    return frozenset(
        part.format(**fill)
        for pattern in patterns
        for part in PurePosixPath(pattern).parts
        for fill in fills
    )


def published_specs(name: str) -> dict[str, str]:
    """Return the spec of each split that can be read as it is shipped: split -> ``published:...``.

    Example:
      >>> published_specs("imagenet-c")
      {'test': 'published:imagenet-c/CORRUPTION/SEVERITY:test'}
    """
    entry = dataset_entry(name)
    variant = "/CORRUPTION/SEVERITY" if entry.variants is not None else ""
    return {split.name: f"published:{name}{variant}:{split.name}" for split in entry.layout.splits}


def tfds_id(full_name: str) -> str:
    """Return the id of the data set that TensorFlow Datasets calls so; empty where there is none.

    Args:
      full_name: ``name[/config]/version``.

    Example:
      >>> tfds_id("imagenet_r/0.2.0")
      'imagenet-r'
    """
    name = full_name.rpartition("/")[0]
    return next(
        (id for id, entry in DATASETS.items() if entry.tfds and entry.tfds.name == name), ""
    )


def tfds_specs(entry: DatasetEntry) -> dict[str, str]:
    """Return the spec of each split that TensorFlow Datasets has: name here -> ``tfds:...``."""
    if entry.tfds is None:
        return {}
    return {here: f"tfds:{entry.tfds.name}:{there}" for there, here in entry.tfds.splits}
