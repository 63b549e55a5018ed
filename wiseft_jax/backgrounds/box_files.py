"""Boxes around objects in files: a table with a row an object, or COCO's annotations."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.backgrounds.build_items import Item, few, find_by_key, without_suffix
from wiseft_jax.core.errors import InputError, did_you_mean, missing_path

logger = logging.getLogger(__name__)

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json")
CORNERS = ("x0", "y0", "x1", "y1")
_KEYS = ("path", "id")

Corners = tuple[float, float, float, float]


def find_boxes(
    file: Path, items: Sequence[Item], path_column: str = "path"
) -> dict[int, list[Corners]]:
    """Return the boxes of each image that has any, as they are in the file.

    Args:
      file: ``.csv``, ``.tsv`` or ``.jsonl`` with columns ``path`` (or ``id``), ``x0``, ``y0``,
        ``x1``, ``y1`` in pixels of the upright image, half-open; or COCO's ``.json``.
      items: The images. A row calls its image by ``CLASS/ID``, by its path below its root, or by
        its file's name, with a suffix or without.
      path_column: Of a table.

    Returns:
      Index of an image -> its boxes. Rows that are nobody's are told.

    Raises:
      InputError: The file, a column or a number is missing or wrong; a row fits two images.
    """
    if not file.is_file():
        raise missing_path(file, "file of boxes")
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{file}: expected {', '.join(SUFFIXES)}, found suffix {file.suffix!r}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: expected UTF-8 text ({error})") from None
    rows = _coco_rows(file, text) if suffix == ".json" else _table_rows(file, text, path_column)
    boxes: dict[str, list[Corners]] = {}
    for name, corners in rows:
        boxes.setdefault(without_suffix(name.strip().replace("\\", "/")), []).append(corners)
    if not boxes:
        raise InputError(f"{file}: there are no boxes in it")
    keys = find_by_key(boxes, items, f"{file}: the box of")
    idle = sorted(boxes.keys() - set(keys.values()))
    if idle:
        logger.warning("%s: boxes of %d images that aren't there: %s", file, len(idle), few(idle))
    return {index: boxes[key] for index, key in keys.items()}


def whole_pixels(corners: Corners, width: int, height: int) -> tuple[int, int, int, int]:
    """Return a box in whole pixels, edges moved outwards; less than a pixel outside is cut off.

    Args:
      corners: ``(x0, y0, x1, y1)``.
      width: Of the image.
      height: Of the image.
    """
    x0, y0, x1, y1 = corners
    left, top = (math.floor(each) if each <= -1 else max(math.floor(each), 0) for each in (x0, y0))
    right = math.ceil(x1) if x1 >= width + 1 else min(math.ceil(x1), width)
    bottom = math.ceil(y1) if y1 >= height + 1 else min(math.ceil(y1), height)
    return left, top, right, bottom


def _table_rows(file: Path, text: str, path_column: str) -> Iterator[tuple[str, Corners]]:
    for line, row in _rows(file, text):
        columns = [str(name) for name in row]
        named = [name for name in (path_column, *_KEYS) if row.get(name) not in (None, "")]
        if not named:
            raise InputError(
                f"{file}:{line}: no image is named; expected a column {path_column!r} or 'id', the"
                f" columns are {', '.join(columns)}"
            )
        yield str(row[named[0]]), _corners(file, line, row, columns)


def _corners(file: Path, line: int, row: dict[str, Any], columns: list[str]) -> Corners:
    missing = [name for name in CORNERS if row.get(name) is None]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise InputError(
            f"{file}:{line}: no column{plural} {', '.join(map(repr, missing))}; expected"
            f" {', '.join(CORNERS)}, the columns are"
            f" {', '.join(columns)}.{did_you_mean(missing[0], columns)}"
        )
    found = []
    for name in CORNERS:
        try:
            value = float(row[name])
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{file}:{line}: {name}: expected a number, found {row[name]!r}")
        found.append(value)
    return (found[0], found[1], found[2], found[3])


def _rows(file: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    if file.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield number, _object(f"{file}:{number}", line)
        return
    delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if None in row:
                raise InputError(
                    f"{file}:{reader.line_num}: more values than columns in the first line; quote"
                    " values that hold the delimiter"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{file}:{reader.line_num}: {error}") from None


def _object(where: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not a JSON object ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f"{where}: expected a JSON object, found {type(found).__name__}")
    return found


def _coco_rows(file: Path, text: str) -> Iterator[tuple[str, Corners]]:
    """Yield COCO's ``bbox`` (x, y, width, height) by its image's ``file_name``."""
    found = _object(str(file), text)
    try:
        names = {image["id"]: str(image["file_name"]) for image in found["images"]}
        rows = [(names[each["image_id"]], each["bbox"]) for each in found["annotations"]]
        for name, (x, y, width, height) in rows:
            corners = (float(x), float(y), float(x) + float(width), float(y) + float(height))
            if not all(map(math.isfinite, corners)):
                raise InputError(f"{file}: {name}: bbox: expected four numbers")
            yield name, corners
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{file}: expected COCO's annotations: images (id, file_name) and annotations"
            f" (image_id, bbox); {type(error).__name__}: {error}"
        ) from None
