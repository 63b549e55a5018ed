"""The eight variants of a user's images, in the layout of the published test set.

Two passes. The first looks at each image, and writes the variants that need no other image; the
second pairs all that were accepted, and writes the mixed ones from the first one's files. Both go
on where an earlier call of the same build ended (a file whose hash isn't its row's is made again),
and write the same bytes whatever the workers.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.backgrounds.box_files import Corners, find_boxes
from wiseft_jax.backgrounds.build_config import BuildConfig
from wiseft_jax.backgrounds.build_image import (
    MIXED_VARIANTS,
    ImageMaker,
    ImageTask,
    MixedMaker,
)
from wiseft_jax.backgrounds.build_items import Item, few, name_items
from wiseft_jax.backgrounds.build_pool import default_workers, map_in_order
from wiseft_jax.backgrounds.manifest import (
    BuildDirectory,
    Row,
    read_rows,
    variant_digests,
    versions,
    write_rows,
)
from wiseft_jax.backgrounds.mask_files import find_masks
from wiseft_jax.backgrounds.segment import require_opencv
from wiseft_jax.backgrounds.written_files import faulty_files
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_bytes, hash_json
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.run_lock import hold
from wiseft_jax.core.writers import JsonlWriter
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.source import Source
from wiseft_jax.data.specs import SourceOptions, open_source

logger = logging.getLogger(__name__)

FEATURE = "feature:"
_FEWEST_CLASSES = 2
_MANY = 0.1
"""Share of rejected images above which what is left may not be what was meant."""
_FEW_IMAGES = 8
"""Images for which another worker isn't worth its start."""


@dataclasses.dataclass(frozen=True)
class BuildInputs:
    """What a build reads, opened.

    Attributes:
      source: The images.
      items: Their names.
      masks: Index -> file of the mask.
      feature: The source's own feature that is the mask; empty for none.
      boxes: Index -> boxes.
      fingerprints: Of ``source``, ``masks`` and ``boxes``.
      given: The directory of masks, or the file of boxes; None for a feature.
    """

    source: Source
    items: list[Item]
    masks: dict[int, Path]
    feature: str
    boxes: dict[int, list[Corners]]
    fingerprints: dict[str, str]
    given: Path | None = None

    def task(self, item: Item) -> ImageTask:
        """Return what a worker needs for an image."""
        image: Any
        if isinstance(self.source, FileSource):
            image = Path(self.source.ids[item.index])
        else:
            image = self.source.read(item.index)
        mask: Any = self.masks.get(item.index)
        if self.feature:
            mask = self.source.feature(item.index, self.feature)  # type: ignore[attr-defined]
        boxes = tuple(self.boxes.get(item.index, ()))
        own = (item.index, item.image_id, item.where, image, mask, boxes)
        return ImageTask(*own, looked_for=self._looked_for(item))

    def _looked_for(self, item: Item) -> str:
        """Return what would have been an image's mask or box, where it has none."""
        if self.given is None or item.index in self.masks or item.index in self.boxes:
            return ""
        if self.given.is_dir():
            named = " or ".join(f"{self.given / key}.npy" for key in item.keys)
            return f"looked for {named}, or a picture of such a name"
        named = " or ".join(map(repr, item.keys))
        return f"looked for {named} in {self.given}"


def build(
    config: BuildConfig, out: Path | str, *, workers: int = 0, overwrite: bool = False
) -> dict[str, Any]:
    """Build the variants and return the manifest.

    Args:
      config: From what, and how.
      out: The directory; where it holds a part of the same build, that isn't made again.
      workers: Processes; 0 is one for each core, at most 8.
      overwrite: Whether another build in ``out`` is removed.

    Raises:
      InputError: What the user gave doesn't fit: a path, a file, a value, another build in ``out``;
        no image is fit, or too few of a class.

    Source: Xiao et al. 2020 (arXiv 2006.09994), section 2 and appendix A.

    Example:
      >>> build(BuildConfig("folder:pets", masks="trimaps", mask_foreground=("1",)), "pets-bg")
    """
    config.check_given()
    if workers < 0:
        raise InputError(f"--workers: expected 0 or more, found {workers}")
    if config.segment == "grabcut":
        require_opencv()
    inputs = open_inputs(config)
    directory = BuildDirectory(Path(out).expanduser(), config.split)
    identity: dict[str, Any] = {
        "parameters": config.parameters(),
        "inputs": inputs.fingerprints,
        "versions": versions(opencv=config.segment == "grabcut"),
    }
    with hold(directory.path, "build"):
        identity = directory.begin(identity, overwrite=overwrite)
    with hold(directory.path, "build"):
        images, rejected = _first_pass(config, inputs, directory, workers)
        images, rejected = _check_classes(config, inputs.source, directory, images, rejected)
        names = sorted({_class_of(row) for row in images})
        pairs = _second_pass(config, names, images, directory, workers) if config.has_masks else []
        counts = collections.Counter(map(_class_of, images))
        reasons = collections.Counter(row["reason"] for row in rejected)
        _warn_of_rejected(reasons, len(inputs.items), directory)
        facts = {
            "classes": names,
            "counts": {
                "images": len(inputs.items),
                "accepted": len(images),
                "rejected": len(rejected),
                "classes": {name: counts[name] for name in names},
                "reasons": dict(sorted(reasons.items())),
            },
            "sha256": variant_digests(images, pairs, config.split),
        }
        return directory.finish(identity, facts)


def open_inputs(config: BuildConfig) -> BuildInputs:
    """Open the images, and find their masks or boxes.

    Raises:
      InputError: If something isn't there, or there is one class only.
    """
    options = SourceOptions(config.path_column, config.label_column, config.data_dir)
    source: Source = open_source(config.source, options)
    items = name_items(source)
    if len({item.image_id.rpartition("/")[0] for item in items} - {""}) < 2:
        raise InputError(
            f"{config.source}: there is one class only ({few(source.class_names)}), of which every"
            " answer is right, and the mixed variants need backgrounds of another; give images of"
            " two classes at least"
        )
    fingerprints = {"source": source.fingerprint()}
    masks, feature, boxes, given = {}, "", {}, None
    if config.masks is not None and config.masks.startswith(FEATURE):
        feature = config.masks.removeprefix(FEATURE)
        if not hasattr(source, "feature"):
            raise InputError(
                f"--masks {config.masks}: only tfds: data sets have features; give a directory"
            )
        source.feature(0, feature)  # type: ignore[attr-defined]
        fingerprints["masks"] = config.masks
    elif config.masks is not None:
        given = Path(config.masks).expanduser()
        masks = find_masks(given, items, source.class_names)
        fingerprints["masks"] = _stamp(given, masks)
    if config.boxes is not None:
        given = config.boxes.expanduser()
        boxes = find_boxes(given, items, config.path_column)
        fingerprints["boxes"] = hash_bytes(given.read_bytes())
    return BuildInputs(source, items, masks, feature, boxes, fingerprints, given)


def _stamp(root: Path, masks: dict[int, Path]) -> str:
    stats = [(path.relative_to(root).as_posix(), path.stat()) for path in masks.values()]
    return hash_json(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


def _first_pass(
    config: BuildConfig, inputs: BuildInputs, directory: BuildDirectory, workers: int
) -> tuple[list[Row], list[Row]]:
    """Write the variants that need no other image; return the rows of accepted and rejected."""
    done: dict[int, Row] = {row["index"]: row for row in read_rows(directory.rejected_file)}
    there = read_rows(directory.images_file)
    own = {
        directory.file(variant, row["id"]): digest
        for row in there
        for variant, digest in row["sha256"].items()
    }
    faults = faulty_files(own)
    for row in there:
        if not any(directory.file(variant, row["id"]) in faults for variant in row["sha256"]):
            done[row["index"]] = row
    _write_images(directory, done)
    left = [item for item in inputs.items if item.index not in done]
    if done and left:
        logger.info("%s: %d images are there, %d are left", directory.path, len(done), len(left))
    elif done:
        others = sum("reason" in row for row in done.values())
        also = f" ({others} others were rejected)" if others else ""
        logger.info(
            "%s: all %d images were there already%s", directory.path, len(done) - others, also
        )
    maker = ImageMaker(config, directory.path)
    with (
        JsonlWriter(directory.images_file) as accepted,
        JsonlWriter(directory.rejected_file) as rejected,
        _mapped(maker, (inputs.task(item) for item in left), len(left), workers) as rows,
        progress_bar("cutting", len(left)) as advance,
    ):
        for row in rows:
            (rejected if "reason" in row else accepted).write(row)
            done[row["index"]] = row
            advance(1)
    return _write_images(directory, done)


def _write_images(directory: BuildDirectory, done: dict[int, Row]) -> tuple[list[Row], list[Row]]:
    """Write and return the rows of accepted and rejected images, in the source's order."""
    rows = [done[index] for index in sorted(done)]
    images = [row for row in rows if "reason" not in row]
    rejected = [row for row in rows if "reason" in row]
    write_rows(directory.rejected_file, rejected)
    write_rows(directory.images_file, images)
    return images, rejected


def _check_classes(
    config: BuildConfig,
    source: Source,
    directory: BuildDirectory,
    images: list[Row],
    rejected: list[Row],
) -> tuple[list[Row], list[Row]]:
    """Stop at classes of which too little is left, or leave them out.

    Raises:
      InputError: Says which classes, and why their images were rejected.
    """
    least = 2 if config.has_masks else 1
    counts = collections.Counter(map(_class_of, images))
    small = [name for name in sorted(source.class_names) if counts[name] < least]
    kept = len(source.class_names) - len(small)
    if small and (config.small_classes == "stop" or kept < _FEWEST_CLASSES):
        listed = "".join(
            f"\n  {name}: {counts[name]} accepted; rejected: {_reasons(rejected, name)}"
            for name in small[:20]
        )
        way = ", or leave such classes out: --small-classes drop" if kept >= _FEWEST_CLASSES else ""
        raise InputError(
            f"{config.source}: expected at least {least} fit image(s) of a class, {len(small)} of"
            f" {len(source.class_names)} classes have less:{listed}\nEach image's reason is in"
            f" {directory.rejected_file}; mend those{way}"
        )
    for name in small:
        logger.warning("class %r is left out: %s", name, _reasons(rejected, name))
        directory.remove_class(name)
    if small:
        rows = {row["index"]: row for row in (*images, *rejected)}
        for row in images:
            if _class_of(row) in small:
                place = {key: row[key] for key in ("index", "id", "source")}
                rows[row["index"]] = place | {"reason": "class_too_small", "detail": ""}
        return _write_images(directory, rows)
    return images, rejected


def _reasons(rejected: Sequence[Row], name: str) -> str:
    found = collections.Counter(row["reason"] for row in rejected if _class_of(row) == name)
    listed = ", ".join(f"{count} {reason}" for reason, count in found.most_common())
    return listed or "none (there are no more images)"


def _warn_of_rejected(
    reasons: collections.Counter[str], images: int, directory: BuildDirectory
) -> None:
    count = reasons.total()
    if not count:
        return
    listed = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    share = "" if count <= _MANY * images else f", {100 * count / images:.0f} % of them"
    hint = share and "; mend what is wrong with so many before you use what is left"
    logger.warning(
        "%d of %d images were rejected%s: %s; each image's reason is in %s%s",
        *(count, images, share, listed, directory.rejected_file, hint),
    )


def plan_pairs(config: BuildConfig, names: Sequence[str], images: Sequence[Row]) -> list[list[Row]]:
    """Return, for each image, the rows of its mixed variants: which background each gets.

    Drawn over the images in the order in which what is built is read (of its files' names), not in
    the source's: a pairing that ``evaluate`` composes by the same seed is the same one.
    """
    from wiseft_jax.backgrounds.pairing import pair_backgrounds

    place = {name: label for label, name in enumerate(names)}
    read = sorted(images, key=lambda row: (_class_of(row), f"{row['id']}.png"))
    labels = np.asarray([place[_class_of(row)] for row in read])
    partners = {
        kind: pair_backgrounds(labels, kind, config.seed, num_classes=len(names))
        for kind in MIXED_VARIANTS
    }
    planned = {
        row["id"]: [
            {
                "fg": row["id"],
                "bg": read[chosen[index]]["id"],
                "bg_class": _class_of(read[chosen[index]]),
                "kind": kind,
                "seed": config.seed,
            }
            for kind, chosen in partners.items()
        ]
        for index, row in enumerate(read)
    }
    return [planned[row["id"]] for row in images]


def _second_pass(
    config: BuildConfig,
    names: Sequence[str],
    images: Sequence[Row],
    directory: BuildDirectory,
    workers: int,
) -> list[Row]:
    """Write the mixed variants and return their rows."""
    planned = plan_pairs(config, names, images)
    done: dict[tuple[str, str], Row] = {}
    before = {(row["fg"], row["kind"]): row for row in read_rows(directory.pairs_file)}
    faults = faulty_files(
        {directory.file(*key[::-1]): row["sha256"] for key, row in before.items()}
    )
    tasks = []
    for pairs in planned:
        left = []
        for pair in pairs:
            key = (pair["fg"], pair["kind"])
            row = before.get(key, {})
            if pair.items() <= row.items() and directory.file(*key[::-1]) not in faults:
                done[key] = row
            else:
                left.append(pair)
        tasks += [left] if left else []
    order = [(pair["fg"], pair["kind"]) for pairs in planned for pair in pairs]
    write_rows(directory.pairs_file, (done[key] for key in order if key in done))
    with (
        JsonlWriter(directory.pairs_file) as file,
        _mapped(MixedMaker(directory.path, config.split), tasks, len(tasks), workers) as made,
        progress_bar("mixing", len(tasks)) as advance,
    ):
        for rows in made:
            for row in rows:
                file.write(row)
                done[row["fg"], row["kind"]] = row
            advance(1)
    pairs = [done[key] for key in order]
    write_rows(directory.pairs_file, pairs)
    return pairs


@contextlib.contextmanager
def _mapped(function: Any, things: Any, count: int, workers: int) -> Iterator[Iterator[Any]]:
    """Map in worker processes, as many as are worth it, that end with the block."""
    wanted = min(workers or default_workers(), max(1, count // _FEW_IMAGES))
    with contextlib.closing(map_in_order(function, things, wanted)) as results:  # type: ignore[type-var]
        yield results


def _class_of(row: Row) -> str:
    return row["id"].rpartition("/")[0]
