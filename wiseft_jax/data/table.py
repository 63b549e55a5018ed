"""``table:FILE.csv|tsv|jsonl``: one image a row, with its path and the name of its class."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.core.errors import InputError, counted, did_you_mean
from wiseft_jax.data.files import FileSource, missing_files
from wiseft_jax.data.specs import TABLE_SUFFIXES, SourceOptions, Spec, require_path

logger = logging.getLogger(__name__)


def open_source(spec: Spec, options: SourceOptions) -> FileSource:
    """Open ``table:FILE``; paths are relative to the file, labels are names.

    The classes are the labels that occur, sorted; by number when all of them are integers (then
    ``--class-names`` may name them).

    Raises:
      InputError: If the file, a column, a value or an image file is missing; says which.
    """
    path = spec.path
    require_path(path, "table")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise InputError(
            f"{path}: expected a table ({', '.join(TABLE_SUFFIXES)}), found suffix {path.suffix!r}"
        )
    images: list[str] = []
    names: list[str] = []
    for line, row in _rows(path):
        image, label = (
            _value(path, line, row, column)
            for column in (options.path_column, options.label_column)
        )
        images.append(str(path.parent / Path(image).expanduser()))
        names.append(label)
    if not images:
        raise InputError(f"{path}: the table has no rows")
    _check_files(path, images)
    if not options.captions:
        _check_duplicates(path, images, names)
    class_names = sort_names(set(names))
    index = {name: label for label, name in enumerate(class_names)}
    labels = np.asarray([index[name] for name in names], np.int32)
    return FileSource(spec.name, images, labels, class_names, path.parent)


def sort_names(names: set[str]) -> list[str]:
    """Return names sorted; by number when all of them are integers."""
    return sorted(names, key=int if all(name.isdecimal() for name in names) else None)  # type: ignore[arg-type]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text ({error})") from None
    if path.suffix.lower() == ".jsonl":
        yield from _json_rows(path, text)
        return
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if None in row:
                columns = len(reader.fieldnames or [])
                raise InputError(
                    f"{path}:{reader.line_num}: more values than the {columns} columns of the "
                    "first line; quote values that hold the delimiter"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: {error}") from None


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{number}: not a JSON object ({error})") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: expected a JSON object, found {type(row).__name__}")
        yield number, row


def _value(path: Path, line: int, row: dict[str, Any], column: str) -> str:
    if column not in row:
        columns = [str(name) for name in row]
        raise InputError(
            f"{path}:{line}: no column {column!r}; the columns are {', '.join(columns)}."
            f"{did_you_mean(column, columns)}"
        )
    value = row[column]
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise InputError(
            f"{path}:{line}: column {column!r}: expected text or an integer, found {value!r}"
        )
    return value.strip()


def _check_files(path: Path, images: list[str]) -> None:
    missing, listed = missing_files(images)
    if missing:
        raise InputError(
            f"{path}: {missing:,} of {counted(len(images), 'image')} missing (paths are relative to"
            f" {path.parent}):{listed}"
        )


def _check_duplicates(path: Path, images: list[str], names: list[str]) -> None:
    labels: dict[str, str] = {}
    repeated = 0
    for image, name in zip(images, names, strict=True):
        repeated += image in labels
        if labels.setdefault(image, name) != name:
            raise InputError(f"{path}: {image} has two labels, {labels[image]!r} and {name!r}")
    if repeated:
        logger.warning(
            "%s: %s an image that an earlier row has",
            *(path, counted(repeated, "row repeats", "rows repeat")),
        )
