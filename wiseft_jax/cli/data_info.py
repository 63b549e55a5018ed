"""``wiseft data info``: all that is known of one data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Annotated

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.parse import parse
from wiseft_jax.core.errors import EXIT_DONE
from wiseft_jax.data.catalog import dataset_entry
from wiseft_jax.data.catalog_facts import (
    dataset_facts,
    images_text,
    published_specs,
    tfds_specs,
    where_text,
)
from wiseft_jax.data.class_lists import CLASS_LISTS, class_rows
from wiseft_jax.data.entry import DatasetEntry


@dataclasses.dataclass(frozen=True)
class InfoArgs:
    """Say all that is known of a published data set.

    Paths are below the root that you keep data in, or below the data set's own folder.
    """

    name: Annotated[str, tyro.conf.Positional]
    """Its id: `wiseft data list` has them."""
    classes: bool = False
    """List its classes too: label, key (the authors' name; where images lie in folders of classes,
    the folder's), name in prompts, ImageNet's indices."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(InfoArgs, argv, "data info")
    args.common.apply()
    entry = dataset_entry(args.name)
    if args.common.json:
        print_json(dataset_facts(args.name, classes=args.classes))
        return EXIT_DONE
    print(f"{args.name}: {entry.title}")
    for what, text in _lines(args.name, entry):
        print(f"  {what:<11} {text}")
    for spec in published_specs(args.name).values():
        print(f"  {'open':<11} {spec}@ROOT")
    _print_splits(entry)
    if args.classes:
        rows = [
            (str(label), row.key, row.name, " ".join(map(str, row.imagenet)))
            for label, row in enumerate(class_rows(entry.classes))
        ]
        print_table(
            f"class list {entry.classes}", ("label", "key", "name", "ImageNet indices"), rows
        )
    return EXIT_DONE


def _class_folders(name: str, entry: DatasetEntry) -> str:
    """Return what the folders of the classes are called, and which command lists them."""
    rules = {split.labels for split in entry.layout.splits}
    command = f"wiseft data info {name} --classes"
    if "folder" in rules:
        return f"called by the keys of the class list: {command}"
    if "integer_folder" in rules:
        return f"called by the labels, as numbers: {command}"
    if "imagenet_folder" in rules:
        return "called by WordNet ids of ImageNet's classes: wiseft data info imagenet --classes"
    return f"none for a class; the classes in the order of their labels: {command}"


def _lines(name: str, entry: DatasetEntry) -> Iterator[tuple[str, str]]:
    facts, scoring, citation = CLASS_LISTS[entry.classes], entry.scoring, entry.citation
    yield "classes", f"{facts.count}, class list {entry.classes} ({facts.source}; {facts.licence})"
    yield "folders", _class_folders(name, entry)
    yield "prompts", f"prompt set {entry.prompts}"
    mean = "top1_mean_over_variants" in scoring.metrics
    of_each = ": no row, but the mean of the rows of its variants, each a set" if mean else ""
    yield "scored by", ", ".join(scoring.metrics) + of_each
    if scoring.projection != "none":
        yield "logits", f"{scoring.projection}: {facts.mapped} of ImageNet's classes are mapped"
    if scoring.groups:
        yield "groups", f"{scoring.groups.column}: {', '.join(scoring.groups.values)}"
    if entry.reference:
        yield "against", entry.reference
    if entry.variants:
        every = (*entry.variants.corruptions, *entry.variants.extra)
        severities = ", ".join(map(str, entry.variants.severities))
        yield "variants", f"{', '.join(every)}; severities {severities}"
    if entry.border_px:
        yield "border", f"{entry.border_px} pixels, cropped off first"
    yield "licence", entry.licence
    yield "get it", entry.obtain
    yield "cite", f"{citation.authors}. {citation.title}. {citation.venue}. {citation.url}"
    for note in entry.notes:
        yield "note", note
    for text in entry.missing:
        yield "missing", text


def _print_splits(entry: DatasetEntry) -> None:
    specs = tfds_specs(entry)
    rows = [
        (
            split.name, images_text(split.images, derived=split.derived),
            where_text(entry.layout, split), split.labels,
            specs.get(split.name, ""),
        )
        for split in entry.layout.splits
    ]  # fmt: skip
    print_table("splits", ("split", "images", "below the root", "labels", "tfds"), rows)
